//! What is stored: one, the last, a range, the last of many.

use std::collections::HashMap;
use std::time::Duration;

use klatch_domain::{Address, RoomId, Seq, Timestamp, UserId};
use tokio::time::Instant;

use crate::broker::Record;
use crate::error::{EraseError, ReadError};
use crate::log::Log;
use crate::stored::Stored;
use crate::streams::Stream;
use crate::subject;

/// Messages and bytes asked for in one direct get.
const PAGE_MESSAGES_MAX: usize = 512;
const PAGE_BYTES_MAX: usize = 1 << 20;
/// Subjects in one bulk read: to a request for more the server answers 413 (ADR-31; stream.go `maxAllowedResponses`).
const SUBJECTS_MAX: usize = 1_024;
/// Between tries of a read.
const RETRY_EVERY: Duration = Duration::from_millis(50);

/// A part of a room's timeline.
#[derive(Debug, Clone)]
pub struct Range {
    /// Oldest first, without a gap from the range's beginning.
    pub events: Vec<Stored>,
    /// Whether these are all; not so where the range holds more than was asked for.
    pub complete: bool,
}

impl Log {
    /// The last event at an address; asks the leader.
    pub async fn last(&self, address: &Address) -> Result<Option<Stored>, ReadError> {
        let subject = subject::event(address);
        let record = self.reading(|| self.broker().last(Stream::Events, &subject)).await?;
        Ok(record.and_then(Stored::of))
    }

    /// The event at a sequence; asks the leader. None where it was erased, or never was.
    pub async fn get(&self, seq: Seq) -> Result<Option<Stored>, ReadError> {
        let record = self.reading(|| self.broker().at(Stream::Events, seq)).await?;
        Ok(record.and_then(Stored::of))
    }

    /// The first event after a sequence that was not erased; asks the leader. None where there is none yet.
    pub async fn first_after(&self, seq: Seq) -> Result<Option<Stored>, ReadError> {
        let record = self.reading(|| self.broker().next(Stream::Events, subject::EVENTS, seq.next())).await?;
        Ok(record.and_then(Stored::of))
    }

    /// The broker's clock, where it says it: to find out whether ours is right.
    pub async fn broker_time(&self) -> Result<Option<Timestamp>, ReadError> {
        Ok(self.reading(|| self.broker().status(Stream::Events)).await?.at)
    }

    /// The stream's last sequence, of one question that waits behind no other and is not asked again: to find out whether
    /// there is a leader.
    pub async fn ask_leader(&self) -> Result<Seq, ReadError> {
        Ok(self.broker().status(Stream::Events).await?.last_seq)
    }

    /// The stream's last sequence; an erased message counts.
    pub async fn last_seq(&self) -> Result<Seq, ReadError> {
        Ok(self.reading(|| self.broker().status(Stream::Events)).await?.last_seq)
    }

    /// The room's timeline in (after, up_to], oldest first, complete as of the call; `Seq(u64::MAX)` is "up to now".
    ///
    /// Where the range holds more than `events_max` events or `bytes_max` bytes of payload, it ends early and says that it
    /// is not complete; the event that passes `bytes_max` is still in it.
    ///
    /// Read in batched direct gets (ADR-31), never by a consumer. Those may come from a replica that lags, so at the end
    /// the leader is asked whether it knows of more.
    pub async fn timeline(
        &self,
        room: &RoomId,
        after: Seq,
        up_to: Seq,
        events_max: usize,
        bytes_max: usize,
    ) -> Result<Range, ReadError> {
        let subject = subject::event(&Address::Timeline(room.clone()));
        let deadline = Instant::now() + self.options().read_deadline;
        let mut range = Range { events: Vec::new(), complete: false };
        let mut position = after;
        let mut bytes_left = bytes_max;
        while position < up_to {
            let wanted = (events_max - range.events.len()).min(PAGE_MESSAGES_MAX);
            if wanted == 0 || bytes_left == 0 {
                range.complete = !self.is_there_more(&subject, position, up_to).await?;
                return Ok(range);
            }
            let from = position.next();
            let page = self
                .reading_until(deadline, || {
                    self.broker().page(Stream::Events, &subject, from, wanted, bytes_left.min(PAGE_BYTES_MAX))
                })
                .await?;
            let read_before = position;
            for record in page.records {
                if record.seq > up_to {
                    range.complete = true;
                    return Ok(range);
                }
                position = record.seq;
                bytes_left = bytes_left.saturating_sub(record.payload.len());
                range.events.extend(Stored::of(record));
            }
            let progress = position > read_before;
            if page.more && progress {
                continue;
            }
            if position >= up_to || !self.is_there_more(&subject, position, up_to).await? {
                break;
            }
            if !progress {
                // The leader knows of one that the replica doesn't: it will in a moment.
                self.pause_until(deadline).await?;
            }
        }
        range.complete = true;
        Ok(range)
    }

    /// Whether a subject has a message in (after, up_to], by the leader's word.
    async fn is_there_more(&self, subject: &str, after: Seq, up_to: Seq) -> Result<bool, ReadError> {
        if after == Seq(u64::MAX) {
            return Ok(false);
        }
        let next = self.reading(|| self.broker().next(Stream::Events, subject, after.next())).await?;
        Ok(next.is_some_and(|record| record.seq <= up_to))
    }

    /// The last timeline sequence of each room, in the order of `rooms`; none where nothing is stored. In bulk, and
    /// possibly by a replica that lags.
    pub async fn last_timelines(&self, rooms: &[RoomId]) -> Result<Vec<Option<Seq>>, ReadError> {
        let subjects: Vec<String> = rooms.iter().map(|room| subject::event(&Address::Timeline(room.clone()))).collect();
        self.last_seqs(&subjects).await
    }

    pub(crate) async fn last_seqs(&self, subjects: &[String]) -> Result<Vec<Option<Seq>>, ReadError> {
        let mut seqs = Vec::with_capacity(subjects.len());
        for chunk in subjects.chunks(SUBJECTS_MAX) {
            let records = self.reading(|| self.broker().lasts(Stream::Events, chunk)).await?;
            let found: HashMap<&str, Seq> =
                records.iter().map(|record| (record.subject.as_str(), record.seq)).collect();
            seqs.extend(chunk.iter().map(|subject| found.get(subject.as_str()).copied()));
        }
        Ok(seqs)
    }

    /// Everybody who has a standing in a room, members or not; possibly by a replica that lags.
    pub async fn people(&self, room: &RoomId) -> Result<Vec<UserId>, ReadError> {
        let records = self.all_of(Stream::Events, &subject::members_of_room(room)).await?;
        let person = |record: &Record| match subject::parse_event(&record.subject) {
            Some(Address::Member(_, user)) => Some(user),
            _ => None,
        };
        // More than one message may be stored of one person.
        let mut people: Vec<UserId> = records.iter().filter_map(person).collect();
        people.sort();
        people.dedup();
        Ok(people)
    }

    /// All messages of a subject (wildcards allowed), possibly by a replica that lags.
    pub(crate) async fn all_of(&self, stream: Stream, subject: &str) -> Result<Vec<Record>, ReadError> {
        let mut records: Vec<Record> = Vec::new();
        loop {
            let from = records.last().map_or(Seq(1), |record| record.seq.next());
            let page =
                self.reading(|| self.broker().page(stream, subject, from, PAGE_MESSAGES_MAX, PAGE_BYTES_MAX)).await?;
            let more = page.more && !page.records.is_empty();
            records.extend(page.records);
            if !more {
                return Ok(records);
            }
        }
    }

    /// Overwrites and removes an event for good, in as many tries as a read may have; one already gone is fine. Only for the
    /// eraser: what is erased was deleted, by an event that stands.
    pub async fn erase(&self, seq: Seq) -> Result<(), EraseError> {
        let deadline = Instant::now() + self.options().read_deadline;
        loop {
            match self.broker().erase(Stream::Events, seq).await {
                Err(EraseError::Unavailable(_)) if Instant::now() + RETRY_EVERY < deadline => {}
                done => return done,
            }
            tokio::time::sleep(RETRY_EVERY).await;
        }
    }

    /// Reads under the limit on reads in flight, again and again until the deadline while the log is not available.
    pub(crate) async fn reading<T, F>(&self, read: impl Fn() -> F) -> Result<T, ReadError>
    where
        F: Future<Output = Result<T, ReadError>>,
    {
        self.reading_until(Instant::now() + self.options().read_deadline, read).await
    }

    async fn reading_until<T, F>(&self, deadline: Instant, read: impl Fn() -> F) -> Result<T, ReadError>
    where
        F: Future<Output = Result<T, ReadError>>,
    {
        let mut last = ReadError::Unavailable("too many reads under way".to_owned());
        let reading = async {
            let _place = self.reads().acquire().await.expect("the log never closes it");
            loop {
                match read().await {
                    Err(error @ (ReadError::Unavailable(_) | ReadError::NoLeader)) => last = error,
                    done => return done,
                }
                tokio::time::sleep(RETRY_EVERY).await;
            }
        };
        let _counted = InFlight::begin(self);
        match tokio::time::timeout_at(deadline, reading).await {
            Ok(done) => done,
            Err(_late) => Err(last),
        }
    }

    async fn pause_until(&self, deadline: Instant) -> Result<(), ReadError> {
        if Instant::now() + RETRY_EVERY > deadline {
            return Err(ReadError::Unavailable("the replicas lag behind the leader".to_owned()));
        }
        tokio::time::sleep(RETRY_EVERY).await;
        Ok(())
    }
}

/// Counts a read, until it is dropped: a read may be given up.
struct InFlight<'a>(&'a Log);

impl InFlight<'_> {
    fn begin(log: &Log) -> InFlight<'_> {
        log.broker().signals().count(|numbers| {
            numbers.reads_in_flight.inc();
        });
        InFlight(log)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.broker().signals().count(|numbers| {
            numbers.reads_in_flight.dec();
        });
    }
}
