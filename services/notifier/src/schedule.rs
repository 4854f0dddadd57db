//! When the next try is made.

use std::time::Duration;

use crate::config::Config;

/// By how much of itself a pause is lengthened or shortened at most, so that what failed together doesn't come back
/// together.
const JITTER: f64 = 0.25;

/// How often and how far apart a job is tried.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pauses: Vec<Duration>,
    put_off_max: Duration,
    pub(crate) tries_max: u32,
}

impl Schedule {
    pub(crate) fn new(config: &Config) -> Schedule {
        Schedule {
            pauses: config.webhook_retry_ms.iter().map(|ms| Duration::from_millis(*ms)).collect(),
            put_off_max: Duration::from_millis(config.webhook_retry_after_ms_max),
            tries_max: config.webhook_tries_max,
        }
    }

    /// The pause after so many tries. The receiver may put it off by `retry_after`, up to a limit, and never bring it
    /// forward. `random` is in 0..1.
    pub(crate) fn pause(&self, tries: u32, retry_after: Option<Duration>, random: f64) -> Duration {
        let last = self.pauses.len().saturating_sub(1);
        let planned = self.pauses.get(last.min(tries.saturating_sub(1) as usize)).copied().unwrap_or_default();
        let planned = planned.mul_f64(1.0 - JITTER + 2.0 * JITTER * random);
        planned.max(retry_after.unwrap_or_default().min(self.put_off_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule::new(&Config {
            webhook_retry_ms: vec![1_000, 10_000],
            webhook_retry_after_ms_max: 60_000,
            ..Config::default()
        })
    }

    #[test]
    fn pauses_grow_as_named_and_the_last_is_repeated() {
        let pauses = [1, 2, 3, 100].map(|tries| schedule().pause(tries, None, 0.5).as_secs());
        assert_eq!(pauses, [1, 10, 10, 10]);
        assert_eq!(schedule().pause(1, None, 0.0), Duration::from_millis(750));
        assert_eq!(schedule().pause(1, None, 1.0), Duration::from_millis(1_250));
    }

    #[test]
    fn a_receiver_puts_off_within_the_limit_and_never_brings_forward() {
        let put_off = |s| schedule().pause(2, Some(Duration::from_secs(s)), 0.5).as_secs();
        assert_eq!([0, 5, 30, 3_600].map(put_off), [10, 10, 30, 60]);
    }
}
