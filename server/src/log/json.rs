//! Events as lines of JSON in which no key stands twice.

use std::borrow::Cow;
use std::fmt;

use serde::Serializer;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;
use values::escape::Escaped;

/// Writes `timestamp`, `level`, the event's own fields, `target`, and the innermost span as `span`.
///
/// RFC 8259 §4 leaves open which of two equal keys a reader takes, so a field that would repeat one gets the prefix `field_`.
/// Text is escaped as for a terminal, since that is where logs are read, and bounded.
pub(super) struct JsonLines;

impl<S> FormatEvent<S, JsonFields> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Line::default();
        line.push("timestamp", time.into());
        line.push("level", event.metadata().level().as_str().into());
        event.record(&mut line);
        line.push("target", line.target(event));
        if let Some(span) = context.parent_span() {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<JsonFields>>();
            line.push(
                "span",
                described(span.name(), fields.map_or("", |fields| &fields.fields)),
            );
        }
        writeln!(writer, "{}", line.to_json()?)
    }
}

/// The fields of a line in the order in which they are written.
#[derive(Default)]
struct Line {
    fields: Vec<(Cow<'static, str>, Value)>,
    /// The target of an event that came through the crate `log`.
    log_target: Option<String>,
}

impl Line {
    /// Appends a field that the line has of its own.
    fn push(&mut self, name: &'static str, value: Value) {
        self.fields.push((name.into(), value));
    }

    /// Appends a field of the event, under a name that no other has.
    fn record(&mut self, field: &Field, value: Value) {
        let name = field.name();
        // What the bridge from the crate `log` adds.
        if let Some(part) = name.strip_prefix("log.") {
            if let ("target", Value::String(target)) = (part, value) {
                self.log_target = Some(target);
            }
            return;
        }
        let mut name = Cow::Borrowed(name.strip_prefix("r#").unwrap_or(name));
        while RESERVED.contains(&&*name) || self.fields.iter().any(|(taken, _)| *taken == name) {
            name = Cow::Owned(format!("field_{name}"));
        }
        self.fields.push((name, value));
    }

    fn target(&self, event: &Event<'_>) -> Value {
        let target = self.log_target.as_deref();
        target.unwrap_or_else(|| event.metadata().target()).into()
    }

    fn to_json(&self) -> Result<String, fmt::Error> {
        let mut json = Vec::with_capacity(256);
        let mut serializer = serde_json::Serializer::new(&mut json);
        let fields = self.fields.iter().map(|(name, value)| (name, value));
        serializer.collect_map(fields).map_err(|_| fmt::Error)?;
        String::from_utf8(json).map_err(|_| fmt::Error)
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, escaped(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, escaped(&format!("{value:?}")));
    }
}

fn escaped(text: &str) -> Value {
    Escaped::new(text).to_string().into()
}

/// A span's name and its fields, which [`JsonFields`] has written without a repeated key.
fn described(name: &'static str, fields: &str) -> Value {
    let mut span = match serde_json::from_str(fields) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    for value in span.values_mut() {
        if let Value::String(text) = value {
            *value = escaped(text);
        }
    }
    span.insert("name".to_owned(), name.into());
    span.into()
}

/// Names of the fields that every line has.
const RESERVED: [&str; 4] = ["timestamp", "level", "target", "span"];

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing::{info, info_span};
    use tracing_subscriber::fmt;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The line that `log` writes.
    fn line(log: impl FnOnce()) -> String {
        let output = Output::default();
        let written = output.clone();
        let layer = fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines)
            .with_writer(move || output.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, log);
        let bytes = written.0.lock().unwrap().clone();
        let line = String::from_utf8(bytes).unwrap();
        line.split_once("\",").unwrap().1.to_owned()
    }

    #[test]
    fn a_field_never_repeats_a_key() {
        let shown = line(|| {
            info!(
                message = "from a peer",
                level = 7,
                target = "t",
                timestamp = 0.5,
                span = true,
                r#type = "a",
                "words"
            );
        });
        assert_eq!(
            shown,
            "\"level\":\"INFO\",\"message\":\"words\",\"field_message\":\"from a peer\",\"field_level\":7,\
             \"field_target\":\"t\",\"field_timestamp\":0.5,\"field_span\":true,\"type\":\"a\",\
             \"target\":\"server::log::json::tests\"}\n"
        );
    }

    #[test]
    fn values_are_escaped_and_numbers_stay_numbers() {
        let shown = line(|| {
            let peer = "\u{202e}\u{9b}\"x";
            let _entered = info_span!("websocket", peer = %peer).entered();
            info!(bytes = 5_usize, left = -1, text = %peer, "a\nb");
        });
        assert_eq!(
            shown,
            "\"level\":\"INFO\",\"message\":\"a\\\\nb\",\"bytes\":5,\"left\":-1,\
             \"text\":\"\\\\u{202e}\\\\u{9b}\\\"x\",\"target\":\"server::log::json::tests\",\
             \"span\":{\"name\":\"websocket\",\"peer\":\"\\\\u{202e}\\\\u{9b}\\\"x\"}}\n"
        );
    }
}
