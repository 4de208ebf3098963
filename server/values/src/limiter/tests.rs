//! Rates and tables in virtual time.
#![allow(clippy::unwrap_used, reason = "it is a test: it may panic")]

use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);

/// The number of events of `count` at `now` that are admitted.
fn admitted(limiter: &mut RateLimiter, count: usize, now: Instant) -> usize {
    (0..count).filter(|_| limiter.admit(now).is_ok()).count()
}

/// The same for one key of a table.
fn admitted_for(limiter: &KeyedRateLimiter<u32>, key: u32, count: usize, now: Instant) -> usize {
    let admitted = |_: &usize| limiter.admit(key, now).is_ok();
    (0..count).filter(admitted).count()
}

#[test]
fn burst_is_admitted_and_then_the_sustained_rate() {
    let (mut limiter, start) = (RateLimiter::new(Rate::per_second(10, 5)), Instant::now());
    assert_eq!(admitted(&mut limiter, 100, start), 10);
    assert_eq!(admitted(&mut limiter, 100, start + 199 * MILLISECOND), 0);
    assert_eq!(admitted(&mut limiter, 100, start + 200 * MILLISECOND), 1);
    assert_eq!(admitted(&mut limiter, 100, start + 1200 * MILLISECOND), 5);
    let much_later = start + Duration::from_secs(3600);
    assert_eq!(admitted(&mut limiter, 100, much_later), 10, "never more");
}

#[test]
fn sustained_rate_has_no_end() {
    for (rate, step) in [
        (Rate::per_second(1, 50), Duration::from_millis(20)),
        (Rate::per_second(1, 3), Duration::from_nanos(333_333_334)),
        (
            Rate::per(5, 5, Duration::from_secs(60)),
            Duration::from_secs(12),
        ),
        (
            Rate::per(1, 1, Duration::from_secs(3600)),
            Duration::from_secs(3600),
        ),
    ] {
        let (mut limiter, start) = (RateLimiter::new(rate), Instant::now());
        for number in 0..10_000 {
            assert_eq!(limiter.admit(start + step * number), Ok(()), "{rate:?}");
        }
    }
}

#[test]
fn refusal_says_when_to_retry() {
    let (mut limiter, start) = (RateLimiter::new(Rate::per_second(2, 4)), Instant::now());
    assert_eq!(admitted(&mut limiter, 2, start), 2);
    let now = start + 50 * MILLISECOND;
    let exceeded = limiter.admit(now).unwrap_err();
    assert_eq!(exceeded.retry_after, 200 * MILLISECOND);
    assert_eq!(exceeded.to_string(), "rate limit exceeded, retry in 0.2 s");
    let early = now + Duration::from_nanos(199_999_999);
    assert!(limiter.check(early).is_err());
    assert_eq!(limiter.check(now + exceeded.retry_after), Ok(()));
    assert_eq!(limiter.admit(now + exceeded.retry_after), Ok(()));
}

#[test]
fn many_events_are_admitted_together_or_not_at_all() {
    let (mut limiter, start) = (
        RateLimiter::new(Rate::per_second(1000, 1000)),
        Instant::now(),
    );
    assert_eq!(limiter.admit_many(600, start), Ok(()));
    let exceeded = limiter.admit_many(600, start).unwrap_err();
    assert_eq!(exceeded.retry_after, 200 * MILLISECOND);
    assert_eq!(limiter.admit_many(400, start), Ok(()), "none was counted");
    assert_eq!(limiter.admit_many(0, start), Ok(()));
    let never = limiter.admit_many(1001, start).unwrap_err();
    assert_eq!(never.retry_after, Duration::MAX);
    assert_eq!(never.to_string(), "larger than the burst of the rate limit");
}

#[test]
fn ends_of_the_range_are_safe() {
    let now = Instant::now();
    let mut nothing = RateLimiter::new(Rate::per_second(0, 100));
    assert!(nothing.admit(now).is_err());
    let mut slow = RateLimiter::new(Rate::per_second(1, 0));
    assert_eq!(admitted(&mut slow, 3, now), 1, "0 per second count as 1");
    assert_eq!(admitted(&mut slow, 3, now + Duration::from_secs(1)), 1);
    let mut fast = RateLimiter::new(Rate::per_second(5, u32::MAX));
    assert_eq!(admitted(&mut fast, 10, now), 5, "no interval is zero");
    let mut instant = RateLimiter::new(Rate::per(5, 1, Duration::ZERO));
    assert_eq!(admitted(&mut instant, 10, now), 5);
    let mut age = RateLimiter::new(Rate::per(u32::MAX, 1, Duration::MAX));
    assert!(admitted(&mut age, 3, now) <= 3, "an overflow is no panic");
    assert!(
        RateLimiter::new(Rate::per(1, 1, Duration::MAX))
            .admit(now)
            .is_err()
    );
}

#[test]
fn clock_that_steps_back_takes_nothing_away() {
    let (mut limiter, start) = (RateLimiter::new(Rate::per_second(2, 1)), Instant::now());
    let later = start + Duration::from_secs(10);
    assert_eq!(admitted(&mut limiter, 1, later), 1);
    assert_eq!(admitted(&mut limiter, 1, start), 0, "full at 11 s");
    assert_eq!(admitted(&mut limiter, 5, later), 1);
}

#[test]
fn changed_rate_keeps_what_was_counted() {
    let (mut limiter, now) = (RateLimiter::new(Rate::per_second(3, 1)), Instant::now());
    assert_eq!(admitted(&mut limiter, 9, now), 3);
    limiter.set_rate(Rate::per_second(5, 1));
    assert_eq!(admitted(&mut limiter, 9, now), 2);
}

#[test]
fn each_key_has_its_own_burst() {
    let (limiter, start) = (
        KeyedRateLimiter::new(Rate::per_second(3, 1), 100),
        Instant::now(),
    );
    assert_eq!(admitted_for(&limiter, 1, 9, start), 3);
    assert_eq!(admitted_for(&limiter, 2, 9, start), 3);
    assert!(limiter.check(&1, start).is_err());
    assert_eq!(limiter.check(&3, start), Ok(()));
    assert_eq!(limiter.len(), 2, "a look is not remembered");
    let later = start + Duration::from_secs(1);
    assert_eq!(admitted_for(&limiter, 1, 9, later), 1);
}

#[test]
fn keys_that_find_no_place_share_one_bucket() {
    let (limiter, start) = (
        KeyedRateLimiter::new(Rate::per_second(3, 1), 100),
        Instant::now(),
    );
    for key in 0..100 {
        assert_eq!(admitted_for(&limiter, key, 1, start), 1);
    }
    let new = (100..10_000).filter(|key| limiter.admit(*key, start).is_ok());
    assert_eq!(new.count(), 3, "all of them have the rate of one");
    assert!(
        limiter.check(&10_001, start).is_err(),
        "a look sees the same"
    );
    assert_eq!(
        admitted_for(&limiter, 7, 9, start),
        2,
        "known keys are spared"
    );
    assert_eq!(limiter.len(), 100);
    let later = start + Duration::from_millis(1500);
    assert_eq!(admitted_for(&limiter, 10_001, 9, later), 3);
    assert_eq!(limiter.len(), 2, "whole bursts are forgotten, 7 is not");
}

#[test]
fn table_of_capacity_zero_is_one_shared_bucket() {
    let (limiter, now) = (
        KeyedRateLimiter::new(Rate::per_second(3, 1), 0),
        Instant::now(),
    );
    assert_eq!(
        (0..50)
            .filter(|key| limiter.admit(*key, now).is_ok())
            .count(),
        3
    );
    assert!(limiter.is_empty());
}

#[test]
fn ipv6_network_of_64_bits_is_one_source() {
    for (address, expected) in [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::"),
        ("::1", "::"),
    ] {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(source(address), expected.parse::<IpAddr>().unwrap());
    }
}
