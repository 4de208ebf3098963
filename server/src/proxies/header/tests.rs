use std::net::Ipv4Addr;

use proxy_header::{ProxiedAddress, ProxyHeader as Written, SslInfo};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;

const MAX: usize = 4096;

/// A header of version 2 from `source` with `fields`, as the library writes it.
fn version_2(source: &str, fields: Vec<Tlv<'_>>) -> Vec<u8> {
    let source: SocketAddr = source.parse().unwrap();
    let destination = SocketAddr::new(source.ip(), 443);
    let address = ProxiedAddress::stream(source, destination);
    let mut bytes = Vec::new();
    let written = Written::with_tlvs(Some(address), fields);
    written.encode_v2(&mut bytes).unwrap();
    bytes
}

/// The same with its checksum in the last field.
fn with_sum(source: &str, fields: Vec<Tlv<'_>>) -> Vec<u8> {
    let fields = fields.into_iter().chain([Tlv::Crc32c(0)]).collect();
    let mut bytes = version_2(source, fields);
    let sum = crc32c::crc32c(&bytes);
    let at = bytes.len() - 4;
    bytes[at..].copy_from_slice(&sum.to_be_bytes());
    bytes
}

fn from(client: &str) -> ProxyHeader {
    ProxyHeader {
        client: Some(client.parse().unwrap()),
        ..ProxyHeader::default()
    }
}

/// Headers that are accepted, with what they say.
fn good() -> Vec<(Vec<u8>, ProxyHeader)> {
    let own = ProxyHeader::default;
    let signed = |rest: &[u8]| [VERSION_2, rest].concat();
    let secure = vec![
        Tlv::Alpn(b"h2"[..].into()),
        Tlv::Authority("chat.example".into()),
        Tlv::Ssl(SslInfo::new(true, false, false, 0)),
        Tlv::UniqueId(b"\0\xff"[..].into()),
        Tlv::Noop(9),
        Tlv::Custom(0xea, b"vpce-1"[..].into()),
    ];
    let reported = ProxyHeader {
        is_secure: true,
        authority: Some("chat.example".to_owned()),
        ..from("[2001:db8::7]:40000")
    };
    vec![
        (
            b"PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\r\n".to_vec(),
            from("203.0.113.9:56324"),
        ),
        (
            b"PROXY TCP6 2001:db8::9 2001:db8::1 56324 443\r\n".to_vec(),
            from("[2001:db8::9]:56324"),
        ),
        (
            b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"
                .to_vec(),
            from("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), own()),
        (
            b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n".to_vec(),
            own(),
        ),
        (version_2("203.0.113.9:56324", vec![]), from("203.0.113.9:56324")),
        (version_2("[2001:db8::7]:40000", secure.clone()), reported.clone()),
        (with_sum("[2001:db8::7]:40000", secure), reported),
        // LOCAL, with and without addresses.
        (signed(b"\x20\x00\0\0"), own()),
        (signed(b"\x20\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\0\x01\0\x02"), own()),
        // PROXY over UNSPEC, with a field.
        (signed(b"\x21\x00\0\x04\x04\0\x01x"), own()),
        // PROXY over a Unix socket.
        (signed(&[&b"\x21\x31\0\xd8"[..], &[b'/'; 216]].concat()), own()),
    ]
}

#[test]
fn n2_headers_are_the_same_wherever_they_are_cut() {
    for (bytes, expected) in good() {
        let shown = bytes.escape_ascii().to_string();
        for cut in 0..bytes.len() {
            let parsed = ProxyHeader::parse(&bytes[..cut], MAX);
            assert!(matches!(parsed, Ok(None)), "{shown} {cut}: {parsed:?}");
        }
        let followed = [&bytes[..], b"\x16\x03\x01 rest\r\n\r\n\n"].concat();
        for whole in [&bytes, &followed] {
            let (header, length) = ProxyHeader::parse(whole, MAX).unwrap().unwrap();
            assert_eq!((&header, length), (&expected, bytes.len()), "{shown}");
        }
    }
}

#[test]
fn n2_anything_else_is_refused() {
    let signed = |rest: &[u8]| [VERSION_2, rest].concat();
    let mut wrong_sum = with_sum("203.0.113.9:1", vec![]);
    wrong_sum[16] ^= 1;
    let mut datagram = version_2("203.0.113.9:1", vec![]);
    datagram[13] = 0x12;
    let mut version_3 = version_2("203.0.113.9:1", vec![]);
    version_3[12] = 0x31;
    let mut command_2 = version_2("203.0.113.9:1", vec![]);
    command_2[12] = 0x22;
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01",
        b"proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXYTCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
        b"PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rX\n",
        b"PROXY \r\n\r\n\r\n\r\n\r\n\r\n",
        &[&b"PROXY UNKNOWN "[..], &[b'x'; 200], b"\r\n"].concat(),
        &[&b"PROXY TCP4 "[..], &[b'1'; 200]].concat(),
        b"\r\n\r\n\0\r\nQUIT\r",
        b"\r\nGET",
        &signed(b"\x21\x11\0\x0b\x7f\0\0\x01\x7f\0\0\x01\0\x01\0"),
        &signed(b"\x21\x41\0\0"),
        &signed(b"\x21\x00\0\x02\x01\0"),
        &signed(b"\x21\x00\0\x04\x01\0\x05x"),
        &signed(b"\x21\x00\0\x05\x03\0\x02xx"),
        &signed(b"\x21\x00\0\x04\x02\0\x01\xff"),
        &signed(b"\x21\x00\0\x05\x20\0\x02xx"),
        &wrong_sum,
        &datagram,
        &version_3,
        &command_2,
    ] {
        let parsed = ProxyHeader::parse(bytes, MAX);
        assert!(parsed.is_err(), "{}: {parsed:?}", bytes.escape_ascii());
    }
}

/// Every single wrong byte under a checksum is noticed, whatever it means.
#[test]
fn n2_a_checksum_covers_every_byte() {
    let header = with_sum(
        "203.0.113.9:56324",
        vec![Tlv::Authority("a.example".into())],
    );
    for at in 0..header.len() {
        let mut bytes = header.clone();
        bytes[at] ^= 4;
        let parsed = ProxyHeader::parse(&bytes, MAX);
        // A longer length waits for the rest, another type of the field leaves no checksum.
        let is_field = at == header.len() - 7;
        assert!(
            is_field || !matches!(parsed, Ok(Some(_))),
            "{at}: {parsed:?}"
        );
    }
}

#[test]
fn n2_a_header_over_the_bound_is_refused_before_it_is_there() {
    let header = version_2("203.0.113.9:1", vec![Tlv::Noop(1000)]);
    assert!(header.len() > 1000);
    let parsed = ProxyHeader::parse(&header[..16], header.len());
    assert!(matches!(parsed, Ok(None)), "{parsed:?}");
    assert!(ProxyHeader::parse(&header, header.len()).unwrap().is_some());
    let parsed = ProxyHeader::parse(&header[..16], header.len() - 1);
    assert!(
        matches!(parsed, Err(HeaderError::TooLong { .. })),
        "{parsed:?}"
    );
}

#[tokio::test]
async fn what_follows_a_header_is_left() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut sender = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let mut socket = Socket::from(listener.accept().await.unwrap().0);
    sender
        .write_all(b"PROXY TCP4 203.0.113.9 10.0.0.1 5 443\r\n\x16\x03")
        .await
        .unwrap();
    let header = ProxyHeader::receive(&mut socket, MAX).await.unwrap();
    assert_eq!(header, from("203.0.113.9:5"));
    assert_eq!(socket.peek().await.unwrap(), Some(0x16));
    sender.write_all(b"\x01").await.unwrap();
    drop(sender);
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"\x16\x03\x01");
    let end = ProxyHeader::receive(&mut socket, MAX).await;
    assert!(matches!(end, Err(HeaderError::Io(_))), "{end:?}");
}
