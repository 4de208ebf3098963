//! Memory that was freed goes back to the system; in a process of its own, since one server gives back what all have freed.

#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use common::{start, until};

/// Whatever took it: what is freed goes back, though some of it lives on.
#[tokio::test]
async fn r20_memory_of_a_burst_goes_back_to_the_system() {
    const BLOCKS: usize = 65_536;
    let server = start(&["--memory-trim-interval", "100ms"]).await;
    let given_back = async || {
        let metrics = server.get("/metrics").await;
        let given = metrics.lines().find_map(|line| {
            let bytes = line.strip_prefix("wss_memory_given_back_bytes_total ")?;
            bytes.parse::<usize>().ok()
        });
        given.unwrap()
    };
    // Once it answers it has seen how little it takes.
    let before = given_back().await;
    let mut burst: Vec<_> = (0..BLOCKS).map(|_| Some(vec![7_u8; 1024])).collect();
    for (number, block) in burst.iter_mut().enumerate() {
        if number % 64 != 63 {
            *block = None;
        }
    }
    until(async || given_back().await > before + BLOCKS * 1024 / 2).await;
    assert!(burst.iter().flatten().all(|block| block[0] == 7));
}
