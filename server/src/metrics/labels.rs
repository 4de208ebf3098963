//! Values of labels that peers could choose, mapped to closed sets (R24): each new value would be a series for ever.

/// The label of a close code: the registered ones (IANA, WebSocket Close Code Number Registry) as they are, all others `other`.
pub(crate) fn close_code(code: u16) -> &'static str {
    match code {
        1000 => "1000",
        1001 => "1001",
        1002 => "1002",
        1003 => "1003",
        // Never on the wire: no code, and no Close frame.
        1005 => "1005",
        1006 => "1006",
        1007 => "1007",
        1008 => "1008",
        1009 => "1009",
        1010 => "1010",
        1011 => "1011",
        1012 => "1012",
        1013 => "1013",
        1014 => "1014",
        1015 => "1015",
        3000 => "3000",
        3003 => "3003",
        3008 => "3008",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_a_closed_set() {
        let labels: HashSet<_> = (0..=u16::MAX).map(close_code).collect();
        assert_eq!(labels.len(), 19);
        for code in 0..=u16::MAX {
            let label = close_code(code);
            assert!(label == "other" || label == code.to_string(), "{code}");
        }
    }
}
