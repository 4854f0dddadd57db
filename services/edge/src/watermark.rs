//! How far this edge has come: the highest sequence that it has acknowledged or delivered to anybody, in the present life
//! of the stream. What it saw in an earlier one says nothing of this: answers that had to reach up to there would not come.

use std::sync::{Mutex, PoisonError};

use klatch_domain::{Epoch, Seq};

/// Only rises, within a life of the stream.
#[derive(Debug, Default)]
pub(crate) struct Watermark(Mutex<Option<(Epoch, Seq)>>);

impl Watermark {
    /// Something at this sequence of the life `of` was acknowledged or delivered, while the life `now` is the present one.
    pub(crate) fn raise(&self, of: Epoch, seq: Seq, now: Epoch) {
        if of != now {
            return;
        }
        let mut reached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *reached = match *reached {
            Some((epoch, level)) if epoch == now => Some((now, level.max(seq))),
            _ => Some((now, seq)),
        };
    }

    /// The highest such sequence of the life `now`: what this edge's answers must reach up to.
    pub(crate) fn level(&self, now: Epoch) -> Seq {
        let reached = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reached.filter(|(epoch, _)| *epoch == now).map_or(Seq::ZERO, |(_, level)| level)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn it_rises_and_begins_anew_with_another_life_of_the_stream() {
        let [first, second] = [1, 2].map(|life| Epoch(Uuid::from_u128(life)));
        let seen = Watermark::default();
        seen.raise(first, Seq(85), first);
        seen.raise(first, Seq(80), first);
        assert_eq!(seen.level(first), Seq(85));
        assert_eq!(seen.level(second), Seq::ZERO);
        seen.raise(second, Seq(4), second);
        seen.raise(first, Seq(90), second);
        assert_eq!(seen.level(second), Seq(4));
    }
}
