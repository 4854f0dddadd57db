//! How long to wait before trying again.

use std::time::Duration;

use klatch_wire::native::server::Retry;

/// "Full jitter": anything from nothing to a bound that doubles with each attempt. A crowd that lost its server at
/// one moment comes back evenly spread, which "half the delay, plus a bit" does not achieve.
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
///
/// `attempt` is 0 for the first; `random` lies in [0, 1).
pub(crate) fn full_jitter(attempt: u32, retry: Retry, random: f64) -> Duration {
    let bound_ms = retry.min_ms.saturating_mul(1 << attempt.min(30)).min(retry.max_ms);
    Duration::from_secs_f64(bound_ms as f64 / 1000.0 * random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_its_maximum_and_the_wait_is_anything_below() {
        let retry = Retry { min_ms: 100, max_ms: 1_000 };
        let longest = |attempt| full_jitter(attempt, retry, 1.0).as_millis();
        assert_eq!([longest(0), longest(1), longest(3), longest(4), longest(400)], [100, 200, 800, 1_000, 1_000]);
        assert_eq!(full_jitter(9, retry, 0.0), Duration::ZERO);
        assert_eq!(full_jitter(0, retry, 0.5).as_millis(), 50);
    }
}
