//! The grammar of units: what is accepted with which value, and what is refused, on both sides of every bound.

use std::time::Duration;

use proptest::prelude::*;
use values::units::{
    ByteSize, Limit, TimeSpan, address, at_least, count, ip, list, off_or, positive_time, rate,
    up_to,
};

/// Texts that are no number with one unit, whatever the unit.
#[rustfmt::skip]
const NO_NUMBER: [&str; 22] = [
    "", " ", "-", "+", ".", "-1", "+1", "-0", "1e3", "1E3", "0x10", "1_000", "1,5", "1 000",
    "1.2.3", "NaN", "inf", "infinity", "off", "١٢", "１",
    "99999999999999999999999999999999999999999",
];

#[test]
fn times_are_read_exactly() {
    let millis = Duration::from_millis;
    for (text, duration) in [
        ("0", Duration::ZERO),
        ("0s", Duration::ZERO),
        ("0ms", Duration::ZERO),
        ("0.000s", Duration::ZERO),
        ("250ms", millis(250)),
        ("1.5ms", Duration::from_micros(1500)),
        ("10s", millis(10_000)),
        ("1.5s", millis(1500)),
        (".5s", millis(500)),
        ("2", millis(2000)),
        ("0.25", millis(250)),
        ("007s", millis(7000)),
        ("10 s", millis(10_000)),
        ("10  ms", millis(10)),
        ("5m", millis(300_000)),
        ("1h", millis(3_600_000)),
        ("0.0001h", millis(360)),
        ("24h", millis(86_400_000)),
        ("1d", millis(86_400_000)),
        ("0.000000001s", Duration::from_nanos(1)),
        ("0.000001ms", Duration::from_nanos(1)),
        ("1.000000001s", Duration::new(1, 1)),
        ("36500d", TimeSpan::MAX.0),
        ("876000h", TimeSpan::MAX.0),
        ("3153600000", TimeSpan::MAX.0),
    ] {
        assert_eq!(text.parse(), Ok(TimeSpan(duration)), "{text}");
    }
}

#[test]
fn no_times_are_refused_by_name() {
    for text in [
        "s",
        "ms",
        " s",
        "10ss",
        "10s10s",
        "1h30m",
        "1h 30m",
        "10s5",
        "1 0s",
        "10 s ",
        " 10s",
        "10s\n",
        "10\ts",
        "-1s",
        "+1s",
        "- 1s",
        "1s ago",
        "1.5.s",
        "1..5s",
        "10S",
        "10Ms",
        "10M",
        "1H",
        "1D",
        "1w",
        "1y",
        "10us",
        "10µs",
        "10ns",
        "1 sec",
        "1min",
        "10sx",
        "x10s",
        "1e3s",
        "infs",
        "1٫5s",
        "１０s",
        "10ｓ",
        // Shorter than a nanosecond, which would be no time at all.
        "0.0000000001s",
        "0.0000001ms",
        "0.00000000000000000000001h",
        // Above the maximum, above what a `Duration` takes, above 64 bits.
        "36501d",
        "876001h",
        "3153600000.000000001",
        "3153600001s",
        "9999999999999999h",
        "18446744073709551616s",
        "99999999999999999999h",
    ]
    .iter()
    .chain(&NO_NUMBER)
    {
        let error = text.parse::<TimeSpan>().expect_err(text);
        assert!(error.contains(&format!("`{text}`")), "{error}");
    }
}

#[test]
fn sizes_are_read_exactly() {
    for (text, bytes) in [
        ("0", 0),
        ("0B", 0),
        ("0.0KiB", 0),
        ("1", 1),
        ("4096", 4096),
        ("7B", 7),
        ("7b", 7),
        ("64KiB", 65_536),
        ("64kib", 65_536),
        ("64KIB", 65_536),
        ("64Ki", 65_536),
        ("64K", 65_536),
        ("64k", 65_536),
        ("1 GiB", 1 << 30),
        ("1MiB", 1 << 20),
        ("1m", 1 << 20),
        ("1g", 1 << 30),
        ("1TiB", 1 << 40),
        ("1.5MiB", 3 << 19),
        ("0.5k", 512),
        ("0.0001KiB", 0),
        ("0.001KiB", 1),
        ("007", 7),
        ("1024TiB", 1 << 50),
        ("1125899906842624", 1 << 50),
    ] {
        match text {
            "0.0001KiB" => assert!(text.parse::<ByteSize>().is_err(), "a tenth of a byte"),
            text => assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}"),
        }
    }
}

#[test]
fn no_sizes_are_refused_by_name() {
    for text in [
        "B",
        "KiB",
        "k",
        " KiB",
        "64KiBKiB",
        "64BB",
        "64KiBs",
        "1KiB1",
        "1 KiB ",
        " 1KiB",
        "1\tKiB",
        "1\u{a0}KiB",
        "6 4KiB",
        "-1KiB",
        "+1KiB",
        "1.KiB",
        ".5KiB",
        "1.5",
        "1.5.5KiB",
        "1..5KiB",
        "1e3KiB",
        "1E",
        "1EiB",
        "1PiB",
        "1s",
        "1KiBps",
        "1К",
        "64Kibi",
        "1iB",
        "1i",
        // 1000 to some and 1024 to others.
        "1KB",
        "1kb",
        "1MB",
        "1GB",
        "1TB",
        // Above the maximum and above 64 bits.
        "1025TiB",
        "1125899906842625",
        "1024.001TiB",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551615KiB",
    ]
    .iter()
    .chain(&NO_NUMBER)
    {
        let error = text.parse::<ByteSize>().expect_err(text);
        assert!(error.contains(&format!("`{text}`")), "{error}");
    }
    let error = "1MB".parse::<ByteSize>().unwrap_err();
    assert!(error.contains("write MiB"), "{error}");
}

#[test]
fn minimums_hold_on_both_sides() {
    assert_eq!(
        positive_time("0.000000001s"),
        Ok(TimeSpan(Duration::from_nanos(1)))
    );
    for text in ["0", "0s", "0.0ms", "0.0000000001s", "10ss"] {
        assert!(
            positive_time(text)
                .unwrap_err()
                .contains(&format!("`{text}`"))
        );
    }
    let parse = at_least(ByteSize(1024));
    assert_eq!(parse("1KiB"), Ok(ByteSize(1024)));
    assert_eq!(
        parse("1023").unwrap_err(),
        "`1023` is below the minimum of 1KiB"
    );
    assert!(parse("1KB").is_err());
    assert_eq!(up_to(5)("5"), Ok(5));
    assert_eq!(up_to(5)("6").unwrap_err(), "`6` exceeds the maximum of 5");
    assert!(up_to(5)("0").is_err());
}

#[test]
fn counts_and_rates_are_at_least_one() {
    for (text, number) in [
        ("1", 1),
        ("10000", 10_000),
        ("18446744073709551615", usize::MAX),
    ] {
        assert_eq!(count(text), Ok(number));
        assert_eq!(rate(text), Ok(number));
        assert_eq!(rate(&format!("{text}/s")), Ok(number));
    }
    for text in ["0", "00", "1.5", "1s", "1 ", " 1", "18446744073709551616"]
        .iter()
        .chain(&NO_NUMBER)
    {
        assert!(count::<u64>(text).unwrap_err().contains(text));
        assert!(rate::<u64>(text).unwrap_err().contains(text));
    }
    for text in ["/s", "0/s", "1/m", "1/s/s", "1 /s", "1/"] {
        assert!(rate::<u64>(text).unwrap_err().contains(text));
    }
    assert!(count::<u64>("1/s").is_err());
    assert_eq!(count("255"), Ok(u8::MAX));
    assert!(count::<u8>("256").is_err());
}

#[test]
fn limits_are_off_or_a_value() {
    assert_eq!("off".parse(), Ok(Limit::<TimeSpan>(None)));
    assert_eq!(
        "2s".parse(),
        Ok(Limit(Some(TimeSpan(Duration::from_secs(2)))))
    );
    assert_eq!(off_or("off", count::<u8>), Ok(Limit(None)));
    assert_eq!(off_or("3", count), Ok(Limit(Some(3))));
    for text in ["Off", "OFF", "never", "none", "off ", "offs", "", "0ss"] {
        let error = text.parse::<Limit<TimeSpan>>().unwrap_err();
        assert!(error.contains("`off` switches it off"), "{error}");
    }
    assert!(off_or("0", count::<u8>).is_err());
    assert_eq!(Limit::<ByteSize>(None).to_string(), "off");
    assert_eq!(Limit(Some(ByteSize(1024))).to_string(), "1KiB");
}

#[test]
fn addresses_have_a_port_and_brackets() {
    for text in [
        "127.0.0.1:8443",
        "0.0.0.0:0",
        "[::]:8443",
        "[::1]:65535",
        "[::ffff:1.2.3.4]:1",
    ] {
        assert_eq!(address(text).unwrap().to_string(), text);
    }
    for (text, reason) in [
        ("", "ADDR:PORT"),
        ("127.0.0.1", "port is missing"),
        ("127.0.0.1:", "port is missing"),
        ("[::1]", "port is missing"),
        ("[::1]:", "port is missing"),
        ("::1", "[::1]:8443"),
        ("::", "[::]:8443"),
        ("::1:8443", "bracketed"),
        (":8443", "[::]:8443"),
        ("8443", "ADDR:PORT"),
        ("localhost:8443", "a name is not looked up"),
        ("127.0.0.1:65536", "0 to 65535"),
        ("127.0.0.1:-1", "0 to 65535"),
        ("127.0.0.1:x", "0 to 65535"),
        ("127.0.0.1:1:2", "ADDR:PORT"),
        (" 127.0.0.1:1", "ADDR:PORT"),
        ("127.0.0.1:1 ", "0 to 65535"),
        ("127.1:80", "ADDR:PORT"),
        ("[127.0.0.1]:80", "ADDR:PORT"),
        ("[[::1]]:80", "ADDR:PORT"),
        ("[::1:80", "ADDR:PORT"),
    ] {
        let error = address(text).expect_err(text);
        assert!(
            error.contains(reason) && error.contains(&format!("`{text}`")),
            "{error}"
        );
    }
}

#[test]
fn ips_are_bracketed_on_both_sides_or_not() {
    for text in ["127.0.0.1", "::1", "[::1]", "fe80::1"] {
        assert_eq!(ip(text).unwrap().to_string(), text.trim_matches(['[', ']']));
    }
    #[rustfmt::skip]
    let cases = [
        "", "[", "[]", "[::1", "::1]", "[[::1]]", "[127.0.0.1]", "localhost", "::1%eth0", "1.2.3",
        "1.2.3.04",
    ];
    for text in cases {
        assert!(ip(text).unwrap_err().contains(&format!("`{text}`")));
    }
}

#[test]
fn lists_are_split_at_commas() {
    for (text, items) in [
        ("", &[][..]),
        (" , ,", &[]),
        ("a", &["a"]),
        ("a,b", &["a", "b"]),
        (" a , b ,", &["a", "b"]),
        (r"a\,b,c", &["a,b", "c"]),
        (r"C:\certs\a.pem,C:\b", &[r"C:\certs\a.pem", r"C:\b"]),
        (r"\,", &[","]),
        (r"a\", &[r"a\"]),
        ("á, ü", &["á", "ü"]),
    ] {
        assert_eq!(list(text), items, "{text}");
    }
}

#[test]
fn the_largest_whole_unit_is_written() {
    for (text, written) in [
        ("0ms", "0s"),
        ("60s", "1m"),
        ("90", "90s"),
        ("1d", "24h"),
        ("1.5h", "90m"),
        ("1.5s", "1500ms"),
        ("1.5ms", "0.0015s"),
    ] {
        assert_eq!(text.parse::<TimeSpan>().unwrap().to_string(), written);
    }
    for (text, written) in [
        ("0", "0B"),
        ("96", "96B"),
        ("1024", "1KiB"),
        ("1.5m", "1536KiB"),
        ("2048GiB", "2TiB"),
    ] {
        assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), written);
    }
}

proptest! {
    #[test]
    fn times_survive_being_written(seconds in 0..TimeSpan::MAX.0.as_secs(), nanos in 0..1_000_000_000_u32, coarse: bool) {
        let nanos = if coarse { nanos / 1_000_000 * 1_000_000 } else { nanos };
        for span in [Duration::new(seconds, nanos), Duration::from_secs(seconds), Duration::from_nanos(nanos.into())] {
            prop_assert_eq!(TimeSpan(span).to_string().parse(), Ok(TimeSpan(span)));
        }
    }

    #[test]
    fn sizes_survive_being_written(bytes in 0..=ByteSize::MAX.0, power in 0..50_u32) {
        for size in [ByteSize(bytes), ByteSize(bytes >> power << power)] {
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }

    #[test]
    fn lists_survive_being_joined(items in prop::collection::vec("[a-z:/,]{1,8}", 0..5)) {
        let joined: Vec<String> = items.iter().map(|item| item.replace(',', r"\,")).collect();
        prop_assert_eq!(list(&joined.join(",")), items);
    }

    #[test]
    fn nothing_panics(text in "\\PC{0,12}", digits in "[0-9. ]{0,24}[a-zA-Zµ]{0,4}") {
        for text in [text, digits] {
            let _ = (text.parse::<TimeSpan>(), text.parse::<ByteSize>());
            let _ = (count::<u8>(&text), rate::<u64>(&text), address(&text), ip(&text), list(&text));
        }
    }
}
