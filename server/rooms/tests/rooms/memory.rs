//! Memory that rooms leave behind, and what they may take.

use std::sync::Arc;

use rooms::backplane::Local;
use rooms::{Counts, Hub, Post, Receipt, RoomName, Settings};

use super::soon;

/// Tests that look at the memory of the process take turns.
static MEMORY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Bytes of memory that this process has at the moment.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<usize>().unwrap() * 1024
}

#[tokio::test]
async fn r12_joins_and_leaves_without_end_leave_nothing_behind() {
    const ROUNDS: usize = 100;
    let _turn = MEMORY.lock().await;
    let settings = Settings::default();
    let hub = Hub::new(
        settings.clone(),
        Arc::new(Local::new(settings)),
        Counts::default(),
    );
    let flow = tokio::spawn(hub.clone().run());
    let mut after_first = 0;
    for round in 0..ROUNDS {
        let mut members = Vec::new();
        for number in 0..1_000_usize {
            // Ten in each room, and other rooms each time.
            let room: RoomName = format!("r-{round}-{}", number / 10).parse().unwrap();
            let name = format!("m{number}").parse().unwrap();
            members.push(soon(hub.join(&room, name, None)).await.unwrap());
        }
        assert_eq!((hub.rooms(), hub.counts().members.get()), (100, 1_000));
        drop(members);
        assert_eq!((hub.rooms(), hub.counts().members.get()), (0, 0));
        if round == ROUNDS / 10 {
            after_first = resident();
        }
    }
    let grown = resident().saturating_sub(after_first);
    // A hundred thousand members that left 200 bytes each would be more.
    assert!(grown < 16 << 20, "{grown} bytes more after {ROUNDS} rounds");
    flow.abort();
}

#[tokio::test]
async fn r13_a_flood_into_many_rooms_takes_no_more_memory_than_it_may() {
    let _turn = MEMORY.lock().await;
    let settings = Settings {
        history_memory: 8 << 20,
        ..Settings::default()
    };
    let backplane = Arc::new(Local::new(settings.clone()));
    let hub = Hub::new(settings, backplane, Counts::default());
    let flow = tokio::spawn(hub.clone().run());
    let before = resident();
    let text: Arc<str> = "x".repeat(16 << 10).into();
    // 160 MiB in a hundred rooms.
    for number in 0..10_000_usize {
        let room: RoomName = format!("r-{}", number % 100).parse().unwrap();
        let post = Post {
            from: "ana".parse().unwrap(),
            member: None,
            text: text.as_ref().into(),
            id: None,
        };
        let receipt = soon(hub.publish(&room, post)).await.unwrap();
        assert!(matches!(receipt, Receipt::Stored(_)), "{receipt:?}");
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes for a history of 8 MiB");
    flow.abort();
}
