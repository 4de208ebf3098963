//! Parsers of options' values that have no type of their own.

use std::time::Duration;

use clap::builder::TypedValueParser;
use tungstenite_deflate::deflate::{Level, WindowBits};
use values::units::{ByteSize, TimeSpan, positive_time};

use crate::target::Target;

/// A time.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    text.parse::<TimeSpan>().map(Duration::from)
}

/// A number of bytes.
pub(super) fn parse_size(text: &str) -> Result<usize, String> {
    text.parse::<ByteSize>().map(|size| size.0)
}

/// A time longer than zero.
pub(super) fn parse_positive(text: &str) -> Result<Duration, String> {
    positive_time(text).map(Duration::from)
}

/// Parses a compression level.
pub(super) fn level() -> impl TypedValueParser<Value = Level> {
    clap::value_parser!(u8).range(1..=9).try_map(Level::new)
}

/// Parses the base-2 logarithm of a window.
pub(super) fn window_bits() -> impl TypedValueParser<Value = WindowBits> {
    clap::value_parser!(u8)
        .range(9..=15)
        .try_map(WindowBits::new)
}

/// A URL of a gRPC server. The service and its method are the path.
pub(super) fn parse_grpc_url(text: &str) -> Result<Target, String> {
    let target = parse_any_url(text)?;
    let scheme = text.split_once("://").map_or("https", |(scheme, _)| scheme);
    if matches!(scheme.to_ascii_lowercase().as_str(), "ws" | "wss") {
        return Err("a gRPC server has an https, grpcs, http or grpc URL".into());
    }
    if target.path != "/" {
        return Err(format!(
            "the path {} has no meaning to gRPC: leave it out",
            target.path
        ));
    }
    Ok(target)
}

/// A WebSocket or gRPC URL.
pub(super) fn parse_any_url(text: &str) -> Result<Target, String> {
    match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("grpcs") => {
            format!("https://{rest}").parse()
        }
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("grpc") => {
            format!("http://{rest}").parse()
        }
        _ => text.parse(),
    }
}
