//! Group commit: where the broker is slow, what many people say at once goes as one atomic batch (ADR-50), which the
//! broker writes to its disk as a whole.
//!
//! nats-server 2.15.1 with `sync_interval: always` syncs every single write by itself, and a batch four times, however
//! many are in it: one by one 4,000 a second, whatever is in flight, in batches of a hundred 22,000, of 250 33,000. Where
//! it needn't sync it is the other way round: 100,000 one by one, 35,000 in batches. So events go one by one, side by
//! side, until the broker is seen to be slow ([`Pace`]), and together for a while from then on.
//!
//! A batch is stored whole or not at all. Where one of its events may not be, halves of it are tried, down to one by one;
//! whose event it was goes alone for a while, so that nobody spoils the others' batches for long.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use klatch_domain::{Seq, UserId};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::append::ENTRIES_MAX;
use crate::broker::{Ack, Write, WriteError};
use crate::log::Log;
use crate::options::Grouping;
use crate::pace::{Pace, SLOW_FOR};
use crate::streams::Stream;

/// Groups on their way at once: while the broker stores one, the next is on the wire.
const GROUPS_MAX: usize = 2;
/// Bytes of the events in one group.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// A larger event goes alone.
const EVENT_BYTES_MAX: usize = 64 << 10;
/// Parts of one group that may be refused; then the rest goes one by one. Halving finds one among a thousand with six.
const REFUSALS_MAX: usize = 8;
/// People who are remembered for an event that was refused in a group.
const LONERS_MAX: usize = 1_024;

/// What waits to be written in a group, and how fast the broker is.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pace: Pace,
    /// Groups on their way.
    groups: usize,
    waiting: VecDeque<Waiting>,
    /// So many have waited.
    tickets: u64,
    /// Whose events go alone, and until when.
    loners: HashMap<UserId, Instant>,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    author: UserId,
    write: Write,
    answer: oneshot::Sender<Result<Ack, WriteError>>,
}

impl Waiting {
    /// Nobody waits for it any more: it must not be sent behind what its author said since.
    fn is_given_up(&self) -> bool {
        self.answer.is_closed()
    }

    fn answer(self, result: Result<Ack, WriteError>) {
        // Whoever waited may have given up just now.
        let _ = self.answer.send(result);
    }
}

impl Groups {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_group(&self, author: &UserId, write: &Write, grouping: Grouping) -> bool {
        let mut state = self.lock();
        let is_time = grouping == Grouping::Always || state.pace.is_slow();
        is_time && write.payload.len() <= EVENT_BYTES_MAX && !state.is_loner(author)
    }

    /// Waits to be taken along. How many wait is bounded by those who append: each waits for the answer.
    fn wait(&self, author: &UserId, write: &Write) -> (u64, oneshot::Receiver<Result<Ack, WriteError>>) {
        let (answer, answered) = oneshot::channel();
        let mut state = self.lock();
        state.tickets += 1;
        let ticket = state.tickets;
        state.waiting.push_back(Waiting { ticket, author: author.clone(), write: write.clone(), answer });
        (ticket, answered)
    }

    /// Stops waiting; whether it was not taken along yet, and so will never be sent.
    fn give_up(&self, ticket: u64) -> bool {
        let mut state = self.lock();
        let place = state.waiting.iter().position(|waiting| waiting.ticket == ticket);
        place.and_then(|place| state.waiting.remove(place)).is_some()
    }

    /// The next group, if another one may be on its way.
    fn begin(&self) -> Option<Vec<Waiting>> {
        let mut state = self.lock();
        let group = if state.groups < GROUPS_MAX { state.next_group() } else { None };
        state.groups += usize::from(group.is_some());
        group
    }
}

impl State {
    fn is_loner(&mut self, author: &UserId) -> bool {
        let Some(until) = self.loners.get(author) else { return false };
        let is_loner = Instant::now() < *until;
        if !is_loner {
            self.loners.remove(author);
        }
        is_loner
    }

    fn set_apart(&mut self, author: UserId) {
        let now = Instant::now();
        if self.loners.len() >= LONERS_MAX {
            self.loners.retain(|_, until| now < *until);
        }
        if self.loners.len() < LONERS_MAX {
            self.loners.insert(author, now + SLOW_FOR);
        }
    }

    /// The next group: the oldest that wait, unless nobody does.
    fn next_group(&mut self) -> Option<Vec<Waiting>> {
        let (mut group, mut bytes) = (Vec::new(), 0);
        while let Some(next) = self.waiting.front() {
            bytes += next.write.payload.len();
            if group.len() == ENTRIES_MAX || bytes > GROUP_BYTES_MAX {
                break;
            }
            group.extend(self.waiting.pop_front().filter(|next| !next.is_given_up()));
        }
        (!group.is_empty()).then_some(group)
    }
}

/// One event on its way by itself.
struct Alone<'g> {
    groups: &'g Groups,
    begun: Instant,
}

impl<'g> Alone<'g> {
    fn begin(groups: &'g Groups) -> Self {
        groups.lock().pace.begin();
        Alone { groups, begun: Instant::now() }
    }

    fn stored(&self, crowd_min: usize) {
        self.groups.lock().pace.answered(self.begun.elapsed(), crowd_min);
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.groups.lock().pace.end();
    }
}

/// A place for a group on its way, and for the next one behind it.
struct Flight {
    log: Log,
    is_over: bool,
}

impl Flight {
    /// The next group, which takes this one's place; where nothing waits, the place is given up.
    fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut state = self.log.groups().lock();
        let group = state.next_group();
        if group.is_none() {
            state.groups -= 1;
            self.is_over = true;
        }
        group
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.is_over {
            self.log.groups().lock().groups -= 1;
        }
    }
}

impl Log {
    /// Writes one event of a timeline, guarded by a standing at most, by itself or in one batch with others'.
    ///
    /// Dropping the future leaves open whether the event is stored; it is not sent any more, where it was not yet.
    pub(crate) async fn write_event(
        &self,
        author: &UserId,
        write: &Write,
        within: Duration,
    ) -> Result<Ack, WriteError> {
        if !self.groups().may_group(author, write, self.options().grouping) {
            return self.write_alone(write, within).await;
        }
        let (ticket, answered) = self.groups().wait(author, write);
        self.send_groups();
        match tokio::time::timeout(within, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(WriteError::Unclear("the sending of its group ended".to_owned())),
            Err(_) if self.groups().give_up(ticket) => Err(WriteError::Unavailable("others were before it".to_owned())),
            Err(_) => Err(WriteError::Unclear("its group was not answered in time".to_owned())),
        }
    }

    /// As every decision of several events, and whatever is not to wait for others.
    pub(crate) async fn write_alone(&self, write: &Write, within: Duration) -> Result<Ack, WriteError> {
        let alone = Alone::begin(self.groups());
        let result = self.broker().write(Stream::Events, std::slice::from_ref(write), within).await;
        if result.is_ok() {
            alone.stored(self.group_min());
        }
        result
    }

    /// A batch has two events at least.
    fn group_min(&self) -> usize {
        self.options().group_min.max(2)
    }

    /// Sends what waits, unless as many groups are on their way as may be: the next to come back takes it along.
    fn send_groups(&self) {
        let Some(first) = self.groups().begin() else { return };
        let mut flight = Flight { log: self.clone(), is_over: false };
        tokio::spawn(async move {
            let mut group = Some(first);
            while let Some(next) = group {
                flight.log.write_group(next).await;
                group = flight.next();
            }
        });
    }

    async fn write_group(&self, group: Vec<Waiting>) {
        let (mut parts, mut refusals) = (vec![group], 0);
        while let Some(mut part) = parts.pop() {
            part.retain(|waiting| !waiting.is_given_up());
            // What is sent without a connection waits in the client for one, unseen.
            if !self.is_connected() {
                let unsent = || Err(WriteError::Unavailable("no connection to the broker".to_owned()));
                part.into_iter().for_each(|waiting| waiting.answer(unsent()));
                continue;
            }
            if part.len() < self.group_min() || refusals == REFUSALS_MAX {
                self.write_one_by_one(part).await;
                continue;
            }
            let writes: Vec<Write> = part.iter().map(|waiting| waiting.write.clone()).collect();
            match self.broker().write(Stream::Events, &writes, self.options().append_patience).await {
                Ok(ack) => {
                    self.broker().signals().count(|numbers| numbers.grouped(part.len()));
                    // A batch's sequences are contiguous (ADR-50).
                    let first = ack.seq.0 + 1 - part.len() as u64;
                    for (seq, waiting) in (first..).zip(part) {
                        waiting.answer(Ok(Ack { seq: Seq(seq), duplicate: false }));
                    }
                }
                Err(WriteError::Guard | WriteError::KnownId) => {
                    self.broker().signals().count(|numbers| numbers.group_refused());
                    refusals += 1;
                    let second = part.split_off(part.len() / 2);
                    parts.extend([second, part]);
                }
                // Says nothing of any one of them.
                Err(error @ (WriteError::Busy | WriteError::Unavailable(_) | WriteError::Unclear(_))) => {
                    part.into_iter().for_each(|waiting| waiting.answer(Err(error.clone())));
                }
                // An operator's limit for batches, say.
                Err(WriteError::TooLarge | WriteError::Refused(_)) => self.write_one_by_one(part).await,
            }
        }
    }

    async fn write_one_by_one(&self, group: Vec<Waiting>) {
        let each = group.into_iter().map(|waiting| async move {
            let patience = self.options().append_patience;
            let result = self.broker().write(Stream::Events, std::slice::from_ref(&waiting.write), patience).await;
            let would_spoil = match &result {
                Ok(ack) => ack.duplicate,
                Err(error) => matches!(error, WriteError::Guard | WriteError::KnownId),
            };
            if would_spoil {
                self.groups().lock().set_apart(waiting.author.clone());
            }
            waiting.answer(result);
        });
        join_all(each).await;
    }
}
