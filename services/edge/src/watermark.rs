//! How far this edge has come: the highest sequence that it has acknowledged or delivered to anybody.

use std::sync::atomic::{AtomicU64, Ordering};

use klatch_domain::Seq;

/// Only rises.
#[derive(Debug, Default)]
pub(crate) struct Watermark(AtomicU64);

impl Watermark {
    /// Something at this sequence was acknowledged or delivered.
    pub(crate) fn raise(&self, seq: Seq) {
        self.0.fetch_max(seq.0, Ordering::Relaxed);
    }

    /// The highest such sequence: what this edge's answers must reach up to.
    pub(crate) fn level(&self) -> Seq {
        Seq(self.0.load(Ordering::Relaxed))
    }
}
