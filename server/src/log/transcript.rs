//! The lines that tell the exchange on `/ws`, in the words its users know.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Target of the events that are lines of the exchange.
pub(crate) const TRANSCRIPT: &str = "transcript";

/// Shows one line of the exchange.
macro_rules! transcript {
    ($($words:tt)+) => { tracing::info!(target: $crate::log::TRANSCRIPT, $($words)+) };
}
pub(crate) use transcript;

/// Time, level, words, and nothing after them.
pub(super) struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        SystemTime.format_time(&mut writer)?;
        write!(writer, " {:>5} ", event.metadata().level())?;
        let mut words = Words {
            writer: &mut writer,
            result: Ok(()),
        };
        event.record(&mut words);
        words.result?;
        writer.write_char('\n')
    }
}

/// Writes the message of an event and none of its fields.
struct Words<'a, 'b> {
    writer: &'a mut Writer<'b>,
    result: fmt::Result,
}

impl Visit for Words<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.result = write!(self.writer, "{value:?}");
        }
    }
}
