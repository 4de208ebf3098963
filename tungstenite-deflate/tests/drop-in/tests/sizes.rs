//! Futures that programs keep in their tasks do not grow when the library is replaced.

use tokio::io::DuplexStream;

/// The size of what each of the functions returns, in bytes.
macro_rules! sizes {
    ($library:ident) => {
        [
            (
                "accept_async",
                size_of_val(&$library::accept_async(stream())),
            ),
            (
                "client_async",
                size_of_val(&$library::client_async("ws://localhost", stream())),
            ),
            (
                "client_async_tls",
                size_of_val(&$library::client_async_tls("ws://localhost", stream())),
            ),
            (
                "connect_async",
                size_of_val(&$library::connect_async("ws://localhost")),
            ),
        ]
    };
}

fn stream() -> DuplexStream {
    tokio::io::duplex(1).0
}

#[test]
fn futures_are_not_much_larger_than_the_originals() {
    for ((name, before), (_, now)) in sizes!(original).into_iter().zip(sizes!(tokio_tungstenite)) {
        assert!(
            now <= before + 512,
            "{name}: {before} bytes before, {now} now"
        );
    }
}
