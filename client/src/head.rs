//! The head of a request or response, as it was on the wire.

/// A request or response head as text: its first line and its fields in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Request line or status line.
    pub first_line: String,
    /// Names as they were written, with their values.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// Takes apart what was on the wire; what is not UTF-8 is replaced.
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split("\r\n");
        let first_line = lines.next().unwrap_or_default().to_owned();
        let fields = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
        Self {
            first_line,
            fields: fields.collect(),
        }
    }

    /// The values of a field, joined by commas; `None` when it is absent.
    pub fn get(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .fields
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        let (version, rest) = self.first_line.split_once(' ')?;
        version
            .starts_with("HTTP/")
            .then(|| rest.get(..3)?.parse().ok())?
    }

    /// Reports if the list in a field has this member.
    pub(crate) fn lists(&self, name: &str, token: &str) -> bool {
        self.get(name).is_some_and(|value| {
            value
                .split(',')
                .any(|item| item.trim().eq_ignore_ascii_case(token))
        })
    }
}
