//! Every public item of tokio-tungstenite 0.30, used once with all its generics, bounds and types spelt out.
//!
//! The same text is compiled against the original and against tungstenite-deflate: a function that differed in name,
//! number of type parameters, bounds, parameters, result or `Send`ness would not compile for one of them.

/// Uses each item of `$library`.
macro_rules! face {
    ($module:ident, $library:ident) => {
        #[doc = concat!("Every item of `", stringify!($library), "`.")]
        pub mod $module {
            use std::fmt::Debug;
            use std::sync::Arc;

            use futures_core::Stream;
            use futures_core::stream::FusedStream;
            use futures_sink::Sink;
            use tokio::io::{AsyncRead, AsyncWrite};
            use tokio::net::TcpStream;

            use $library::tungstenite::client::IntoClientRequest;
            use $library::tungstenite::handshake::client::Response;
            use $library::tungstenite::handshake::server::Callback;
            use $library::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
            use $library::tungstenite::{Error, Message};
            use $library::{Connector, MaybeTlsStream, WebSocketStream};

            type Accepted<S> = Result<WebSocketStream<S>, Error>;
            type Opened<S> = Result<(WebSocketStream<S>, Response), Error>;
            type Config = Option<WebSocketConfig>;

            /// Gives the future back, whose output is as said.
            fn gives<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
                future
            }

            /// Servers' functions.
            pub async fn accept<S, C>(streams: [S; 4], callbacks: (C, C), config: Config)
            where
                S: AsyncRead + AsyncWrite + Unpin,
                C: Callback + Unpin,
            {
                let [a, b, c, d] = streams;
                let _ = gives::<Accepted<S>>($library::accept_async::<S>(a)).await;
                let _ =
                    gives::<Accepted<S>>($library::accept_async_with_config::<S>(b, config)).await;
                let _ =
                    gives::<Accepted<S>>($library::accept_hdr_async::<S, C>(c, callbacks.0)).await;
                let accepted =
                    $library::accept_hdr_async_with_config::<S, C>(d, callbacks.1, config);
                let _ = gives::<Accepted<S>>(accepted).await;
            }

            /// Clients' functions over a stream.
            pub async fn client<R, S>(requests: (R, R), streams: (S, S), config: Config)
            where
                R: IntoClientRequest + Unpin,
                S: AsyncRead + AsyncWrite + Unpin,
            {
                let _ =
                    gives::<Opened<S>>($library::client_async::<R, S>(requests.0, streams.0)).await;
                let opened =
                    $library::client_async_with_config::<R, S>(requests.1, streams.1, config);
                let _ = gives::<Opened<S>>(opened).await;
            }

            /// Clients' functions over TLS.
            pub async fn client_tls<R, S>(
                requests: (R, R),
                streams: (S, S),
                config: Config,
                connector: Option<Connector>,
            ) where
                R: IntoClientRequest + Unpin,
                S: 'static + AsyncRead + AsyncWrite + Send + Unpin,
                MaybeTlsStream<S>: Unpin,
            {
                let opened = $library::client_async_tls::<R, S>(requests.0, streams.0);
                let _ = gives::<Opened<MaybeTlsStream<S>>>(opened).await;
                let opened = $library::client_async_tls_with_config::<R, S>(
                    requests.1, streams.1, config, connector,
                );
                let _ = gives::<Opened<MaybeTlsStream<S>>>(opened).await;
            }

            /// Clients' functions with nothing but a URL.
            pub async fn connect<R>(
                requests: [R; 3],
                config: Config,
                disable_nagle: bool,
                connector: Option<Connector>,
            ) where
                R: IntoClientRequest + Unpin,
            {
                type Tcp = MaybeTlsStream<TcpStream>;
                let [a, b, c] = requests;
                let _ = gives::<Opened<Tcp>>($library::connect_async::<R>(a)).await;
                let opened = $library::connect_async_with_config::<R>(b, config, disable_nagle);
                let _ = gives::<Opened<Tcp>>(opened).await;
                let opened = $library::connect_async_tls_with_config::<R>(
                    c,
                    config,
                    disable_nagle,
                    connector,
                );
                let _ = gives::<Opened<Tcp>>(opened).await;
            }

            /// Constructors, which ask nothing of the stream's type but what is said.
            pub async fn raw<S>(
                streams: (S, S),
                part: Vec<u8>,
                role: Role,
                config: Config,
            ) -> [WebSocketStream<S>; 2]
            where
                S: AsyncRead + AsyncWrite + Unpin,
            {
                [
                    gives(WebSocketStream::<S>::from_raw_socket(
                        streams.0, role, config,
                    ))
                    .await,
                    gives(WebSocketStream::<S>::from_partially_read(
                        streams.1, part, role, config,
                    ))
                    .await,
                ]
            }

            /// Methods.
            pub async fn methods<S>(
                mut connection: WebSocketStream<S>,
                frame: Option<CloseFrame>,
            ) -> S
            where
                S: AsyncRead + AsyncWrite + Unpin,
            {
                let _: for<'a> fn(&'a WebSocketStream<S>) -> &'a S = WebSocketStream::<S>::get_ref;
                let _: for<'a> fn(&'a mut WebSocketStream<S>) -> &'a mut S =
                    WebSocketStream::<S>::get_mut;
                let _ = gives::<Result<(), Error>>(connection.close(frame)).await;
                unbounded(connection)
            }

            /// Methods of a connection over anything.
            pub fn unbounded<S>(connection: WebSocketStream<S>) -> S {
                let _: for<'a> fn(&'a WebSocketStream<S>) -> &'a WebSocketConfig =
                    WebSocketStream::<S>::get_config;
                let into_inner: fn(WebSocketStream<S>) -> S = WebSocketStream::<S>::into_inner;
                into_inner(connection)
            }

            /// Traits of a connection.
            pub fn traits<S>()
            where
                S: AsyncRead + AsyncWrite + Unpin + Debug + Send + Sync + 'static,
            {
                fn has<C>()
                where
                    C: Stream<Item = Result<Message, Error>>
                        + FusedStream
                        + Sink<Message, Error = Error>,
                    C: Debug + Unpin + Send + Sync + 'static,
                {
                }
                has::<WebSocketStream<S>>();
                has::<WebSocketStream<MaybeTlsStream<S>>>();
            }

            /// The enums; both may get more variants.
            pub fn enums<S>(connector: &Connector, stream: &MaybeTlsStream<S>) -> (bool, bool) {
                let _: &S = stream.get_ref();
                let _: fn(Arc<rustls::ClientConfig>) -> Connector = Connector::Rustls;
                let connector = match connector.clone() {
                    Connector::Plain => false,
                    Connector::Rustls(_) => true,
                    _ => unreachable!("no other feature is on"),
                };
                let stream = match stream {
                    MaybeTlsStream::Plain(_) => false,
                    MaybeTlsStream::Rustls(_) => true,
                    _ => unreachable!("no other feature is on"),
                };
                (connector, stream)
            }

            /// Futures that may move between threads where their arguments may.
            pub fn futures_are_send(stream: fn() -> TcpStream) {
                use $library::tungstenite::handshake::server::NoCallback;

                fn is_send<T: Send>(_: T) {}
                is_send($library::accept_async(stream()));
                is_send($library::accept_async_with_config(stream(), None));
                is_send($library::accept_hdr_async(stream(), NoCallback));
                is_send($library::accept_hdr_async_with_config(
                    stream(),
                    NoCallback,
                    None,
                ));
                is_send($library::client_async("ws://localhost", stream()));
                is_send($library::client_async_with_config(
                    String::new(),
                    stream(),
                    None,
                ));
                is_send($library::client_async_tls("ws://localhost", stream()));
                is_send($library::client_async_tls_with_config(
                    "ws://localhost",
                    stream(),
                    None,
                    None,
                ));
                is_send($library::connect_async("ws://localhost"));
                is_send($library::connect_async_with_config(
                    "ws://localhost",
                    None,
                    true,
                ));
                is_send($library::connect_async_tls_with_config(
                    "ws://localhost",
                    None,
                    true,
                    None,
                ));
            }
        }
    };
}

face!(original_face, original);
face!(face, tokio_tungstenite);

/// Messages, configuration and errors of both are those of one `tungstenite`.
pub fn tungstenite_is_one(
    error: original::tungstenite::Error,
) -> tokio_tungstenite::tungstenite::Error {
    error
}
