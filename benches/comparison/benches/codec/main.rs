//! Reading, writing and echoing text through an in-memory stream as a server, beside other implementations.
//!
//! `cargo bench` here runs everything; `cargo bench -- echo/64` a part. Each message is one frame, each read brings one
//! frame, each write is flushed. Every implementation checks UTF-8. Compression: level 6, no context takeover.

mod wire;

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fastwebsockets::{FragmentCollector, Frame as FastFrame, Payload};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tungstenite_deflate::deflate::Level;
use tungstenite_deflate::{Agreed, DeflateConfig, Options, WebSocketStream};
use wire::{Wire, deflated, frame, text};

const SIZES: [usize; 6] = [16, 256, 1024, 16 << 10, 128 << 10, 1 << 20];
const NO_TAKEOVER: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const LEVEL: u8 = 6;

/// Nothing here ever waits, so a future that is not ready at once is a mistake of this program.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the wire is always ready")
}

const AGREED: Agreed = Agreed {
    server_no_context_takeover: true,
    client_no_context_takeover: true,
    server_max_window_bits: 15,
    client_max_window_bits: 15,
};

fn ours(frame: Bytes, deflate: bool) -> WebSocketStream<Wire> {
    let config = DeflateConfig::default()
        .level(Level::new(LEVEL).expect("1 to 9"))
        .threshold(0);
    let options = Options::drop_in(None).deflate(Some(config));
    let agreed = deflate.then_some(AGREED);
    WebSocketStream::with_options(
        Wire::new(frame),
        BytesMut::new(),
        Role::Server,
        options,
        agreed,
    )
}

fn agreed_but_unused(frame: Bytes) -> WebSocketStream<Wire> {
    let options =
        Options::drop_in(None).deflate(Some(DeflateConfig::default().threshold(usize::MAX)));
    WebSocketStream::with_options(
        Wire::new(frame),
        BytesMut::new(),
        Role::Server,
        options,
        Some(AGREED),
    )
}

fn tungstenite(frame: Bytes) -> tokio_tungstenite::WebSocketStream<Wire> {
    now(tokio_tungstenite::WebSocketStream::from_raw_socket(
        Wire::new(frame),
        Role::Server,
        None,
    ))
}

fn fastwebsockets(frame: Bytes) -> FragmentCollector<Wire> {
    FragmentCollector::new(fastwebsockets::WebSocket::after_handshake(
        Wire::new(frame),
        fastwebsockets::Role::Server,
    ))
}

fn tokio_websockets(frame: Bytes) -> tokio_websockets::WebSocketStream<Wire> {
    tokio_websockets::ServerBuilder::new().serve(Wire::new(frame))
}

fn yawc(frame: Bytes, deflate: bool) -> yawc::WebSocket<Wire> {
    let options = yawc::Options::default()
        .with_utf8()
        .with_limits(64 << 20, 64 << 20);
    let (options, extensions) = if deflate {
        let options = options
            .with_compression_level(yawc::CompressionLevel::new(LEVEL.into()))
            .with_compression_threshold(0);
        (
            options
                .server_no_context_takeover()
                .client_no_context_takeover(),
            Some(NO_TAKEOVER),
        )
    } else {
        (options.without_compression(), None)
    };
    yawc::WebSocket::from_stream_with_extensions(
        Wire::new(frame),
        yawc::Role::Server,
        extensions,
        options,
    )
    .expect("the extension is enabled")
}

fn sockudo(frame: Bytes) -> sockudo_ws::WebSocketStream<Wire> {
    let config = sockudo_ws::Config::builder()
        .max_payload_length(64 << 20)
        .build();
    sockudo_ws::WebSocketStream::from_raw(Wire::new(frame), sockudo_ws::Role::Server, config)
}

fn sockudo_deflate(frame: Bytes) -> sockudo_ws::CompressedWebSocketStream<Wire> {
    let config = sockudo_ws::Config::builder()
        .max_payload_length(64 << 20)
        .build();
    let deflate = sockudo_ws::deflate::DeflateConfig {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        compression_level: LEVEL.into(),
        compression_threshold: 0,
        ..Default::default()
    };
    sockudo_ws::CompressedWebSocketStream::server(Wire::new(frame), config, deflate)
}

/// Benches `$operation` of every kind of stream, which all name their calls alike.
macro_rules! bench {
    ($group:ident, $size:ident, $name:literal, $make:expr, read) => {{
        let mut websocket = $make;
        $group.bench_function(BenchmarkId::new($name, $size), |b| {
            b.iter(|| now(websocket.next()));
        });
    }};
    ($group:ident, $size:ident, $name:literal, $make:expr, write $message:expr) => {{
        let mut websocket = $make;
        let message = $message;
        $group.bench_function(BenchmarkId::new($name, $size), |b| {
            b.iter(|| now(websocket.send(message.clone())).expect("the wire takes everything"));
        });
    }};
    ($group:ident, $size:ident, $name:literal, $make:expr, echo $($unwrap:ident)?) => {{
        let mut websocket = $make;
        $group.bench_function(BenchmarkId::new($name, $size), |b| {
            b.iter(|| {
                let message = now(websocket.next()).expect("the wire never ends")$(.$unwrap())?;
                now(websocket.send(message)).expect("the wire takes everything");
            });
        });
    }};
}

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    for size in SIZES {
        let frame = frame(text(size).as_bytes(), false);
        group.throughput(Throughput::Bytes(size as u64));
        bench!(
            group,
            size,
            "tungstenite-deflate",
            ours(frame.clone(), false),
            read
        );
        bench!(
            group,
            size,
            "tokio-tungstenite",
            tungstenite(frame.clone()),
            read
        );
        bench!(
            group,
            size,
            "tokio-websockets",
            tokio_websockets(frame.clone()),
            read
        );
        bench!(group, size, "yawc", yawc(frame.clone(), false), read);
        bench!(group, size, "sockudo-ws", sockudo(frame.clone()), read);
        let mut fast = fastwebsockets(frame);
        group.bench_function(BenchmarkId::new("fastwebsockets", size), |b| {
            b.iter(|| {
                now(fast.read_frame())
                    .expect("the wire never ends")
                    .payload
                    .len()
            });
        });
    }
}

fn write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write");
    for size in SIZES {
        let text = text(size);
        let bytes = Bytes::from(text.clone());
        let none = Bytes::from_static(&[0]);
        group.throughput(Throughput::Bytes(size as u64));
        bench!(group, size, "tungstenite-deflate", ours(none.clone(), false), write Message::text(text.clone()));
        bench!(group, size, "tokio-tungstenite", tungstenite(none.clone()), write Message::text(text.clone()));
        bench!(group, size, "tokio-websockets", tokio_websockets(none.clone()), write tokio_websockets::Message::text(text.clone()));
        bench!(group, size, "yawc", yawc(none.clone(), false), write yawc::Frame::text(bytes.clone()));
        bench!(group, size, "sockudo-ws", sockudo(none.clone()), write sockudo_ws::Message::Text(bytes.clone()));
        let mut fast = fastwebsockets(none);
        group.bench_function(BenchmarkId::new("fastwebsockets", size), |b| {
            b.iter(|| {
                now(fast.write_frame(FastFrame::text(Payload::Borrowed(&bytes))))
                    .expect("the wire takes everything")
            });
        });
    }
}

fn echo(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("echo");
    for size in SIZES {
        let frame = frame(text(size).as_bytes(), false);
        group.throughput(Throughput::Bytes(size as u64));
        bench!(group, size, "tungstenite-deflate", ours(frame.clone(), false), echo unwrap);
        bench!(group, size, "tokio-tungstenite", tungstenite(frame.clone()), echo unwrap);
        bench!(group, size, "tokio-websockets", tokio_websockets(frame.clone()), echo unwrap);
        bench!(group, size, "yawc", yawc(frame.clone(), false), echo);
        bench!(group, size, "sockudo-ws", sockudo(frame.clone()), echo unwrap);
        let mut fast = fastwebsockets(frame);
        group.bench_function(BenchmarkId::new("fastwebsockets", size), |b| {
            b.iter(|| {
                let frame = now(fast.read_frame()).expect("the wire never ends");
                now(fast.write_frame(frame)).expect("the wire takes everything");
            });
        });
    }
}

fn echo_deflate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("echo-deflate");
    for size in SIZES {
        let frame = frame(&deflated(text(size).as_bytes()), true);
        group.throughput(Throughput::Bytes(size as u64));
        bench!(group, size, "tungstenite-deflate", ours(frame.clone(), true), echo unwrap);
        bench!(group, size, "yawc", yawc(frame.clone(), true), echo);
        bench!(group, size, "sockudo-ws", sockudo_deflate(frame.clone()), echo unwrap);
    }
}

/// The cost of an agreed extension that is not used: nothing, beside a connection without it.
fn compression_off(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compression-off");
    for size in SIZES {
        let frame = frame(text(size).as_bytes(), false);
        group.throughput(Throughput::Bytes(size as u64));
        bench!(group, size, "not agreed", ours(frame.clone(), false), echo unwrap);
        bench!(group, size, "agreed, unused", agreed_but_unused(frame.clone()), echo unwrap);
        bench!(group, size, "tokio-tungstenite", tungstenite(frame.clone()), echo unwrap);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(std::time::Duration::from_millis(300)).measurement_time(std::time::Duration::from_secs(1));
    targets = read, write, echo, echo_deflate, compression_off
}
criterion_main!(benches);
