//! Group commit: where the broker takes long over each write, what many people say at once goes as one atomic batch
//! (ADR-50), which the broker writes to its disk at once.
//!
//! nats-server 2.15.1 with `sync_interval: always` syncs every single write by itself, and a batch four times, however
//! many are in it: one by one 4,000 a second, whatever is in flight, in batches of a hundred 22,000, of 250 33,000. Where
//! it needn't sync it is the other way round: 100,000 one by one, 35,000 in batches. So events go one by one, side by
//! side, until the broker is seen to be slow, and together for a while from then on.
//!
//! A batch is stored whole or not at all: where one of its events may not be, halves of it are tried, down to one by one.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use klatch_domain::Seq;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::append::ENTRIES_MAX;
use crate::broker::{Ack, Write, WriteError};
use crate::log::Log;
use crate::options::Grouping;
use crate::streams::Stream;

/// Groups on their way at once: while the broker stores one, the next is on the wire.
const GROUPS_MAX: usize = 2;
/// Bytes of the events in one group.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// The broker is slow where it takes this long over one event. A disk's sync takes longer; without that the slowest of
/// machines is faster, and batches cost the broker more than single events.
const SLOW_FROM: Duration = Duration::from_micros(150);
/// Its pace is taken over this time, so that the beginning of a rush does not count for much.
const PACE_OVER: Duration = Duration::from_millis(100);
/// Once it was seen to be slow, it is taken to be so for this long; then it is looked at anew.
const SLOW_FOR: Duration = Duration::from_secs(10);

/// What waits to be written in a group, and how fast the broker is.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Events on their way one by one.
    alone: usize,
    /// Groups on their way.
    grouped: usize,
    waiting: VecDeque<Waiting>,
    /// Since when a crowd has been waiting for the broker, and how many answers came since.
    crowded: Option<(Instant, u32)>,
    slow_until: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    write: Write,
    answer: Answer,
}

type Answer = oneshot::Sender<Result<Ack, WriteError>>;

/// How one event is to be written.
enum Way<'g> {
    Alone(Alone<'g>),
    Grouped(oneshot::Receiver<Result<Ack, WriteError>>),
}

impl Groups {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait is bounded by those who append: each waits for the answer.
    fn way(&self, write: &Write, grouping: Grouping) -> Way<'_> {
        let mut state = self.lock();
        let is_slow = || state.slow_until.is_some_and(|until| Instant::now() < until);
        if grouping == Grouping::Always || is_slow() {
            let (answer, answered) = oneshot::channel();
            state.waiting.push_back(Waiting { write: write.clone(), answer });
            return Way::Grouped(answered);
        }
        state.alone += 1;
        Way::Alone(Alone(self))
    }

    /// One of those on their way alone was answered: how fast they are, one after the other, is the broker's pace, as long
    /// as a crowd waits for it.
    fn answered(&self, crowd_min: usize) {
        let mut state = self.lock();
        if state.alone < crowd_min {
            state.crowded = None;
            return;
        }
        let now = Instant::now();
        let (since, answers) = state.crowded.map_or((now, 0), |(since, answers)| (since, answers + 1));
        state.crowded = Some((since, answers));
        if now - since >= PACE_OVER {
            state.crowded = None;
            if now - since >= SLOW_FROM * answers {
                state.slow_until = Some(now + SLOW_FOR);
            }
        }
    }
}

/// One event on its way by itself.
struct Alone<'g>(&'g Groups);

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.0.lock().alone -= 1;
    }
}

/// A place for a group on its way, and for the next one behind it.
struct Flight {
    log: Log,
    is_over: bool,
}

impl Flight {
    /// The next group, which takes this one's place; where nothing waits, the place is given up.
    fn next(&mut self) -> Option<Group> {
        let mut state = self.log.groups().lock();
        let group = state.next_group();
        if group.is_none() {
            state.grouped -= 1;
            self.is_over = true;
        }
        group
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.is_over {
            self.log.groups().lock().grouped -= 1;
        }
    }
}

impl State {
    /// The next group: the oldest that wait, unless nobody does.
    fn next_group(&mut self) -> Option<Group> {
        let mut group = Group::default();
        let mut bytes = 0;
        while let Some(Waiting { write, .. }) = self.waiting.front() {
            bytes += write.payload.len();
            if group.writes.len() == ENTRIES_MAX || (bytes > GROUP_BYTES_MAX && !group.writes.is_empty()) {
                break;
            }
            let Some(Waiting { write, answer }) = self.waiting.pop_front() else { break };
            if !answer.is_closed() {
                group.writes.push(write);
                group.answers.push(answer);
            }
        }
        (group.len() > 0).then_some(group)
    }
}

/// Events that go together, and who waits for each.
#[derive(Debug, Default)]
struct Group {
    writes: Vec<Write>,
    answers: Vec<Answer>,
}

impl Group {
    fn len(&self) -> usize {
        self.writes.len()
    }

    /// Answers each by its place in the group. Whoever waited may have given up.
    fn answer(self, result: impl Fn(usize) -> Result<Ack, WriteError>) {
        for (place, answer) in self.answers.into_iter().enumerate() {
            let _ = answer.send(result(place));
        }
    }

    fn halves(mut self) -> [Group; 2] {
        let half = self.len() / 2;
        let second = Group { writes: self.writes.split_off(half), answers: self.answers.split_off(half) };
        [self, second]
    }
}

impl Log {
    /// Writes one event, by itself or in one batch with others'.
    ///
    /// Dropping the future leaves open whether the event is stored, as always.
    pub(crate) async fn write_event(&self, write: &Write, within: Duration) -> Result<Ack, WriteError> {
        match self.groups().way(write, self.options().grouping) {
            Way::Alone(_alone) => {
                let result = self.broker().write(Stream::Events, std::slice::from_ref(write), within).await;
                self.groups().answered(self.options().group_min);
                result
            }
            Way::Grouped(answered) => {
                self.send_groups();
                match tokio::time::timeout(within, answered).await {
                    Ok(Ok(result)) => result,
                    Ok(Err(_)) | Err(_) => Err(WriteError::Unclear("its group was not answered in time".to_owned())),
                }
            }
        }
    }

    /// Sends what waits, unless as many groups are on their way as may be: the next to come back takes it along.
    fn send_groups(&self) {
        let first = {
            let mut state = self.groups().lock();
            let first = if state.grouped < GROUPS_MAX { state.next_group() } else { None };
            state.grouped += usize::from(first.is_some());
            first
        };
        let Some(first) = first else { return };
        let mut flight = Flight { log: self.clone(), is_over: false };
        tokio::spawn(async move {
            let mut group = Some(first);
            while let Some(next) = group {
                flight.log.write_group(next).await;
                group = flight.next();
            }
        });
    }

    async fn write_group(&self, group: Group) {
        let mut parts = vec![group];
        while let Some(part) = parts.pop() {
            if part.len() < self.options().group_min {
                self.write_one_by_one(part).await;
                continue;
            }
            match self.broker().write(Stream::Events, &part.writes, self.options().append_patience).await {
                Ok(ack) => {
                    self.broker().signals().count(|numbers| numbers.grouped(part.len()));
                    // A batch's sequences are contiguous (ADR-50).
                    let before = ack.seq.0 - part.len() as u64;
                    part.answer(|place| Ok(Ack { seq: Seq(before + 1 + place as u64), duplicate: false }));
                }
                Err(error @ (WriteError::Unclear(_) | WriteError::Unavailable(_))) => {
                    part.answer(|_| Err(error.clone()));
                }
                Err(_) => parts.extend(part.halves().into_iter().rev()),
            }
        }
    }

    async fn write_one_by_one(&self, group: Group) {
        let (broker, patience) = (self.broker(), self.options().append_patience);
        let each = group.writes.into_iter().zip(group.answers).map(|(write, answer)| async move {
            let _ = answer.send(broker.write(Stream::Events, std::slice::from_ref(&write), patience).await);
        });
        join_all(each).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CROWD_MIN: usize = 16;

    fn is_alone(groups: &Groups) -> bool {
        let way = groups.way(&Write::default(), Grouping::WhenSlow);
        let is_alone = matches!(way, Way::Alone(_));
        groups.lock().waiting.clear();
        is_alone
    }

    /// So many wait for a broker that answers one of them so often, for a second.
    async fn wait(groups: &Groups, crowd: usize, each: Duration) {
        let _waiting: Vec<Way<'_>> = (0..crowd).map(|_| groups.way(&Write::default(), Grouping::WhenSlow)).collect();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(1) {
            tokio::time::advance(each).await;
            groups.answered(CROWD_MIN);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_before_a_slow_broker_goes_together_for_a_while() {
        let groups = Groups::default();
        wait(&groups, CROWD_MIN, SLOW_FROM).await;
        assert!(!is_alone(&groups));
        tokio::time::advance(SLOW_FOR).await;
        assert!(is_alone(&groups), "it is never looked at anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fast_broker_and_one_before_whom_few_wait_get_events_one_by_one() {
        let groups = Groups::default();
        wait(&groups, CROWD_MIN, SLOW_FROM / 2).await;
        assert!(is_alone(&groups));
        wait(&groups, CROWD_MIN - 1, SLOW_FROM * 4).await;
        assert!(is_alone(&groups));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rush_that_begins_slowly_is_no_slow_broker() {
        let groups = Groups::default();
        let _rush: Vec<Way<'_>> = (0..1_024).map(|_| groups.way(&Write::default(), Grouping::WhenSlow)).collect();
        for pause_us in [40_000].into_iter().chain(std::iter::repeat_n(30, 20_000)) {
            tokio::time::advance(Duration::from_micros(pause_us)).await;
            groups.answered(CROWD_MIN);
            assert!(groups.lock().slow_until.is_none());
        }
    }
}
