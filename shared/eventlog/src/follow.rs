//! Everything from a sequence on: what the projector folds.

use std::time::Duration;

use klatch_domain::{Epoch, Seq};
use tokio::sync::watch;

use crate::broker::{Fed, Feed, Record};
use crate::epoch::Life;
use crate::error::{FollowError, ReadError};
use crate::log::Log;
use crate::marks::{self, Marked};
use crate::seen::{self, Seen};
use crate::stored::Stored;
use crate::streams::Stream;
use crate::subject;

/// Between tries to read on while the log is not available: doubled each time up to this.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Follows all events of the log, in order, without a gap, over reconnects and restarts of the broker.
#[derive(Debug)]
pub struct Follow {
    follower: Follower,
}

/// Some events, in order.
#[derive(Debug, Clone)]
pub struct FollowBatch {
    /// Oldest first; may be empty: where nothing was stored behind the beginning, or only what is none of ours.
    pub events: Vec<Stored>,
    /// Everything up to here was given out.
    pub position: Seq,
    /// Whether nothing further was stored when the last of these was sent.
    pub caught_up: bool,
}

/// Follows all marks, in order; of each person in each room only the newest are stored.
#[derive(Debug)]
pub struct FollowMarks {
    follower: Follower,
}

/// Some marks, in order.
#[derive(Debug, Clone)]
pub struct MarkBatch {
    /// Oldest first; may be empty.
    pub marks: Vec<Marked>,
    /// Who was last connected when, oldest first; may be empty.
    pub seen: Vec<Seen>,
    /// Everything up to here, a sequence of the marks' own stream, was given out.
    pub position: Seq,
    /// Whether nothing further was stored when the last of these was sent.
    pub caught_up: bool,
}

impl Log {
    /// Follows all events after a sequence of the present [epoch](Log::epoch).
    pub fn follow(&self, after: Seq) -> Follow {
        Follow { follower: Follower::new(self, Stream::Events, after) }
    }

    /// Follows all marks after a sequence of their own stream; [`Seq::ZERO`] for all that are stored.
    pub fn follow_marks(&self, after: Seq) -> FollowMarks {
        FollowMarks { follower: Follower::new(self, Stream::Marks, after) }
    }
}

impl Follow {
    /// Everything up to here was given out.
    pub fn position(&self) -> Seq {
        self.follower.position
    }

    /// Waits for events and gives those that are ready, at most `max`. Where nothing is stored behind the position it says
    /// so once, with an empty batch, each time it begins to read (at first, and after a reconnect). Waits for ever while
    /// the broker is away. Cancel-safe.
    pub async fn next_batch(&mut self, max: usize) -> Result<FollowBatch, FollowError> {
        let fed = self.follower.next(max).await?;
        let events = fed.records.into_iter().filter_map(|record| ours(record, Stored::of)).collect();
        Ok(FollowBatch { events, position: self.follower.position, caught_up: fed.caught_up })
    }
}

impl FollowMarks {
    /// Everything up to here, a sequence of the marks' own stream, was given out.
    pub fn position(&self) -> Seq {
        self.follower.position
    }

    /// Waits for marks and gives those that are ready, at most `max`; as [`Follow::next_batch`] does.
    pub async fn next_batch(&mut self, max: usize) -> Result<MarkBatch, FollowError> {
        let fed = self.follower.next(max).await?;
        let (mut marks, mut seen) = (Vec::new(), Vec::new());
        for record in fed.records {
            match seen::decode(&record) {
                Some(one) => seen.push(one),
                None => marks.extend(ours(record, marked)),
            }
        }
        Ok(MarkBatch { marks, seen, position: self.follower.position, caught_up: fed.caught_up })
    }
}

fn ours<T>(record: Record, read: impl Fn(Record) -> Option<T>) -> Option<T> {
    let (subject, seq) = (record.subject.clone(), record.seq);
    let read = read(record);
    if read.is_none() {
        tracing::warn!(%subject, %seq, "passed over: none of ours");
    }
    read
}

fn marked(record: Record) -> Option<Marked> {
    let (room, user) = subject::parse_mark(&record.subject)?;
    let marks = marks::decode(&record.payload)?;
    Some(Marked { room, user, marks, seq: record.seq })
}

/// Reads a stream on and on.
#[derive(Debug)]
struct Follower {
    log: Log,
    stream: Stream,
    position: Seq,
    epoch: Epoch,
    life: watch::Receiver<Life>,
    feed: Option<Feed>,
    pause: Duration,
}

impl Follower {
    fn new(log: &Log, stream: Stream, after: Seq) -> Self {
        Follower {
            log: log.clone(),
            stream,
            position: after,
            epoch: log.epoch(),
            life: log.watch_life(),
            feed: None,
            pause: Duration::ZERO,
        }
    }

    async fn next(&mut self, max: usize) -> Result<Fed, FollowError> {
        loop {
            let feed = match &mut self.feed {
                Some(feed) => feed,
                None => match self.open().await {
                    Ok(feed) => self.feed.insert(feed),
                    Err(ReadError::Gone) => return Err(FollowError::EpochChanged),
                    Err(error) => {
                        self.pause(&error).await;
                        continue;
                    }
                },
            };
            let epoch = self.epoch;
            let fed = tokio::select! {
                fed = feed.next(max.max(1)) => fed,
                _ = self.life.wait_for(|life| !life.is(epoch)) => return Err(FollowError::EpochChanged),
            };
            match fed {
                Ok(fed) => {
                    self.pause = Duration::ZERO;
                    if let Some(last) = fed.records.last() {
                        self.position = last.seq;
                    }
                    return Ok(fed);
                }
                Err(error) => {
                    self.feed = None;
                    self.pause(&error).await;
                }
            }
        }
    }

    /// Opens a reader, after a look at whether the stream is still the one that the position belongs to: a reader never
    /// outlives its stream, so one opened in the right epoch reads no other.
    async fn open(&mut self) -> Result<Feed, ReadError> {
        let feed = self.log.reading(|| self.log.broker().feed(self.stream, self.position)).await?;
        if self.log.refresh_epoch().await? != self.epoch {
            return Err(ReadError::Gone);
        }
        let last_seq = self.log.reading(|| self.log.broker().status(self.stream)).await?.last_seq;
        if self.position > last_seq {
            return Err(ReadError::Gone);
        }
        Ok(feed)
    }

    async fn pause(&mut self, error: &ReadError) {
        tracing::debug!(stream = self.stream.name(), position = %self.position, %error, "reads on in a moment");
        let pause = self.pause;
        self.pause = (self.pause * 2).clamp(Duration::from_millis(20), RETRY_PAUSE_MAX);
        tokio::time::sleep(pause).await;
    }
}
