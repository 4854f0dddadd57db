//! What the server refuses because our NATS user may not do it.
//!
//! A denied publish has no answer: its request would look like one that nobody answered. The server says what it denied on
//! the connection itself, beside everything else; here that is remembered, so that who waited can be told the reason.

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Denials that are remembered; the oldest goes first.
const KEPT_MAX: usize = 64;
/// The same denial is told in the log again after so long: what is denied is usually tried for ever.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// What was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Publish,
    Subscribe,
}

/// One thing that our user may not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denial {
    deed: Deed,
    subject: String,
}

impl Denial {
    /// Reads what the server says (client.go `pubPermissionViolation`, `subPermissionViolation`); none where it speaks of
    /// something else.
    pub(super) fn parse(said: &str) -> Option<Denial> {
        let about = said.strip_prefix("Permissions Violation for ")?;
        let deed = match about.split(' ').next()? {
            "Publish" => Deed::Publish,
            "Subscription" => Deed::Subscribe,
            _ => return None,
        };
        let subject = about.split('"').nth(1)?.to_owned();
        Some(Denial { deed, subject })
    }

    /// Which right is wanting, without what to do about it.
    pub(super) fn wanting(&self) -> String {
        let deed = match self.deed {
            Deed::Publish => "publish to",
            Deed::Subscribe => "subscribe to",
        };
        format!("our NATS user may not {deed} {}", self.subject)
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: connect as the service's own user, or see nats/users.conf", self.wanting())
    }
}

/// The denials of one connection.
#[derive(Debug, Default)]
pub(super) struct Denials {
    recent: Mutex<VecDeque<Seen>>,
    noted: Notify,
}

#[derive(Debug)]
struct Seen {
    denial: Denial,
    last: Instant,
    told: Instant,
}

impl Denials {
    /// Remembers one, and tells it in the log unless it was told a moment ago.
    pub(super) fn note(&self, denial: Denial) {
        let now = Instant::now();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = recent.iter_mut().find(|seen| seen.denial == denial) {
            seen.last = now;
            self.noted.notify_waiters();
            if now.duration_since(seen.told) < TOLD_AGAIN_AFTER {
                return;
            }
            seen.told = now;
        } else {
            if recent.len() == KEPT_MAX {
                recent.pop_front();
            }
            recent.push_back(Seen { denial: denial.clone(), last: now, told: now });
        }
        self.noted.notify_waiters();
        drop(recent);
        tracing::error!(subject = denial.subject, deed = ?denial.deed, "NATS refuses: {denial}");
    }

    /// Whether a publish to this subject was denied since then.
    pub(super) fn of_publish(&self, subject: &str, since: Instant) -> Option<Denial> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it =
            |seen: &&Seen| seen.denial.deed == Deed::Publish && seen.denial.subject == subject && seen.last >= since;
        recent.iter().find(is_it).map(|seen| seen.denial.clone())
    }

    /// Waits until a publish to this subject is denied, or any subscription was: for a connection that subscribes to its
    /// inbox alone, and gets no answer to anything without it.
    pub(super) async fn wait(&self, subject: &str, since: Instant) -> Denial {
        loop {
            let mut noted = pin!(self.noted.notified());
            // Before the look, so that nothing is noted in between unnoticed.
            noted.as_mut().enable();
            if let Some(denial) = self.of_publish(subject, since).or_else(|| self.of_subscription()) {
                return denial;
            }
            noted.await;
        }
    }

    fn of_subscription(&self) -> Option<Denial> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().find(|seen| seen.denial.deed == Deed::Subscribe).map(|seen| seen.denial.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_read() {
        let read = |said: &str| Denial::parse(said).map(|denial| (denial.deed, denial.subject));
        let said = r#"Permissions Violation for Publish to "chat.live.43.room.general.timeline""#;
        assert_eq!(read(said), Some((Deed::Publish, "chat.live.43.room.general.timeline".to_owned())));
        let said = r#"Permissions Violation for Subscription to "chat.query.*" using queue "q""#;
        assert_eq!(read(said), Some((Deed::Subscribe, "chat.query.*".to_owned())));
        assert_eq!(read("Maximum Payload Violation"), None);
        assert_eq!(read("Permissions Violation for Publish"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_denial_is_found_by_whoever_asked_before_it_and_not_by_who_asks_later() {
        let denials = Denials::default();
        let before = Instant::now();
        tokio::time::advance(Duration::from_millis(1)).await;
        denials.note(Denial { deed: Deed::Publish, subject: "a.b".to_owned() });
        assert!(denials.of_publish("a.b", before).is_some());
        assert!(denials.of_publish("a.c", before).is_none());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(denials.of_publish("a.b", Instant::now()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told_of_what_concerns_it_alone() {
        let denials = Denials::default();
        let begun = Instant::now();
        let mut waiting = pin!(denials.wait("a.b", begun));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        denials.note(Denial { deed: Deed::Publish, subject: "a.c".to_owned() });
        assert!(futures_util::poll!(&mut waiting).is_pending(), "another's denial");
        denials.note(Denial { deed: Deed::Publish, subject: "a.b".to_owned() });
        assert_eq!(waiting.await.wanting(), "our NATS user may not publish to a.b");
        denials.note(Denial { deed: Deed::Subscribe, subject: "_INBOX.>".to_owned() });
        assert_eq!(denials.wait("a.d", begun).await.wanting(), "our NATS user may not subscribe to _INBOX.>");
    }

    #[test]
    fn no_more_are_kept_than_the_limit() {
        let denials = Denials::default();
        for number in 0..2 * KEPT_MAX {
            denials.note(Denial { deed: Deed::Publish, subject: format!("a.{number}") });
        }
        assert_eq!(denials.recent.lock().unwrap().len(), KEPT_MAX);
    }
}
