//! What time it is, and ids that no two have. One clock is handed to everybody with the log, so that a simulation can hand
//! out its own.

use klatch_domain::Timestamp;
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use crate::log::Log;

/// A clock.
#[derive(Debug, Clone, Copy, Default)]
pub enum Clock {
    /// The wall's.
    #[default]
    Wall,
    /// One that was set to a moment, and goes as Tokio's time does: where that is paused, so is this.
    Set {
        /// What it showed …
        at: Timestamp,
        /// … then.
        since: Instant,
    },
}

impl Clock {
    /// A clock that shows this moment now.
    pub fn set_to(at: Timestamp) -> Clock {
        Clock::Set { at, since: Instant::now() }
    }

    /// The time.
    pub fn now(self) -> Timestamp {
        match self {
            Clock::Wall => OffsetDateTime::now_utc().into(),
            Clock::Set { at, since } => {
                let elapsed = i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX);
                Timestamp::from_ms(at.as_ms().saturating_add(elapsed))
            }
        }
    }

    /// An id that was never given before: a UUIDv7 (RFC 9562), so that younger ones mostly come later in order.
    pub fn fresh_id(self) -> Uuid {
        let ms = u64::try_from(self.now().as_ms()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(ms, &rand::random()).into_uuid()
    }
}

impl Log {
    /// The time, by the clock that the log was opened with.
    pub fn now(&self) -> Timestamp {
        self.options().clock.now()
    }

    /// An id that was never given before; see [`Clock::fresh_id`].
    pub fn fresh_id(&self) -> Uuid {
        self.options().clock.fresh_id()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_clock_that_was_set_goes_on_from_there() {
        let at = Timestamp::from_ms(1_763_337_600_000);
        let clock = Clock::set_to(at);
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(clock.now() > at);
        let ids = [clock.fresh_id(), clock.fresh_id()];
        assert_ne!(ids[0], ids[1]);
        assert_eq!(ids[0].get_version_num(), 7);
    }
}
