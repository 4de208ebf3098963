//! The history of a context: its bounds, what is forgotten, and incompressible traffic.

use bytes::BytesMut;

use super::{Random, feed, length, message};
use crate::deflate::distances::StrictInflater;
use crate::deflate::encoder::investment::Investment;
use crate::deflate::encoder::{Context, Demand, Encoder};

/// Wire bytes of messages sent one after another, and how many went compressed.
fn sent(context: &mut Context, messages: &[Vec<u8>]) -> (usize, usize) {
    let mut encoder = Encoder::default();
    let mut compressed = 0;
    let bytes = messages.iter().map(|message| {
        let mut wire = BytesMut::new();
        match encoder.encode_in(context, message, Demand::WhenItPays, &mut wire) {
            Some(_) => {
                compressed += 1;
                wire.len()
            }
            None => message.len(),
        }
    });
    (bytes.sum(), compressed)
}

fn total(messages: &[Vec<u8>]) -> usize {
    messages.iter().map(Vec::len).sum()
}

fn noise(random: &mut Random, length: usize) -> Vec<u8> {
    (0..length).map(|_| random.byte()).collect()
}

/// 130 bytes in which nothing repeats, but most stands in the next message too.
fn binary_records(random: &mut Random, count: usize) -> Vec<Vec<u8>> {
    let template = noise(random, 130);
    let changed = |_| {
        let mut record = template.clone();
        for _ in 0..6 {
            record[random.below(130)] = random.byte();
        }
        record
    };
    (0..count).map(changed).collect()
}

#[test]
fn contexts_take_no_more_memory_than_they_say() {
    for (window, history) in (8..=15).flat_map(|window| [(window, 11), (window, window)]) {
        let mut random = Random(3);
        let mut encoder = Encoder::default();
        let mut context = Context::new(window, history);
        let said = Context::max_bytes(window, history);
        for _ in 0..300 {
            let length = length(&mut random);
            let message = message(&mut random, length);
            encoder.encode_in(&mut context, &message, Demand::Always, &mut BytesMut::new());
            let taken = context.allocated_bytes();
            assert!(
                taken <= said,
                "{taken} of {said} bytes at {window}, {history}"
            );
        }
        assert!(said <= 32 * 1024, "{said} bytes at {window}, {history}");
        context.forget();
        assert_eq!(context.allocated_bytes(), size_of::<Context>());
    }
    assert!(Context::max_bytes(15, 11) <= 7_900);
    let mut context = Context::new(15, 11);
    Encoder::default().encode_in(&mut context, b"Hello", Demand::Always, &mut BytesMut::new());
    assert!(
        context.history.allocated_bytes() <= 16,
        "grows with what was sent"
    );
    assert!(
        context.allocated_bytes() < 2_000,
        "{}",
        context.allocated_bytes()
    );
}

#[test]
fn noise_costs_next_to_nothing() {
    let mut random = Random(5);
    let messages: Vec<_> = (0..3_000).map(|_| noise(&mut random, 130)).collect();
    let (bytes, compressed) = sent(&mut Context::new(15, 11), &messages);
    assert!(bytes * 1_000 <= total(&messages) * 1_001, "{bytes}");
    assert!(compressed < 60, "{compressed}");
}

#[test]
fn records_that_repeat_only_each_other_are_learnt() {
    let mut random = Random(6);
    let records = binary_records(&mut random, 1_000);
    let (bytes, _) = sent(&mut Context::new(15, 11), &records);
    assert!(bytes * 4 < total(&records), "{bytes}");
    // After noise as well, at the latest when the pause is over.
    let mut context = Context::new(15, 11);
    let noise: Vec<_> = (0..600).map(|_| noise(&mut random, 130)).collect();
    sent(&mut context, &noise);
    sent(&mut context, &records[..132]);
    let (bytes, _) = sent(&mut context, &records[132..]);
    assert!(bytes * 4 < total(&records[132..]), "{bytes}");
}

#[test]
fn noise_between_other_messages_does_them_no_harm() {
    let mut random = Random(7);
    let feeds: Vec<_> = (0..500).map(|_| feed(&mut random, 150)).collect();
    let (alone, _) = sent(&mut Context::new(15, 11), &feeds);
    let mut context = Context::new(15, 11);
    let (mut bytes, mut noise_bytes) = (0, 0);
    for feed in feeds {
        bytes += sent(&mut context, &[feed]).0;
        noise_bytes += sent(&mut context, &[noise(&mut random, 100)]).0;
    }
    assert!(bytes * 100 < alone * 110, "{bytes} instead of {alone}");
    assert!(noise_bytes <= 500 * 102, "{noise_bytes}");
}

#[test]
fn first_message_and_those_after_a_drop_cost_no_more_than_alone() {
    let mut random = Random(8);
    let mut context = Context::new(15, 11);
    for length in (20..3_000).step_by(97) {
        let message = feed(&mut random, length);
        let mut alone = BytesMut::new();
        Encoder::default().encode(&message, 15, &mut alone);
        context.forget();
        let mut first = BytesMut::new();
        Encoder::default().encode_in(&mut context, &message, Demand::Always, &mut first);
        assert_eq!(first, alone, "{length} bytes");
    }
}

#[test]
fn isolated_messages_are_passed_over_and_what_came_before_is_still_used() {
    let mut random = Random(9);
    let phrase = noise(&mut random, 60);
    for (gap, used) in [
        (1, true),
        (100, true),
        (700, true),
        (1_900, true),
        (2_100, false),
    ] {
        let mut context = Context::new(15, 11);
        let mut encoder = Encoder::default();
        let mut peer = StrictInflater::new(15);
        let secret = [&phrase[..], &noise(&mut random, gap)].concat();
        let mut send = |message: &[u8], isolated: bool| {
            let mut wire = BytesMut::new();
            if isolated {
                encoder.encode(message, 15, &mut wire);
                context.skip(message.len());
            } else {
                encoder.encode_in(&mut context, message, Demand::Always, &mut wire);
            }
            assert!(peer.message(&wire) == message, "gap of {gap}");
            if isolated {
                peer.hide();
            }
            wire.len()
        };
        send(&[&phrase[..], b"older"].concat(), false);
        send(&secret[..gap], true);
        let bytes = send(&[b"newer", &phrase[..]].concat(), false);
        assert_eq!(bytes < 30, used, "{bytes} bytes after a gap of {gap}");
    }
}

#[test]
fn long_messages_use_the_window_and_short_ones_after_them_the_history() {
    let mut random = Random(10);
    let block = noise(&mut random, 6_000);
    let message = [&block[..], &block].concat();
    let mut context = Context::new(15, 11);
    let mut encoder = Encoder::default();
    encoder.encode_in(
        &mut context,
        &block[..500],
        Demand::Always,
        &mut BytesMut::new(),
    );
    let mut wire = BytesMut::new();
    let reach = encoder.encode_in(&mut context, &message, Demand::Always, &mut wire);
    assert_eq!(reach, Some(500));
    assert!(wire.len() < 5_900, "{} bytes", wire.len());
    wire.clear();
    let reach = encoder.encode_in(
        &mut context,
        &block[5_000..5_400],
        Demand::Always,
        &mut wire,
    );
    assert_eq!(reach, Some(1_000));
    assert!(wire.len() < 20, "{} bytes", wire.len());
}

#[test]
fn messages_taken_back_leave_no_trace() {
    let mut random = Random(11);
    for length in [100, 900, 2_400, 5_000] {
        let [mut with, mut without] = [Context::new(15, 11), Context::new(15, 11)];
        // Without credit, and with nothing in the history that gets overwritten.
        let noises: Vec<_> = (0..4).map(|_| noise(&mut random, 20)).collect();
        sent(&mut with, &noises);
        sent(&mut without, &noises);
        let refused = noise(&mut random, length);
        assert_eq!(sent(&mut with, &[refused]), (length, 0));
        with.investment = Investment::default();
        without.investment = Investment::default();
        for _ in 0..40 {
            let short = random.below(300);
            let message = feed(&mut random, short);
            let [mut one, mut other] = [BytesMut::new(), BytesMut::new()];
            Encoder::default().encode_in(&mut with, &message, Demand::Always, &mut one);
            Encoder::default().encode_in(&mut without, &message, Demand::Always, &mut other);
            assert_eq!(one, other, "after {length} refused bytes");
        }
    }
}
