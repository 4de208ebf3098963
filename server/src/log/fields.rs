//! Fields of the text form: the message, then `name=value`, each escaped and bounded.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;
use values::escape::Escaped;

/// Writes the message as it is and other fields as `name=value`.
///
/// A value is quoted if it is text or has spaces, quotes or an equals sign, so that none can pass for further fields.
pub(super) struct Fields;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut pairs = Pairs {
            writer,
            is_first: true,
            result: Ok(()),
        };
        fields.record(&mut pairs);
        pairs.result
    }
}

struct Pairs<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    result: fmt::Result,
}

impl Pairs<'_> {
    fn field(&mut self, field: &Field, value: &str, is_text: bool) -> fmt::Result {
        let name = field.name();
        // What the bridge from the crate `log` adds.
        if name.starts_with("log.") {
            return Ok(());
        }
        if !std::mem::take(&mut self.is_first) {
            self.writer.write_char(' ')?;
        }
        let value = Escaped::new(value).to_string();
        if name == "message" && !is_text {
            return self.writer.write_str(&value);
        }
        let name = name.strip_prefix("r#").unwrap_or(name);
        let is_quoted = is_text || value.contains([' ', '\t', '"', '=']);
        if is_quoted {
            write!(self.writer, "{name}=\"{}\"", value.replace('"', "\\\""))
        } else {
            write!(self.writer, "{name}={value}")
        }
    }
}

impl Visit for Pairs<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.result.is_ok() {
            self.result = self.field(field, value, true);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.result.is_ok() {
            self.result = self.field(field, &format!("{value:?}"), false);
        }
    }
}
