//! Joins and leaves in great numbers: the reports are bounded, and agree with who is there in the end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use rooms::event::Event;
use rooms::presence::Change;
use rooms::{Joined, Local, MemberId, Seen};

use crate::{hub, join, settings, soon};

/// Reads events until `done`; returns how many events that took, and who is there by all of them.
async fn attend(
    joined: &mut Joined,
    done: impl Fn(usize, &HashMap<MemberId, String>) -> bool,
) -> (usize, HashMap<MemberId, String>) {
    let present = joined.members.iter();
    let mut members: HashMap<MemberId, String> = present
        .map(|who| (who.member.clone(), who.name.to_string()))
        .collect();
    let mut events = 0;
    loop {
        let Seen::Event(broadcast) = soon(joined.membership.next()).await.unwrap() else {
            continue;
        };
        events += 1;
        let count = match broadcast.event() {
            Event::Presence { change, who, count } => {
                match change {
                    Change::Join => members.insert(who.member.clone(), who.name.to_string()),
                    Change::Leave => members.remove(&who.member),
                };
                *count
            }
            Event::Count(count) => *count,
            _ => continue,
        };
        if done(count, &members) {
            return (events, members);
        }
    }
}

/// 41 kB/s of joins made 22 MB/s of presence: a storm is reported at a rate, and what cancels out is not reported.
#[tokio::test]
async fn a_storm_of_joins_is_told_at_a_rate_and_ends_right() {
    let settings = settings(|settings| {
        settings.presence_burst = 10;
        settings.presence_per_second = 20;
        settings.queue_messages = 100_000;
    });
    let hub = hub(settings.clone(), Arc::new(Local::new(settings)));
    let mut watching = join(&hub, "ana").await;
    let begun = Instant::now();
    let mut staying = Vec::new();
    for number in 0..2_000 {
        let joined = join(&hub, &format!("m{number}")).await;
        if number % 400 == 399 {
            staying.push(joined);
        }
    }
    let (events, members) = attend(&mut watching, |count, members| {
        count == 6 && members.len() == 6
    })
    .await;
    let bound = 10 + usize::try_from(begun.elapsed().as_millis()).unwrap() / 50 + 2;
    assert!(events <= bound, "{events} events, {bound} are allowed");
    let mut names: Vec<&String> = members.values().collect();
    names.sort();
    assert_eq!(names, ["ana", "m1199", "m1599", "m1999", "m399", "m799"]);
    drop(staying);
    attend(&mut watching, |count, members| {
        count == 1 && members.len() <= 6
    })
    .await;
}

/// In a large room the number is reported at most once a second, and the last one too.
#[tokio::test]
async fn the_last_number_of_a_large_room_is_told() {
    let settings = settings(|settings| settings.max_presence = 3);
    let hub = hub(settings.clone(), Arc::new(Local::new(settings)));
    let mut watching = join(&hub, "ana").await;
    let mut staying = Vec::new();
    for number in 0..20 {
        staying.push(join(&hub, &format!("m{number}")).await);
    }
    attend(&mut watching, |count, _| count == 21).await;
    staying.truncate(10);
    attend(&mut watching, |count, _| count == 11).await;
}

/// Those who come after a storm learn who is there from the list, and miss nothing later.
#[tokio::test]
async fn who_comes_amid_a_storm_agrees_in_the_end() {
    let settings = settings(|settings| {
        settings.presence_burst = 2;
        settings.presence_per_second = 50;
    });
    let hub = hub(settings.clone(), Arc::new(Local::new(settings)));
    let mut staying = Vec::new();
    for number in 0..20 {
        staying.push(join(&hub, &format!("m{number}")).await);
    }
    let mut late = join(&hub, "late").await;
    assert_eq!(late.count, 21);
    assert!(late.members.contains(late.membership.me()));
    staying.truncate(5);
    let (_, members) = attend(&mut late, |count, members| count == 6 && members.len() == 6).await;
    assert!(members.values().any(|name| name == "late"));
}
