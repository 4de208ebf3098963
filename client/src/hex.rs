//! Binary payloads as offset, hexadecimal and ASCII columns.

use std::fmt::Write as _;

/// Sixteen bytes a line; after `limit` bytes a line tells how many are left out.
pub(crate) fn dump(bytes: &[u8], limit: usize) -> String {
    let mut out = String::new();
    for (index, line) in bytes[..bytes.len().min(limit)].chunks(16).enumerate() {
        let _ = write!(out, "{:08x} ", index * 16);
        for column in 0..16 {
            let gap = if column == 8 { " " } else { "" };
            match line.get(column) {
                Some(byte) => {
                    let _ = write!(out, "{gap} {byte:02x}");
                }
                None => {
                    let _ = write!(out, "{gap}   ");
                }
            }
        }
        let ascii: String = line
            .iter()
            .map(|&byte| {
                if (0x20..0x7f).contains(&byte) {
                    byte as char
                } else {
                    '.'
                }
            })
            .collect();
        let _ = writeln!(out, "  |{ascii}|");
    }
    if bytes.len() > limit {
        let _ = writeln!(out, "… {} more bytes", bytes.len() - limit);
    }
    out.truncate(out.trim_end_matches('\n').len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand() {
        let bytes: Vec<u8> = (0x3c..0x50).collect();
        assert_eq!(
            dump(&bytes, 18),
            "00000000  3c 3d 3e 3f 40 41 42 43  44 45 46 47 48 49 4a 4b  |<=>?@ABCDEFGHIJK|\n\
             00000010  4c 4d                                             |LM|\n… 2 more bytes"
        );
        assert_eq!(dump(b"", 16), "");
    }
}
