//! WebSocket with compression, without, and gRPC on the same server: the same payload over each, side by side.

use std::fmt::Write as _;

use serde::Serialize;

use super::report::{NOTHING, Report};
use super::{Kind, load, measure};
use crate::args::CompareArgs;
use crate::connect::Settings;
use crate::exit::ExitStatus;
use crate::meaning;
use crate::modes::Failure;
use crate::output::Output;
use crate::tally::counted;

/// One way to carry the payload, and what it came to.
#[derive(Debug, Serialize)]
struct Way {
    name: &'static str,
    /// Wire format of a message.
    format: &'static str,
    /// Directions in which messages may be sent.
    direction: &'static str,
    #[serde(flatten)]
    report: Report,
}

/// Measures each way, one after the other, and prints the table.
///
/// # Errors
/// No connection came about, or a file cannot be read.
pub(crate) async fn compare(
    args: &CompareArgs,
    output: &mut Output,
) -> Result<ExitStatus, Failure> {
    let payload = load::payload(&args.load, false)?;
    let (compressed, warnings) = meaning::reach(&args.reach, args.url.clone(), meaning::WEBSOCKET)?;
    for warning in warnings {
        output.warn(&warning);
    }
    let mut plain = compressed.clone();
    // The same settings but for compression, so that the rows differ in one thing.
    plain.options = plain.options.deflate(None);
    let mut grpc_url = args.grpc_url.clone().unwrap_or_else(|| args.url.clone());
    grpc_url.path = "/".into();
    let grpc: Settings = meaning::reach(&args.reach, grpc_url, meaning::GRPC)?.0;
    let mut ways = Vec::new();
    for (name, format, direction, kind, settings) in [
        (
            "WebSocket, deflate",
            "text, compressed",
            BOTH,
            Kind::WebSocket,
            &compressed,
        ),
        ("WebSocket", "text", BOTH, Kind::WebSocket, &plain),
        ("gRPC, unary", "protobuf", REQUEST, Kind::Grpc, &grpc),
    ] {
        let report = measure(kind, settings, &args.load, &payload).await?;
        ways.push(Way {
            name,
            format,
            direction,
            report,
        });
    }
    if args.load.json {
        output.line(&serde_json::to_string(&ways).map_err(std::io::Error::other)?)?;
    } else {
        for line in table(args, &ways).lines() {
            output.line(line)?;
        }
    }
    let statuses = ways.iter().map(|way| way.report.status());
    Ok(statuses
        .into_iter()
        .find(|status| *status != ExitStatus::Normal)
        .unwrap_or(ExitStatus::Normal))
}

const BOTH: &str = "both, any time";
const REQUEST: &str = "reply to request";

fn table(args: &CompareArgs, ways: &[Way]) -> String {
    let mut text = String::new();
    if let Some(first) = ways.first() {
        let report = &first.report;
        let _ = writeln!(
            text,
            "{}: {}, {} in flight, {} {} B\n",
            args.url.host_and_port(),
            counted(report.connections as u64, "connection"),
            report.in_flight,
            report.payload,
            report.payload_bytes
        );
    }
    let _ = writeln!(
        text,
        "{:<19} {:<16} {:<12} {:<16} {:>9} {:>9} {:>11} {:>8} {:>8}",
        "", "format", "protocol", "direction", "p50 ms", "p99 ms", "messages/s", "B sent", "B back"
    );
    for way in ways {
        let percentile = |wanted: f64| {
            way.report
                .message_ms
                .percentiles
                .iter()
                .find_map(|&(percentile, value)| (percentile >= wanted).then_some(value))
                .unwrap_or_default()
        };
        let (sent, received) = way.report.wire_bytes_per_message();
        let _ = writeln!(
            text,
            "{:<19} {:<16} {:<12} {:<16} {:>9.3} {:>9.3} {:>11.0} {sent:>8.1} {received:>8.1}",
            way.name,
            way.format,
            way.report.protocol.trim_start_matches("gRPC, "),
            way.direction,
            percentile(50.0),
            percentile(99.0),
            way.report.messages_per_second,
        );
    }
    text.push_str("\nB sent, B back: bytes inside TLS for each message and its reply, framing and headers included\n");
    for way in ways {
        if way.report.has_nothing_to_tell() {
            let _ = writeln!(text, "{}: {NOTHING}", way.name);
        }
        for (error, count) in &way.report.errors {
            let _ = writeln!(text, "{}: {count} × {error}", way.name);
        }
    }
    text
}
