//! Sends calls by the thousand and counts those that came to something else than they must.

use futures_util::stream::{self, StreamExt};

use crate::SEED;
use crate::call::{Call, MOST_BYTES, MOST_TEXT_BYTES, Outcome, Protocol};
use crate::common::verdict::none_wrong;
use crate::common::{Running, start};
use crate::random::Random;
use crate::sender::Sender;

/// Makes calls until `number` of them are bad, sends each, and prints what `scripts/bad-inputs` reads.
///
/// Over HTTP/2 they share a connection, which has to bear all of them.
pub async fn judge(
    what: &str,
    protocol: Protocol,
    number: usize,
    mut make: impl FnMut(&mut Random) -> Call,
) {
    let (most, most_text) = (MOST_BYTES.to_string(), MOST_TEXT_BYTES.to_string());
    let flags = [
        "--max-message-bytes",
        &most,
        "--rooms-max-text-bytes",
        &most_text,
    ];
    let rates = ["--rooms-burst", "1000000", "--rooms-per-second", "1000000"];
    let server = &start(&[flags, rates].concat()).await;
    let random = &mut Random(SEED);
    let (mut calls, mut bad) = (Vec::new(), 0);
    while bad < number {
        let call = make(random);
        bad += usize::from(!call.is_good());
        calls.push(call);
    }
    let good = calls.len() - bad;
    let wrong = match protocol {
        Protocol::Http2 => shared(server, &calls).await,
        Protocol::Http1 => alone(server, &calls).await,
    };
    none_wrong(what, bad, good, &wrong);

    let mut canary = Sender::dial(server, Protocol::Http2).await;
    let call = Call::good(random);
    assert_eq!(canary.outcome(&call, 0).await, Ok(call.expected));
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.contains("\nwss_http_handler_panics_total 0\n"),
        "{metrics}"
    );
}

/// Sends all calls over one connection, some at once; tells of those that came to something else.
async fn shared(server: &Running, calls: &[Call]) -> Vec<String> {
    let Sender::Http2(sender) = Sender::dial(server, Protocol::Http2).await else {
        unreachable!("that was asked for")
    };
    let judged = stream::iter((0..).zip(calls)).map(|(number, call)| {
        let mut sender = Sender::Http2(sender.clone());
        async move { told(number, call, &sender.outcome(call, number).await) }
    });
    judged
        .buffer_unordered(16)
        .filter_map(std::future::ready)
        .collect()
        .await
}

/// Sends them one after the other over HTTP/1.1, where a connection may end after a call that is refused.
async fn alone(server: &Running, calls: &[Call]) -> Vec<String> {
    let parts = calls.chunks(calls.len().div_ceil(4)).enumerate();
    let judged = parts.map(|(part, calls)| async move {
        let mut wrong = Vec::new();
        let mut sender = Sender::dial(server, Protocol::Http1).await;
        for (number, call) in (part as u64 * 1_000_000..).zip(calls) {
            if !sender.goes_on().await {
                sender = Sender::dial(server, Protocol::Http1).await;
            }
            wrong.extend(told(number, call, &sender.outcome(call, number).await));
        }
        wrong
    });
    futures_util::future::join_all(judged).await.concat()
}

/// Returns a description of a call whose outcome differs from the expected one.
fn told(number: u64, call: &Call, seen: &Result<Outcome, String>) -> Option<String> {
    let is_right = seen.as_ref() == Ok(&call.expected);
    (!is_right).then(|| format!("{number}: {seen:?} of {call:02x?}"))
}
