//! One decision, appended: an event, or an atomic batch of events (ADR-50), each under its guard.
//!
//! Appends of one person in one room go one at a time, in the order of the calls; the next one waits for the answer, or
//! until nobody waits for that any more. A try that can't have stored anything
//! is made again, with jitter, until the deadline; so is one whose answer was lost, under the same ids and guards. When
//! such a retry meets a moved guard, it may have been our own first try that moved it, or that was stored before
//! somebody else moved it: so the log asks for the id before it says that the standing changed.

use std::time::Duration;

use bytes::Bytes;
use klatch_domain::{Address, Draft, Guard, MessageId, RoomId, Seq, UserId};
use klatch_service::traces::Traceparent;
use tokio::time::Instant;
use uuid::Uuid;

use crate::broker::{Write, WriteError};
use crate::error::AppendError;
use crate::log::Log;
use crate::sabotage::Sabotage;
use crate::streams::Stream;
use crate::subject;

/// Events in one atomic batch: the server's own limit (ADR-50).
pub const ENTRIES_MAX: usize = 1_000;

/// An event to append.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it goes.
    pub address: Address,
    /// The stored event, encoded.
    pub payload: Bytes,
    /// The condition under which it is stored.
    pub guard: Option<Guard>,
    /// What makes it idempotent: within two minutes of stream time no second event is stored under it.
    pub id: Option<MessageId>,
}

impl From<Draft> for Entry {
    fn from(draft: Draft) -> Self {
        Entry { address: draft.event.address(), payload: draft.event.encode().into(), guard: draft.guard, id: None }
    }
}

/// One decision: one entry, or several, all or nothing.
#[derive(Debug, Clone)]
pub struct Append {
    /// Whose decision; with the room of the first entry it names the queue.
    pub author: UserId,
    /// What to store, in this order. Where none has an id, the first gets one of its own, so that the append can be tried
    /// again when its answer is lost.
    pub entries: Vec<Entry>,
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Stored now.
    Appended {
        /// The sequence of its last entry.
        seq: Seq,
    },
    /// Stored before, under the same id: by an earlier append, or by a try of this one whose answer was lost.
    Duplicate {
        /// The sequence that its last entry got then.
        seq: Seq,
    },
    /// A guard refused it, and it is not stored: read again what the decision stood on, and decide again.
    StandingChanged,
}

/// Whose appends go one at a time.
pub(crate) type LaneKey = (RoomId, UserId);

/// An append as it is written, and where to look for it.
struct Decision {
    key: LaneKey,
    writes: Vec<Write>,
    /// What is said in a room, guarded by a standing at most: nothing like it is in the way of it in one batch.
    may_be_grouped: bool,
}

impl Decision {
    fn of(append: Append) -> Result<Self, AppendError> {
        let Append { author, entries } = append;
        let Some(first) = entries.first() else {
            return Err(AppendError::Refused("a decision has an event at least".to_owned()));
        };
        if entries.len() > ENTRIES_MAX {
            return Err(AppendError::Refused(format!("a decision has {ENTRIES_MAX} events at most")));
        }
        let key = (first.address.room().clone(), author);
        let guarded = first.guard.as_ref().map(|guard| &guard.address);
        let may_be_grouped = entries.len() == 1
            && matches!(first.address, Address::Timeline(_))
            && matches!(guarded, None | Some(Address::Member(..)));
        let mut writes: Vec<Write> = entries.into_iter().map(Write::from).collect();
        // The server would answer 10164, "busy", for ever.
        let guards_written = writes.iter().enumerate().any(|(index, write)| {
            let guarded = write.guard.as_ref().map(|(guarded, _)| guarded);
            guarded.is_some_and(|guarded| writes[..index].iter().any(|earlier| earlier.subject == *guarded))
        });
        if guards_written {
            return Err(AppendError::Refused("a guard names a subject that an earlier event writes".to_owned()));
        }
        if writes.iter().all(|write| write.id.is_none()) {
            writes[0].id = MessageId::parse(Uuid::new_v4().simple().to_string()).ok();
        }
        Ok(Decision { key, writes, may_be_grouped })
    }

    /// The last entry's sequence, where the one at `index` has this: a batch's are contiguous (ADR-50).
    fn last(&self, index: usize, seq: Seq) -> Seq {
        Seq(seq.0 + (self.writes.len() - 1 - index) as u64)
    }
}

impl From<Entry> for Write {
    fn from(entry: Entry) -> Self {
        let guard = entry.guard.filter(|_| !Sabotage::UnguardedAppend.is_on());
        Write {
            subject: subject::event(&entry.address),
            payload: entry.payload,
            guard: guard.map(|guard| (subject::event(&guard.address), guard.expected)),
            id: entry.id,
            ..Write::default()
        }
    }
}

impl Log {
    /// Appends one decision. One append is in flight per person and room; further ones wait, in the order in which these
    /// futures are first polled.
    ///
    /// Takes at most [`Options::append_deadline`](crate::Options::append_deadline). Dropping the future leaves open
    /// whether the events are stored; a retry with the same ids settles it.
    pub async fn append(&self, append: Append) -> Result<Outcome, AppendError> {
        self.append_under(None, append).await
    }

    /// As [`Log::append`]; what is stored says where its writer stood in a trace. Nothing else hangs on that.
    pub async fn append_under(&self, trace: Option<Traceparent>, append: Append) -> Result<Outcome, AppendError> {
        let mut decision = Decision::of(append)?;
        decision.writes.iter_mut().for_each(|write| write.trace = trace);
        let begun = Instant::now();
        let outcome = self.append_until(&decision, begun + self.options().append_deadline).await;
        self.broker().signals().count(|numbers| numbers.appended(&outcome, begun.elapsed()));
        outcome
    }

    async fn append_until(&self, decision: &Decision, deadline: Instant) -> Result<Outcome, AppendError> {
        let entering = tokio::time::timeout_at(deadline, self.lanes().enter(decision.key.clone()));
        let _turn = match entering.await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_full)) => return Err(AppendError::Unavailable("too many appends wait before this one".to_owned())),
            Err(_late) => return Err(AppendError::Unavailable("the appends before this one took too long".to_owned())),
        };
        self.append_in_turn(decision, deadline).await
    }

    async fn append_in_turn(&self, decision: &Decision, deadline: Instant) -> Result<Outcome, AppendError> {
        let mut tries = Tries::until(deadline);
        loop {
            let within = tries.next(self).await?;
            let written = match decision.writes.as_slice() {
                // What is tried again may be known: it would spoil a batch.
                [event] if decision.may_be_grouped && tries.is_first() => {
                    self.write_event(&decision.key.1, event, within).await
                }
                [event] => self.write_alone(event, within).await,
                batch => self.broker().write(Stream::Events, batch, within).await,
            };
            match written {
                Ok(ack) if ack.duplicate => return Ok(Outcome::Duplicate { seq: ack.seq }),
                Ok(ack) => return Ok(Outcome::Appended { seq: ack.seq }),
                Err(WriteError::Guard) => match self.find(decision, &mut tries).await? {
                    Some(seq) => return Ok(Outcome::Duplicate { seq }),
                    None => return Ok(Outcome::StandingChanged),
                },
                Err(WriteError::KnownId) => match self.find(decision, &mut tries).await? {
                    Some(seq) => return Ok(Outcome::Duplicate { seq }),
                    // The window closed between the two questions.
                    None => tries.failed(self, WriteError::Busy)?,
                },
                Err(error) => tries.failed(self, error)?,
            }
        }
    }

    /// Where an entry with this id is stored, as far back as the log remembers ids: what settles an earlier try whose
    /// answer was lost.
    pub async fn stored_under(&self, id: &MessageId, address: &Address) -> Result<Option<Seq>, AppendError> {
        let mut tries = Tries::until(Instant::now() + self.options().append_deadline);
        self.find_id(id, &subject::event(address), &mut tries).await
    }

    /// The sequence of the decision's last entry, where it is stored: any entry's id tells.
    async fn find(&self, decision: &Decision, tries: &mut Tries) -> Result<Option<Seq>, AppendError> {
        for (index, write) in decision.writes.iter().enumerate() {
            let Some(id) = &write.id else { continue };
            if let Some(seq) = self.find_id(id, &write.subject, tries).await? {
                return Ok(Some(decision.last(index, seq)));
            }
        }
        Ok(None)
    }

    async fn find_id(&self, id: &MessageId, subject: &str, tries: &mut Tries) -> Result<Option<Seq>, AppendError> {
        loop {
            let within = tries.next(self).await?;
            match self.broker().find_id(id, subject, within).await {
                Ok(found) => return Ok(found),
                Err(error) => tries.failed(self, error)?,
            }
        }
    }

    /// Writes what may be written twice (presence, marks), until the deadline.
    pub(crate) async fn write_until(
        &self,
        stream: Stream,
        write: Write,
        deadline: Instant,
    ) -> Result<Written, AppendError> {
        let mut tries = Tries::until(deadline);
        loop {
            let within = tries.next(self).await?;
            match self.broker().write(stream, std::slice::from_ref(&write), within).await {
                Ok(ack) => return Ok(Written::At(ack.seq)),
                Err(WriteError::Guard) => return Ok(Written::Guarded),
                Err(error) => tries.failed(self, error)?,
            }
        }
    }
}

/// What became of a write that may be written twice.
pub(crate) enum Written {
    At(Seq),
    /// The guard refused it: by somebody else's doing, or by our own where an answer was lost.
    Guarded,
}

/// Tries of one operation, spaced with jitter, until its deadline.
pub(crate) struct Tries {
    deadline: Instant,
    patience: Option<Duration>,
    pause: Duration,
    /// A try may have been stored.
    unclear: bool,
    last: String,
}

/// The longest pause between two tries; the shortest is a thousandth of a second, doubled each time.
const PAUSE_MAX: Duration = Duration::from_millis(100);

impl Tries {
    pub(crate) fn until(deadline: Instant) -> Self {
        Tries { deadline, patience: None, pause: Duration::ZERO, unclear: false, last: String::new() }
    }

    /// Whether none has failed.
    fn is_first(&self) -> bool {
        self.pause.is_zero()
    }

    /// Waits until the next try may begin, and says how long it may take.
    async fn next(&mut self, log: &Log) -> Result<Duration, AppendError> {
        if self.pause > Duration::ZERO {
            let pause = self.pause.mul_f64(rand::random_range(0.5..1.0));
            tokio::time::sleep_until(self.deadline.min(Instant::now() + pause)).await;
        }
        let patience = *self.patience.get_or_insert(log.options().append_patience);
        // What is sent without a connection waits in the client for one, unseen: better wait for it here.
        let mut connected = log.broker().signals().connected.subscribe();
        let waiting = tokio::time::timeout_at(self.deadline, connected.wait_for(|connected| *connected));
        if waiting.await.is_err() {
            self.last = "no connection to the broker".to_owned();
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.over()) } else { Ok(left.min(patience)) }
    }

    /// Notes why a try failed; gives up where no further one can help.
    fn failed(&mut self, log: &Log, error: WriteError) -> Result<(), AppendError> {
        log.broker().signals().count(|numbers| numbers.tried_again(&error));
        self.pause = (self.pause * 2).clamp(Duration::from_millis(1), PAUSE_MAX);
        match error {
            WriteError::Busy | WriteError::Guard | WriteError::KnownId => self.last = "busy".to_owned(),
            WriteError::Unavailable(why) => self.last = why,
            WriteError::Unclear(why) => {
                self.unclear = true;
                self.last = why;
            }
            // A refusal says nothing of an earlier try.
            WriteError::TooLarge if !self.unclear => return Err(AppendError::TooLarge),
            WriteError::Refused(why) if !self.unclear => return Err(AppendError::Refused(why)),
            WriteError::TooLarge => self.last = "too large".to_owned(),
            WriteError::Refused(why) => self.last = why,
        }
        Ok(())
    }

    fn over(&mut self) -> AppendError {
        let why = std::mem::take(&mut self.last);
        if self.unclear { AppendError::Unclear(why) } else { AppendError::Unavailable(why) }
    }
}
