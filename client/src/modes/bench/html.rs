//! The benchmark's report as one HTML file with its plots inside.

use std::fmt::Write as _;

use super::report::Report;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 40.0;

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let kind = if report.protocol.starts_with("gRPC") {
        "gRPC"
    } else {
        "WebSocket"
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{kind} benchmark</title>\n\
         <style>body{{font:16px sans-serif;max-width:56em;margin:2em auto;padding:0 1em}}pre{{background:#f4f4f4;padding:1em;\
         font-size:13px;overflow:auto}}svg{{width:100%}}text{{font:12px sans-serif}}</style>\n\
         <h1>{kind} benchmark</h1>\n<pre>{}</pre>\n\
         <h2>Message latency by percentile</h2>\n{}\n<h2>Messages per second over time</h2>\n{}\n</html>\n",
        escape(&report.table()),
        latency_plot(report),
        throughput_plot(report)
    )
}

/// Latency over percentile; the axis stretches towards 100 % so that the tail can be seen.
fn latency_plot(report: &Report) -> String {
    let points: Vec<(f64, f64)> = (0..=80)
        .map(|step| {
            let nines = f64::from(step) / 20.0;
            let percentile = 100.0 * (1.0 - 10_f64.powf(-nines));
            (
                nines / 4.0,
                report.latency.value_at_percentile(percentile) as f64 / 1000.0,
            )
        })
        .collect();
    let top = points
        .iter()
        .map(|point| point.1)
        .fold(f64::MIN_POSITIVE, f64::max)
        * 1.05;
    let labels: Vec<(f64, String)> = [
        (0.0, "0"),
        (0.25, "90"),
        (0.5, "99"),
        (0.75, "99.9"),
        (1.0, "99.99"),
    ]
    .map(|(x, name)| (x, format!("{name} %")))
    .into();
    let line: Vec<String> = points
        .iter()
        .map(|&(x, value)| format!("{:.1},{:.1}", across(x), up(value / top)))
        .collect();
    let shape = format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#06c\" stroke-width=\"2\"/>",
        line.join(" ")
    );
    frame(&shape, top, "ms", &labels)
}

/// One bar a second.
fn throughput_plot(report: &Report) -> String {
    let counts = &report.per_second;
    let top = counts.iter().copied().max().unwrap_or(0).max(1) as f64 * 1.05;
    let mut shape = String::new();
    let width = (WIDTH - LEFT) / counts.len().max(1) as f64;
    let mut labels = Vec::new();
    let every = counts.len().div_ceil(10).max(1);
    for (second, &count) in counts.iter().enumerate() {
        let x = second as f64 / counts.len() as f64;
        let y = up(count as f64 / top);
        let _ = write!(
            shape,
            "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#06c\"><title>{count}</title></rect>",
            across(x) + 1.0,
            (width - 2.0).max(0.5),
            up(0.0) - y
        );
        if second % every == 0 {
            labels.push((x, format!("{second} s")));
        }
    }
    frame(&shape, top, "per s", &labels)
}

fn frame(shape: &str, top: f64, unit: &str, labels: &[(f64, String)]) -> String {
    let mut svg = format!(
        "<svg viewBox=\"0 0 {} {HEIGHT}\" role=\"img\">",
        WIDTH + 50.0
    );
    for step in 0..=4 {
        let part = f64::from(step) / 4.0;
        let y = up(part);
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} {unit}</text>",
            LEFT - 6.0,
            y + 4.0,
            tick(top * part)
        );
    }
    for (x, label) in labels {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\">{label}</text>",
            across(*x),
            HEIGHT - 18.0
        );
    }
    svg.push_str(shape);
    svg.push_str("</svg>");
    svg
}

fn tick(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

fn across(part: f64) -> f64 {
    LEFT + part * (WIDTH - LEFT)
}

fn up(part: f64) -> f64 {
    HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - 10.0)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
