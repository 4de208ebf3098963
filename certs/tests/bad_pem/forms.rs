//! Files as editors, browsers and accidents leave them: line ends, codings, sizes, sections that are cut.

use certs::pem;

use super::Case;
use super::good::Good;

fn utf16(text: &str, big_endian: bool, mark: bool) -> Vec<u8> {
    let mark = mark.then_some('\u{feff}');
    let units = mark
        .into_iter()
        .chain(text.chars())
        .map(|c| u16::try_from(u32::from(c)).unwrap());
    units
        .flat_map(|unit| {
            if big_endian {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        })
        .collect()
}

fn der(pem_text: &str) -> Vec<u8> {
    pem::certificates(pem_text.as_bytes()).unwrap()[0].to_vec()
}

/// The certificate with a byte appended inside its section.
fn padded(pem_text: &str) -> Vec<u8> {
    use base64::Engine as _;
    let mut bytes = der(pem_text);
    bytes.push(0);
    let body = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n").into_bytes()
}

/// Files whose sections are what they should be, or nothing.
#[rustfmt::skip]
pub fn cases(good: &Good) -> Vec<Case> {
    let (crt, key) = (good.text("server.crt"), good.text("server.key"));
    let ca = good.text("ca.crt");
    let c = || crt.clone().into_bytes();
    let k = || key.clone().into_bytes();
    let join = |parts: &[&str]| parts.concat().into_bytes();
    let crlf = |text: &str| text.replace('\n', "\r\n").into_bytes();
    let no_end = |text: &str| text.split_once("-----END").unwrap().0.as_bytes().to_vec();
    vec![
        ("as made", c(), k(), None),
        ("CRLF", crlf(&crt), crlf(&key), None),
        ("old Mac line ends", crt.replace('\n', "\r").into_bytes(), key.replace('\n', "\r").into_bytes(), None),
        ("no last line end", crt.trim_end().into(), key.trim_end().into(), None),
        ("text around", join(&["subject: x\n", &crt, "\nbye\n"]), join(&["Bag Attributes\n", &key, "\n\n"]), None),
        ("byte order mark of UTF-8", join(&["\u{feff}\n", &crt]), k(), None),
        ("certificate empty", vec![], k(), Some("server.crt is empty")),
        ("key empty", c(), vec![], Some("server.key is empty")),
        ("white space only", b" \n\t\r\n".to_vec(), k(), Some("server.crt is empty")),
        ("key is white space", c(), b"\n\n".to_vec(), Some("server.key is empty")),
        ("no END line", no_end(&crt), k(), Some("no END line")),
        ("key without END line", c(), no_end(&key), Some("no END line")),
        (
            "END of another kind",
            crt.replace("END CERTIFICATE", "END PRIVATE KEY")
                .into_bytes(),
            k(),
            Some("no END line"),
        ),
        (
            "BEGIN line cut",
            crt.replacen("CERTIFICATE-----", "CERTIFICATE---", 1)
                .into_bytes(),
            k(),
            Some("five dashes"),
        ),
        ("certificate in DER", der(&crt), k(), Some("is binary")),
        ("key in DER", c(), der(&ca), Some("is binary")),
        ("UTF-16 LE with mark", utf16(&crt, false, true), k(), Some("is UTF-16")),
        ("UTF-16 BE with mark", utf16(&crt, true, true), k(), Some("is UTF-16")),
        ("UTF-16 LE", utf16(&crt, false, false), k(), Some("is UTF-16")),
        ("UTF-16 BE", utf16(&crt, true, false), k(), Some("is UTF-16")),
        ("key in UTF-16", c(), utf16(&key, false, true), Some("is UTF-16")),
        ("NULs only", vec![0; 4096], k(), Some("no PEM section")),
        ("NUL in the base64", crt.replacen("\nMI", "\n\0MI", 1).into_bytes(), k(), Some("not valid base64")),
        ("star in the base64", crt.replacen("\nMI", "\n*I", 1).into_bytes(), k(), Some("not valid base64")),
        ("key with a damaged character", c(), key.replacen("\nM", "\n*", 1).into_bytes(), Some("not valid base64")),
        (
            "empty section",
            b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".to_vec(),
            k(),
            Some("not an X.509"),
        ),
        (
            "empty key section",
            c(),
            b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n".to_vec(),
            Some("cannot be used"),
        ),
        (
            "base64 of nothing useful",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(),
            k(),
            Some("not an X.509"),
        ),
        ("bytes behind the certificate", padded(&crt), k(), Some("not an X.509")),
        (
            "second certificate damaged",
            join(&[
                &crt,
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            ]),
            k(),
            Some("section 2"),
        ),
        ("plain words", b"this is not a certificate".to_vec(), k(), Some("no PEM section")),
        ("an HTML page", b"<!DOCTYPE html><title>404</title>".to_vec(), k(), Some("no PEM section")),
        ("10 MiB", vec![b'A'; 10 << 20], k(), Some("has 10485760 bytes, exceeding the limit of 1048576")),
        ("key of 10 MiB", c(), vec![b'A'; 10 << 20], Some("has 10485760 bytes, exceeding the limit of 1048576")),
    ]
}
