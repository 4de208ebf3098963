//! The text formats of `/metrics`, and the choice between them.

use std::collections::HashSet;

use http::HeaderMap;
use http::header;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposition {
    /// The format that every scraper reads, version 0.0.4.
    Prometheus,
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
}

impl Exposition {
    /// The format that a request prefers (RFC 9110 §12.5.1).
    ///
    /// `OpenMetrics` for those who ask for it by name and prefer nothing else, or take no other; the Prometheus format for
    /// everybody else, also for those who accept neither, as Prometheus' own libraries do.
    pub(crate) fn preferred(headers: &HeaderMap) -> Self {
        let ranges: Vec<Range<'_>> = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(Range::parse)
            .collect();
        let open = quality(&ranges, "application/openmetrics-text", &["1.0.0", "0.0.1"]);
        let text = quality(&ranges, "text/plain", &["0.0.4"]);
        let is_preferred = if open.is_named {
            open.thousandths >= text.thousandths
        } else {
            open.thousandths > text.thousandths
        };
        if open.thousandths > 0 && is_preferred {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// The value of Content-Type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Every series of `registry`, whose families it holds whole.
    pub(super) fn render(self, registry: &Registry) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail; an encoder that does leaves the family empty rather than half.
        if encode_registry(&mut text, registry).is_err() {
            return String::new();
        }
        match self {
            Self::Prometheus => to_prometheus(&text),
            Self::OpenMetrics => text,
        }
    }

    /// The text after all series.
    pub(super) fn end(self) -> Option<&'static str> {
        match self {
            Self::Prometheus => None,
            Self::OpenMetrics => Some("# EOF\n"),
        }
    }
}

/// A media range of Accept with its quality in thousandths.
struct Range<'a> {
    media_type: &'a str,
    version: Option<&'a str>,
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self {
            media_type: parts.next().filter(|media_type| !media_type.is_empty())?,
            version: None,
            quality: 1000,
        };
        for parameter in parts {
            let Some((name, value)) = parameter.split_once('=') else {
                continue;
            };
            if name.eq_ignore_ascii_case("q") {
                range.quality = thousandths(value)?;
            } else if name.eq_ignore_ascii_case("version") {
                range.version = Some(value.trim_matches('"'));
            }
        }
        Some(range)
    }
}

/// A quality value, from 0 to 1 with at most three decimals (RFC 9110 §12.4.2), in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let quality = match whole {
        "0" => format!("{decimals:0<3}").parse().ok()?,
        "1" => 1000,
        _ => return None,
    };
    Some(quality)
}

/// The quality of a format.
struct Quality {
    thousandths: u16,
    /// The format itself was named, not a range that it is in.
    is_named: bool,
}

/// The quality of a format by the most specific range that it is in: itself in one of `versions` or without any, its type,
/// or `*/*` (RFC 9110 §12.5.1); 0 if it is in none.
fn quality(ranges: &[Range<'_>], media_type: &str, versions: &[&str]) -> Quality {
    let of = |name: &str| {
        let named = ranges.iter().filter(|range| {
            let version = range.version;
            range.media_type.eq_ignore_ascii_case(name)
                && version.is_none_or(|version| versions.contains(&version))
        });
        named.map(|range| range.quality).max()
    };
    let family = media_type.split('/').next().unwrap_or_default();
    let wider = || of(&format!("{family}/*")).or_else(|| of("*/*"));
    let named = of(media_type);
    Quality {
        thousandths: named.or_else(wider).unwrap_or(0),
        is_named: named.is_some(),
    }
}

/// Rewrites `OpenMetrics` text to the older format: the family of a counter is named as its samples are, and units are not
/// marked.
fn to_prometheus(text: &str) -> String {
    let counters: HashSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut rewritten = String::with_capacity(text.len() + 1024);
    for line in text.lines() {
        if line.starts_with("# UNIT ") {
            continue;
        }
        let family = ["# TYPE ", "# HELP "].iter().find_map(|comment| {
            let (name, rest) = line.strip_prefix(comment)?.split_once(' ')?;
            counters.contains(name).then_some((comment, name, rest))
        });
        match family {
            Some((comment, name, rest)) => {
                rewritten.extend([comment, name, "_total ", rest, "\n"]);
            }
            None => rewritten.extend([line, "\n"]),
        }
    }
    rewritten
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const PROMETHEUS_3: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";

    #[test]
    fn the_format_follows_the_quality_values() {
        use Exposition::{OpenMetrics, Prometheus};
        #[rustfmt::skip]
        let cases = [
            (None, Prometheus),
            (Some(""), Prometheus),
            (Some("*/*"), Prometheus),
            (Some("text/*"), Prometheus),
            (Some("text/html,application/xhtml+xml,*/*;q=0.8"), Prometheus),
            (Some("text/plain"), Prometheus),
            (Some("text/plain; version=0.0.4"), Prometheus),
            (Some("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"), Prometheus),
            (Some("application/json"), Prometheus),
            (Some("application/openmetrics-text"), OpenMetrics),
            (Some("application/openmetrics-text; version=1.0.0; charset=utf-8"), OpenMetrics),
            (Some("Application/OpenMetrics-Text; Version=\"1.0.0\""), OpenMetrics),
            (Some("application/openmetrics-text; version=2.0.0"), Prometheus),
            (Some("application/openmetrics-text;q=0"), Prometheus),
            (Some("application/openmetrics-text;q=0.000"), Prometheus),
            (Some("application/openmetrics-text;q=2"), Prometheus),
            (Some("application/openmetrics-text;q=0.2,text/plain;q=0.3"), Prometheus),
            (Some("application/openmetrics-text;q=0.35,text/plain;q=0.3"), OpenMetrics),
            (Some("text/plain,application/openmetrics-text"), OpenMetrics),
            (Some("text/*;q=0.1, application/openmetrics-text;q=0.05"), Prometheus),
            (Some("*/*, application/openmetrics-text;q=0.9"), Prometheus),
            (Some("*/*;q=0.5, application/openmetrics-text;q=0.9"), OpenMetrics),
            (Some("text/plain;q=0, */*"), OpenMetrics),
            (Some("text/*;q=0, */*;q=0.1"), OpenMetrics),
            (Some("application/*"), OpenMetrics),
            (Some("application/*;q=0, */*"), Prometheus),
            (Some("*/*;q=0"), Prometheus),
            (Some("text/plain;version=1.0.0, application/openmetrics-text;q=0"), Prometheus),
            (Some(PROMETHEUS_2), OpenMetrics),
            (Some(PROMETHEUS_3), OpenMetrics),
        ];
        for (accept, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(Exposition::preferred(&headers), expected, "{accept:?}");
        }
    }

    #[test]
    fn the_older_format_names_families_as_their_samples() {
        let open = "# HELP a_bytes Bytes.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\na_bytes_total{x=\"# TYPE\"} 1\n\
            # HELP b Held.\n# TYPE b gauge\nb 2\n";
        let text = "# HELP a_bytes_total Bytes.\n# TYPE a_bytes_total counter\na_bytes_total{x=\"# TYPE\"} 1\n\
            # HELP b Held.\n# TYPE b gauge\nb 2\n";
        assert_eq!(to_prometheus(open), text);
    }
}
