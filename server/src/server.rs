//! The server as a value: settings and routes in, a run from listening to drained out.

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{error, info, warn};
use tungstenite_deflate::tungstenite::protocol::WebSocketConfig;
use tungstenite_deflate::{ControlRate, Keepalive, Limits, Options, WebSocketStream};

use crate::accept::Acceptor;
use crate::access::{Access, KeyError};
use crate::acme::{Acme, AcmeError};
use crate::arrivals::Arrivals;
use crate::config::{AccessLog, Config, TimeSpan};
use crate::connection::ConnectionInfo;
use crate::context::Context;
use crate::descriptors;
use crate::drain::Drain;
use crate::grpc::{self, Services};
use crate::host::Hosts;
use crate::ledger::{Ledger, Part};
use crate::limits::ConnectionLimits;
use crate::listen::{self, ListenError, Listener, Service};
use crate::listening::Listening;
use crate::log::transcript;
use crate::memory;
use crate::metrics::Metrics;
use crate::observers::Observers;
use crate::origin::Origins;
use crate::proxies::Trust;
use crate::route::{Endpoint, WebSocketRoute};
use crate::router::{self, operator_websockets};
use crate::stream::ServerStream;
use crate::table::{Table, Tables};
use crate::tls::{Challenges, Tls, TlsError};
use crate::turns::Turns;
use rooms::backplane::{Backplane, Nats, NatsError};
use rooms::{Counts, Hub, Local, Participants, Settings};

/// The server: settings, routes, and what it counts.
pub struct Server {
    config: Arc<Config>,
    tls: Arc<Tls>,
    metrics: Metrics,
    observers: Observers,
    drain: Drain,
    rooms: Hub,
    access: Arc<Access>,
    acme: Option<Arc<Acme>>,
    websockets: Vec<WebSocketRoute>,
    more: Router,
}

/// Cause for which the server cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Certificates or other parts of TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The ACME server, as the settings have it.
    #[error(transparent)]
    Acme(#[from] AcmeError),
    /// NATS, as the settings have it.
    #[error(transparent)]
    Nats(#[from] NatsError),
    /// The keys that tokens for rooms are checked with.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The listener cannot be used.
    #[error("the listening socket cannot be used: {0}")]
    Listener(std::io::Error),
    /// An address of the settings.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// Creates the backplane of `config`, which holds the rooms.
fn backplane(
    config: &Config,
    settings: &Settings,
    metrics: &Metrics,
) -> Result<Arc<dyn Backplane>, NatsError> {
    let settings = settings.clone();
    Ok(match config.nats.settings(config.tls.secret_files()) {
        Some(nats) => Arc::new(Nats::new(nats, settings, metrics.nats.clone())?),
        None => Arc::new(Local::new(settings)),
    })
}

/// Result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Connections that had to be cut off because they did not end in time.
    pub cut_off: usize,
}

impl Server {
    /// A server with its own routes; [`RouteOptions`](crate::config::RouteOptions) leaves out some, and
    /// [`demonstrations`](crate::demonstrations) adds more.
    ///
    /// Reads the certificates; when the pair of [`--certs`](crate::config::TlsOptions::certs) is missing, makes it.
    ///
    /// # Errors
    /// A certificate, a key or a CA cannot be used, or the key for tokens.
    pub fn new(config: Config) -> Result<Self, ServerError> {
        let metrics = Metrics::new();
        let tls = Tls::load(config.tls.clone(), metrics.clone())?;
        let rule = config.tls.secret_files();
        let acme = Acme::new(&config.tls.acme, rule, tls.challenges())?.map(Arc::new);
        let access = Arc::new(Access::new(&config.rooms, config.tls.secret_files())?);
        let settings = config.rooms.settings();
        let backplane = backplane(&config, &settings, &metrics)?;
        let rooms = Hub::new(settings, backplane, metrics.rooms.clone());
        Ok(Self {
            config: Arc::new(config),
            tls,
            metrics,
            observers: Observers::default(),
            drain: Drain::new(),
            rooms,
            access,
            acme,
            websockets: Vec::new(),
            more: Router::new(),
        })
    }

    /// Checks what [`new`](Self::new) would, without making or keeping anything. Missing certificates that would be
    /// made are no fault.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn check(config: &Config) -> Result<(), ServerError> {
        listen::check(&config.network)?;
        Access::new(&config.rooms, config.tls.secret_files())?;
        Acme::new(
            &config.tls.acme,
            config.tls.secret_files(),
            Challenges::default(),
        )?;
        backplane(config, &config.rooms.settings(), &Metrics::new())?;
        Ok(Tls::check(&config.tls)?)
    }

    /// Adds a path that speaks WebSocket, without subprotocols.
    ///
    /// `handler` is called once per connection and owns it. [`Conversation`](crate::Conversation) saves it from
    /// thinking of control frames, counters and the server's end. When it panics, its connection alone is lost.
    ///
    /// # Panics
    /// In [`run`](Self::run), when the path is already taken or axum does not understand it.
    pub fn route<H, F>(self, path: &'static str, handler: H) -> Self
    where
        H: Fn(WebSocketStream<ServerStream>, ConnectionInfo) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.route_with_protocols(path, &[], handler)
    }

    /// Adds a path that speaks WebSocket; of `protocols` the first that the client asks for is agreed, else none
    /// (RFC 6455 §4.2.2).
    ///
    /// # Panics
    /// As for [`route`](Self::route).
    pub fn route_with_protocols<H, F>(
        self,
        path: &'static str,
        protocols: &'static [&'static str],
        handler: H,
    ) -> Self
    where
        H: Fn(WebSocketStream<ServerStream>, ConnectionInfo) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.websocket(WebSocketRoute::new(Endpoint::new(path, protocols), handler))
    }

    /// Adds a path that speaks WebSocket.
    pub(crate) fn websocket(mut self, route: WebSocketRoute) -> Self {
        self.websockets.push(route);
        self
    }

    /// The settings.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Adds ordinary routes: pages, REST, gRPC. They must have no fallback; that one is ours.
    pub fn merge(mut self, routes: Router) -> Self {
        self.more = self.more.merge(routes);
        self
    }

    /// The rooms of this server: what is published here reaches the members of `/chat`, and the other way round.
    ///
    /// They come to life with [`run`](Self::run).
    pub fn rooms(&self) -> Hub {
        self.rooms.clone()
    }

    /// A handle that makes the server read its certificates and the keys for tokens again.
    ///
    /// A file that cannot be used changes nothing: what was in force stays, and the log and a metric tell.
    pub fn reloader(&self) -> impl Fn() + Send + Sync + Clone + use<> {
        let (tls, access) = (Arc::clone(&self.tls), Arc::clone(&self.access));
        let counts = self.rooms.counts().clone();
        move || {
            tls.reload();
            reload_keys(&access, &counts);
        }
    }

    /// Serves until `shutdown` resolves, goes on for the drain delay without being ready, and then drains: no new
    /// connections, 1001 (going away) to every WebSocket within the drain window, and at most the drain timeout until
    /// the rest is cut off.
    ///
    /// `listener` is for clients that speak TLS, in place of [`--listen`](crate::config::Network::listen); the other
    /// addresses of the settings are listened on too.
    ///
    /// Dropping the returned future drops the listeners and leaves the connections to themselves.
    ///
    /// # Errors
    /// A listener cannot be used.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Ending, ServerError> {
        let mut listeners = vec![Listener::from(listener)];
        listeners.extend(listen::further(&self.config.network)?);
        self.run_on(listeners, shutdown).await
    }

    /// Serves on `listeners`, as [`run`](Self::run) does; [`listeners`](crate::listeners) opens those of the settings.
    ///
    /// # Errors
    /// A listener cannot be used.
    pub async fn run_on(
        self,
        listeners: Vec<Listener>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Ending, ServerError> {
        let (config, drain) = (Arc::clone(&self.config), self.drain.clone());
        let watching = config
            .tls
            .certificate_poll
            .0
            .map(|interval| tokio::spawn(Arc::clone(&self.tls).watch(interval.0)));
        let (acme, tls) = (self.acme.clone(), Arc::clone(&self.tls));
        let obtaining = acme.map(|acme| tokio::spawn(acme.run(move || tls.reload())));
        let rooms = tokio::spawn(self.rooms.clone().run());
        let draining = self.metrics.draining.clone();
        let trimming = config
            .memory
            .memory_trim_interval
            .0
            .map(|interval| tokio::spawn(memory::give_back(interval.0, self.metrics.clone())));
        let (access, counts) = (Arc::clone(&self.access), self.rooms.counts().clone());
        let fetching = tokio::spawn(async move { access.refresh(&counts).await });
        let has_admin = listeners
            .iter()
            .any(|listener| listener.kind.service == Service::Admin);
        let acceptor = Arc::new(self.acceptor(has_admin));
        announce(&listeners);
        let mut accepting = Vec::new();
        for Listener { socket, kind } in listeners {
            let listening = Listening::new(socket).map_err(ServerError::Listener)?;
            accepting.push(tokio::spawn(Arc::clone(&acceptor).run(listening, kind)));
        }
        drop(acceptor);
        shutdown.await;
        draining.set(1);
        leave(&drain, config.shutdown.drain_delay).await;
        info!("draining");
        drain.begin(config.shutdown.drain_window.0);
        // The accept loop has its signal; another end of it is a bug that must not stop the drain.
        for accepting in accepting {
            let _ = accepting.await;
        }
        for task in [watching, trimming, obtaining, Some(fetching)]
            .into_iter()
            .flatten()
        {
            task.abort();
        }
        let ending = finish(&drain, config.shutdown.drain_timeout).await;
        // Last: messages that were taken still have to reach the members, and their senders the answer.
        rooms.abort();
        Ok(ending)
    }

    /// Everything put together; what is for operators has listeners of its own if `has_admin`.
    fn acceptor(self, has_admin: bool) -> Acceptor {
        let ledger = Ledger::new(&self.config, self.metrics.ledger.clone());
        let websocket = &self.config.websocket;
        let context = Arc::new(Context {
            metrics: self.metrics.clone(),
            observers: self.observers,
            drain: self.drain.clone(),
            hosts: Hosts::new(&self.config.http.host_allow),
            origins: Origins::new(&self.config.websocket.origin_allow),
            participants: Participants::new(self.rooms.clone(), self.access),
            turns: Turns::new(),
            rooms: self.rooms,
            needs_rooms: self.config.nats.nats_required_for_readiness.is_on(),
            options: Arc::new(options(&self.config, &ledger)),
            websockets: ConnectionLimits::new(
                websocket.max_websockets,
                websocket.max_websockets_per_address,
            ),
            write_timeout: self.config.websocket.write_timeout.0,
            has_access_log: self.config.logging.access_log != AccessLog::Off,
            routes: self.config.routes.clone(),
            hsts: self.config.http.hsts.0.map(Duration::from),
            max_uri_bytes: self.config.http.max_uri_bytes.0,
            max_headers: self.config.http.max_headers,
            max_grpc_bytes: self.config.websocket.max_message_bytes.0,
            grpc_timeout: self.config.websocket.message_timeout.0.map(Duration::from),
        });
        let network = &self.config.network;
        let capacity = descriptors::capacity(descriptors::Capacity {
            connections: network.max_connections,
            refusals: network.max_refusals.min(Semaphore::MAX_PERMITS),
        });
        let tables = tables(&context, self.websockets, self.more, has_admin);
        Acceptor {
            tls: self.tls,
            limits: ConnectionLimits::new(
                capacity.connections,
                network.max_connections_per_address,
            ),
            arrivals: Arrivals::new(network),
            // Both come from the number of descriptors, which may be smaller than the settings.
            refusals: Arc::new(Semaphore::new(capacity.refusals)),
            handshakes: Semaphore::new(network.max_handshakes.min(Semaphore::MAX_PERMITS)),
            metrics: self.metrics,
            ledger,
            drain: self.drain,
            trust: Trust::new(&self.config.proxies),
            tables,
            config: self.config,
        }
    }
}

/// Reads the keys for tokens again, and tells how that went.
fn reload_keys(access: &Access, counts: &Counts) {
    let result = match access.reload() {
        Ok(None) => return,
        Ok(Some(keys)) => {
            info!(
                keys,
                "keys for tokens loaded again; new tokens are checked with them"
            );
            "loaded"
        }
        Err(error) => {
            error!(%error, "keys for tokens cannot be used; the old ones stay in force");
            "refused"
        }
    };
    counts.key_reload(result);
}

/// The paths of each kind of listener: `websockets` and `more` are for clients.
fn tables(
    context: &Arc<Context>,
    mut websockets: Vec<WebSocketRoute>,
    more: Router,
    has_admin: bool,
) -> Tables {
    let table = |websockets, router| Arc::new(Table::new(Arc::clone(context), websockets, router));
    let operators = || operator_websockets(&context.routes, &context.metrics, &context.observers);
    let services = if has_admin {
        Services::Clients
    } else {
        Services::All
    };
    // With listeners for operators their paths leave the public ones, rather than being on both.
    let mut public = router::client_routes(context)
        .merge(grpc::routes(context, services))
        .merge(more);
    let mut admin = None;
    if has_admin {
        let router =
            router::operator_routes(context).merge(grpc::routes(context, Services::Operators));
        admin = Some(table(operators(), router));
    } else {
        public = public.merge(router::operator_routes(context));
        websockets.extend(operators());
    }
    Tables {
        public: table(websockets, public),
        admin,
        grpc: table(Vec::new(), grpc::routes(context, services)),
    }
}

/// Reports that the server is there, first in the words its users know, then with each address.
fn announce(listeners: &[Listener]) {
    let port = listeners.iter().find_map(Listener::tcp_address);
    if let Some(address) = port {
        transcript!("Servidor WebSocket rodando na porta {}...", address.port());
    }
    for listener in listeners {
        let (address, kind) = (listener.shown(), listener.kind);
        match kind.service {
            Service::Public => info!(%address, tls = kind.is_tls, "listening"),
            Service::Admin => info!(%address, tls = kind.is_tls, "listening for operators"),
            Service::Grpc => info!(%address, "listening for gRPC without TLS"),
        }
    }
}

/// Reports that the server is not ready and waits until balancers had the time to notice.
async fn leave(drain: &Drain, delay: TimeSpan) {
    drain.announce();
    if delay > TimeSpan(Duration::ZERO) {
        info!(%delay, "not ready, still serving");
        tokio::time::sleep(delay.0).await;
    }
}

/// Waits for the connections to end, for as long as it may.
async fn finish(drain: &Drain, patience: TimeSpan) -> Ending {
    let left = match timeout(patience.0, drain.finished()).await {
        Ok(()) => 0,
        Err(_) => drain.cut_off(),
    };
    if left > 0 {
        warn!(
            connections = left,
            "connections did not end in time and were cut off"
        );
        // Dropping tasks takes no longer than a turn of the scheduler each.
        let _ = timeout(CUT_OFF_TIMEOUT, drain.finished()).await;
    }
    info!("stopped");
    Ending { cut_off: left }
}

/// Translates `config` to the library's options for WebSocket connections.
fn options(config: &Config, ledger: &Ledger) -> Options {
    let websocket = &config.websocket;
    let largest = Some(websocket.max_message_bytes.0);
    let control = ControlRate::default()
        .burst(websocket.control_burst)
        .per_second(websocket.control_per_second);
    let limits = Limits::default()
        .max_fragments(websocket.max_fragments.0)
        .min_progress_bytes(websocket.min_progress_bytes.0)
        .unfinished_memory(Some(ledger.budget(Part::Messages)))
        .control_rate(Some(control))
        .unfinished_message_timeout(websocket.message_timeout.0.map(Duration::from));
    let keepalive = websocket.ping_interval.0.map(|interval| {
        Keepalive::default()
            .ping_interval(interval.0)
            .pong_timeout(websocket.pong_timeout.0)
    });
    Options::default()
        .websocket(
            WebSocketConfig::default()
                .max_message_size(largest)
                .max_frame_size(largest)
                // The library wants its hard limit, which is none, above this one.
                .write_buffer_size(websocket.max_queue_bytes.0.min(usize::MAX / 2)),
        )
        .deflate(config.deflate.to_library(ledger.budget(Part::Contexts)))
        .limits(limits)
        .keepalive(keepalive)
        // `ServerStream` limits the time for writing.
        .write_timeout(None)
        .close_timeout(websocket.close_timeout.0.map(Duration::from))
}

/// Maximum time for cut-off tasks to end.
const CUT_OFF_TIMEOUT: Duration = Duration::from_secs(1);
