//! Is this process alive, is it ready, and if not, why: a set of named conditions.
//!
//! A service makes a [`Condition`] for each thing that readiness hangs on ("broker", "projector caught up"), before it
//! begins to work on it, and says how that thing stands. Ready is when all of them are; alive is when none has failed for
//! good. Plain types: how they are shown (`/livez`, `/readyz`, `klatch health`) is the caller's business.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

/// All conditions of a process. Clones share them.
#[derive(Debug, Clone)]
pub struct Health {
    conditions: Arc<watch::Sender<BTreeMap<String, State>>>,
}

/// How one condition stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ready,
    /// Not yet, or not at the moment, for this reason; expected to pass by itself.
    NotReady(String),
    /// Will not mend by itself, for this reason: the process should be restarted.
    Failed(String),
}

/// The right to say how one condition stands. Dropping it leaves the last state standing.
#[derive(Debug, Clone)]
pub struct Condition {
    name: String,
    health: Health,
}

/// How everything stood at one moment; serializes to `{"ready":…,"live":…,"conditions":{"broker":{"state":"ready"},…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Every condition is ready. A process without conditions is ready.
    pub ready: bool,
    /// No condition has failed.
    pub live: bool,
    /// Each condition by name.
    pub conditions: BTreeMap<String, State>,
}

impl Health {
    /// A process without conditions yet.
    pub fn new() -> Health {
        Health { conditions: Arc::new(watch::Sender::new(BTreeMap::new())) }
    }

    /// Adds a condition, not ready for now with `reason`. The same name again is the same condition, begun anew.
    pub fn condition(&self, name: &str, reason: &str) -> Condition {
        let condition = Condition { name: name.to_owned(), health: self.clone() };
        condition.not_ready(reason);
        condition
    }

    /// How everything stands now.
    pub fn report(&self) -> Report {
        Report::of(&self.conditions.borrow())
    }

    /// Waits until every condition there is then is ready, or one has failed; returns the report that says so.
    pub async fn settled(&self) -> Report {
        let mut changes = self.conditions.subscribe();
        loop {
            let report = Report::of(&changes.borrow_and_update());
            if report.ready || !report.live {
                return report;
            }
            // Never ends by a closed channel: `self` holds the sender.
            let _ = changes.changed().await;
        }
    }

    fn set(&self, name: &str, state: State) {
        self.conditions.send_if_modified(|conditions| {
            let changed = conditions.get(name) != Some(&state);
            if changed {
                tell(name, &state);
                conditions.insert(name.to_owned(), state);
            }
            changed
        });
    }
}

impl Default for Health {
    fn default() -> Health {
        Health::new()
    }
}

impl Condition {
    /// It is as it should be.
    pub fn ready(&self) {
        self.health.set(&self.name, State::Ready);
    }

    /// It isn't now, and is expected to come (back) by itself.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.health.set(&self.name, State::NotReady(reason.into()));
    }

    /// It is broken for good: the process is no longer alive in the sense of `/livez`.
    pub fn failed(&self, reason: impl Into<String>) {
        self.health.set(&self.name, State::Failed(reason.into()));
    }
}

impl Report {
    fn of(conditions: &BTreeMap<String, State>) -> Report {
        Report {
            ready: conditions.values().all(|state| *state == State::Ready),
            live: !conditions.values().any(|state| matches!(state, State::Failed(_))),
            conditions: conditions.clone(),
        }
    }

    /// Each condition that is not ready, as `name: reason`.
    pub fn reasons(&self) -> Vec<String> {
        let reason = |(name, state): (&String, &State)| match state {
            State::Ready => None,
            State::NotReady(reason) | State::Failed(reason) => Some(format!("{name}: {reason}")),
        };
        self.conditions.iter().filter_map(reason).collect()
    }
}

fn tell(name: &str, state: &State) {
    match state {
        State::Ready => tracing::info!(condition = name, "ready"),
        State::NotReady(reason) => tracing::info!(condition = name, reason, "not ready"),
        State::Failed(reason) => tracing::error!(condition = name, reason, "failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_when_every_condition_is() {
        let health = Health::new();
        let broker = health.condition("broker", "not connected yet");
        let fold = health.condition("fold", "at 0 of 10");
        broker.ready();
        assert!(!health.report().ready);
        assert_eq!(health.report().reasons(), ["fold: at 0 of 10"]);
        fold.ready();
        assert!(health.report().ready);
        broker.not_ready("reconnecting");
        assert!(!health.report().ready);
        assert!(health.report().live);
    }

    #[test]
    fn a_failed_condition_ends_liveness_and_the_report_reads_well() {
        let health = Health::new();
        health.condition("disk", "opening").failed("read-only file system");
        let report = health.report();
        assert!(!report.live && !report.ready);
        assert_eq!(
            serde_json::to_string(&report).expect("a report is JSON"),
            r#"{"ready":false,"live":false,"conditions":{"disk":{"state":"failed","reason":"read-only file system"}}}"#
        );
    }

    #[tokio::test]
    async fn settled_waits_for_the_last_condition() {
        let health = Health::new();
        let broker = health.condition("broker", "not connected yet");
        let waiting = tokio::spawn({
            let health = health.clone();
            async move { health.settled().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        broker.ready();
        assert!(waiting.await.expect("no panic").ready);
    }
}
