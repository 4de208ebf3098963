//! A bad network between a client and a server: a proxy on this machine that delays, splits, throttles, holds back and cuts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

/// Conditions of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// Delay of everything on its way.
    pub delay: Duration,
    /// Most bytes of one write.
    pub piece: usize,
    /// Bytes a second in each direction; zero for as fast as it goes.
    pub rate: u32,
    /// Bytes to the server, and to the client, after which the connection is cut.
    pub cut: [usize; 2],
    /// False if nothing passes.
    pub open: bool,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            piece: usize::MAX,
            rate: 0,
            cut: [usize::MAX; 2],
            open: true,
        }
    }
}

/// A way to a server; its connections end when it is dropped.
pub struct BadNetwork {
    /// Address to dial.
    pub address: SocketAddr,
    passed: Arc<[AtomicUsize; 2]>,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl BadNetwork {
    /// A way to `server` on which all connections meet the same.
    pub async fn to(server: SocketAddr, conditions: Conditions) -> Self {
        let (_, conditions) = watch::channel(conditions);
        Self::with(server, move |_| conditions.clone()).await
    }

    /// A way to `server` on which each connection meets, by its number, conditions that may change.
    pub async fn with(
        server: SocketAddr,
        meets: impl Fn(usize) -> watch::Receiver<Conditions> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let passed = Arc::<[AtomicUsize; 2]>::default();
        let counts = Arc::clone(&passed);
        let accepted = Arc::<AtomicUsize>::default();
        let number_accepted = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            for number in 0.. {
                let (near, _) = listener.accept().await.unwrap();
                number_accepted.store(number + 1, Ordering::SeqCst);
                let conditions = meets(number);
                let counts = Arc::clone(&counts);
                connections.spawn(async move {
                    let Ok(far) = TcpStream::connect(server).await else {
                        return;
                    };
                    pass(near, far, conditions, &counts).await;
                });
            }
        });
        Self {
            address,
            passed,
            accepted,
            task,
        }
    }

    /// Bytes that have passed to the server, and to the client.
    pub fn passed(&self) -> [usize; 2] {
        [0, 1].map(|way| self.passed[way].load(Ordering::SeqCst))
    }

    /// Connections so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for BadNetwork {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes on what both sides send until both have ended, or the connection is cut.
async fn pass(
    near: TcpStream,
    far: TcpStream,
    conditions: watch::Receiver<Conditions>,
    counts: &[AtomicUsize; 2],
) {
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    let there = one_way(near_read, far_write, conditions.clone(), 0, &counts[0]);
    let back = one_way(far_read, near_write, conditions, 1, &counts[1]);
    // An error is a cut, whichever way it happens; both halves of both sockets go with it.
    let _ = tokio::try_join!(there, back);
}

/// Passes on one direction; `Err` if it is cut.
async fn one_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut conditions: watch::Receiver<Conditions>,
    way: usize,
    count: &AtomicUsize,
) -> Result<(), ()> {
    // What is on its way is bounded, as a network's is.
    let now = conditions.clone();
    let (departures, mut arrivals) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let reading = async {
        loop {
            let mut bytes = vec![0; 16 * 1024];
            let read = from.read(&mut bytes).await.map_err(drop)?;
            if read == 0 {
                drop(departures);
                return Ok(());
            }
            bytes.truncate(read);
            let arrival = Instant::now() + now.borrow().delay;
            departures.send((arrival, bytes)).await.map_err(drop)?;
        }
    };
    let writing = async {
        let mut left = conditions.borrow().cut[way];
        while let Some((arrival, bytes)) = arrivals.recv().await {
            sleep_until(arrival).await;
            let piece = conditions.borrow().piece;
            for piece in bytes.chunks(piece) {
                // Who could change them may be gone.
                let _ = conditions.wait_for(|conditions| conditions.open).await;
                let piece = &piece[..piece.len().min(left)];
                to.write_all(piece).await.map_err(drop)?;
                count.fetch_add(piece.len(), Ordering::SeqCst);
                left -= piece.len();
                if left == 0 {
                    return Err(());
                }
                let rate = conditions.borrow().rate;
                if rate > 0 {
                    let size = u32::try_from(piece.len()).unwrap();
                    sleep(Duration::from_secs(1) * size / rate).await;
                }
            }
        }
        to.shutdown().await.map_err(drop)
    };
    tokio::try_join!(reading, writing).map(drop)
}
