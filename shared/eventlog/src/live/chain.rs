//! Whether what was heard follows what was given out.

use klatch_domain::Seq;

/// How a timeline event that was heard stands to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is the next one.
    Next,
    /// It was given out already: a repeat, or it came after a gap was filled.
    Old,
    /// Something lies between: one that was not heard, or, where its predecessor is older than ours, ours was erased, or the
    /// stream is another one. The stream itself tells which.
    Gap,
}

/// The timeline's sequences up to which everything was given out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain {
    position: Seq,
}

impl Chain {
    pub(super) fn from(position: Seq) -> Self {
        Chain { position }
    }

    pub(super) fn position(self) -> Seq {
        self.position
    }

    pub(super) fn judge(self, seq: Seq, prev: Seq) -> Heard {
        if seq <= self.position {
            Heard::Old
        } else if prev == self.position {
            Heard::Next
        } else {
            Heard::Gap
        }
    }

    /// Everything up to here is given out. Never goes back.
    pub(super) fn advance(&mut self, to: Seq) {
        self.position = self.position.max(to);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_predecessor_decides() {
        let chain = Chain::from(Seq(10));
        assert_eq!(chain.judge(Seq(12), Seq(10)), Heard::Next);
        assert_eq!(chain.judge(Seq(10), Seq(7)), Heard::Old);
        assert_eq!(chain.judge(Seq(9), Seq(7)), Heard::Old);
        assert_eq!(chain.judge(Seq(15), Seq(12)), Heard::Gap);
        assert_eq!(chain.judge(Seq(15), Seq(7)), Heard::Gap, "ours was erased, or the stream is another one");
    }

    proptest! {
        /// However deliveries are dropped, repeated and reordered: filling each gap up to what was heard gives every
        /// event once and in order, up to the last one heard.
        #[test]
        fn any_deliveries_give_each_event_once_and_in_order(
            steps in proptest::collection::vec(1_u64..4, 1..20),
            heard in proptest::collection::vec(0_usize..20, 0..40),
        ) {
            let mut timeline = Vec::new();
            for step in steps {
                timeline.push(Seq(timeline.last().map_or(0, |seq: &Seq| seq.0) + step));
            }
            let mut chain = Chain::from(Seq::ZERO);
            let mut given = Vec::new();
            let mut furthest = 0;
            for index in heard.into_iter().map(|index| index % timeline.len()) {
                let seq = timeline[index];
                let prev = index.checked_sub(1).map_or(Seq::ZERO, |before| timeline[before]);
                furthest = furthest.max(index + 1);
                match chain.judge(seq, prev) {
                    Heard::Next => given.push(seq),
                    Heard::Old => {}
                    Heard::Gap => given.extend(timeline.iter().filter(|at| **at > chain.position() && **at <= seq)),
                }
                chain.advance(seq);
            }
            prop_assert_eq!(given, &timeline[..furthest]);
        }
    }
}
