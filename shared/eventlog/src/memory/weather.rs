//! What goes wrong by chance: drawn anew for each append, read and delivery.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Delivery, WriteFault};

/// How unsteady a log in memory is; each number is so many in a thousand. Chance is the thread's: whoever seeds that gets
/// the same weather again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weather {
    /// Live events that one ear does not hear, and nobody is told so.
    pub dropped: u32,
    /// Live events that one ear hears twice.
    pub repeated: u32,
    /// Live events that one ear hears after the next one.
    pub late: u32,
    /// Appends that are refused as busy.
    pub busy: u32,
    /// Appends that are not stored, and said so.
    pub failed: u32,
    /// Appends that never arrive, and are not answered.
    pub requests_lost: u32,
    /// Appends that are stored, and not answered.
    pub answers_lost: u32,
    /// Reads that fail.
    pub reads_failed: u32,
    /// Range reads that are answered by a replica that has not heard of the newest message yet.
    pub lagging: u32,
    /// The longest way to the log, and back again.
    pub way_ms_max: u64,
}

impl Weather {
    pub(super) fn delivery(&self) -> Delivery {
        pick(&[(self.dropped, Delivery::Drop), (self.repeated, Delivery::Repeat), (self.late, Delivery::Late)])
            .unwrap_or(Delivery::Once)
    }

    pub(super) fn write(&self) -> Option<WriteFault> {
        pick(&[
            (self.busy, WriteFault::Busy),
            (self.failed, WriteFault::Fail),
            (self.requests_lost, WriteFault::LoseRequest),
            (self.answers_lost, WriteFault::LoseAnswer),
        ])
    }

    pub(super) fn read_fails(&self) -> bool {
        pick(&[(self.reads_failed, ())]).is_some()
    }

    pub(super) fn lags(&self) -> bool {
        pick(&[(self.lagging, ())]).is_some()
    }

    /// How long the next way takes.
    pub(super) fn way(&self) -> Duration {
        match self.way_ms_max {
            0 => Duration::ZERO,
            most => Duration::from_millis(rand::random_range(0..=most)),
        }
    }
}

/// One of these, each as probable as its number of a thousand; mostly none.
fn pick<T: Copy>(from: &[(u32, T)]) -> Option<T> {
    if from.iter().all(|(weight, _)| *weight == 0) {
        return None;
    }
    let mut drawn = rand::random_range(0..1_000_u32);
    for (weight, one) in from {
        if drawn < *weight {
            return Some(*one);
        }
        drawn -= weight;
    }
    None
}
