//! One room, live.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use klatch_domain::{Address, Epoch, RoomId, Seq};
use klatch_service::traces::Traceparent;
use tokio::sync::watch;
use tokio::time::Instant;

use super::LiveEvent;
use super::chain::{Chain, Heard};
use super::newest::Newest;
use super::patrol::Watched;
use crate::broker::{Ear, Record};
use crate::epoch::Life;
use crate::error::{LostWhy, ReadError};
use crate::log::Log;
use crate::sabotage::Sabotage;
use crate::stored::Stored;
use crate::streams::Stream;
use crate::subject::{self, Tail};
use crate::{marks, presence};

/// Read at once when a gap is filled; a longer gap is read in parts.
const FILL_EVENTS_MAX: usize = 512;
const FILL_BYTES_MAX: usize = 4 << 20;
/// Between tries to fill a gap, each of which has retries of its own.
const FILL_RETRY_EVERY: Duration = Duration::from_millis(100);

/// What is stored is heard within a few thousandths of a second: so much later it was lost.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

/// A room's events as an edge hears them: timeline events in order, each once, gaps filled from the stream before anything
/// newer is given out; beside them who is who, who types, who is there.
#[derive(Debug)]
pub struct LiveRoom {
    log: Log,
    room: RoomId,
    /// The length of what every subject heard begins with.
    prefix: usize,
    ear: Ear,
    epoch: Epoch,
    life: watch::Receiver<Life>,
    watched: Arc<Watched>,
    chain: Chain,
    newest: Newest,
    ready: VecDeque<LiveEvent>,
    /// The last timeline event given out.
    given: Seq,
    /// The last one that was given out, or waits to be.
    queued: Seq,
    /// Up to here was read, not heard: what comes of it later is no repeat.
    filled: Seq,
    gap: Option<Gap>,
    /// The stream was found to be ahead; by now what was on its way should have been heard.
    doubt: Option<Instant>,
    info_behind: bool,
    lost: Option<LostWhy>,
}

/// Something up to here was not heard, or not in order.
#[derive(Debug, Clone, Copy)]
struct Gap {
    up_to: Seq,
    since: Instant,
}

impl Log {
    /// A room's events from now on. What was stored before is read with [`Log::timeline`], up to
    /// [`LiveRoom::position`]: nothing lies between the two.
    pub async fn live_room(&self, room: &RoomId) -> Result<LiveRoom, ReadError> {
        let life = self.watch_life();
        let epoch = self.epoch();
        let ear = self.broker().listen(&subject::live_room(room)).await?;
        // After the subscription, on the same connection: whatever that server stores later is heard. In a cluster the
        // leader may be another one, that learns of the ear a moment later; what falls between shows as a gap at the next
        // event, or at the next comparison.
        let (timeline, info) = (Address::Timeline(room.clone()), Address::Info(room.clone()));
        let (timeline, info) = tokio::try_join!(self.last(&timeline), self.last(&info))?;
        let seq = |last: Option<Stored>| last.map_or(Seq::ZERO, |stored| stored.seq);
        let position = seq(timeline);
        let mut newest = Newest::default();
        newest.is_new_info(seq(info));
        Ok(LiveRoom {
            log: self.clone(),
            prefix: subject::live_room_prefix(room).len(),
            ear,
            epoch,
            life,
            watched: self.patrol().watch(room, position, newest.info()),
            chain: Chain::from(position),
            newest,
            ready: VecDeque::new(),
            given: position,
            queued: position,
            filled: position,
            gap: None,
            doubt: None,
            info_behind: false,
            lost: None,
            room: room.clone(),
        })
    }
}

impl LiveRoom {
    /// The timeline sequence up to which everything is given out, or was there when this began.
    pub fn position(&self) -> Seq {
        if self.ready.is_empty() { self.chain.position() } else { self.given }
    }

    /// The epoch that the sequences count in.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The next event. Cancel-safe: nothing is lost when the future is dropped. After [`LiveEvent::Lost`] it says so
    /// again, at once, each time.
    pub async fn next(&mut self) -> LiveEvent {
        loop {
            if let Some(event) = self.ready.pop_front() {
                if let LiveEvent::Timeline { seq, .. } = event {
                    self.given = seq;
                }
                return event;
            }
            if let Some(why) = self.lost {
                return LiveEvent::Lost(why);
            }
            // Rare, and boxed: whoever waits here most of the time should not hold room for them.
            if let Some(gap) = self.gap {
                Box::pin(self.fill(gap)).await;
                continue;
            }
            if self.info_behind {
                Box::pin(self.read_info()).await;
                continue;
            }
            let doubt = self.doubt;
            tokio::select! {
                record = self.ear.next() => match record {
                    Some(record) => self.hear(record),
                    None => self.lost = Some(LostWhy::Closed),
                },
                () = self.watched.behind() => {
                    // The first finding counts: one that came sooner each time would put it off for ever.
                    self.doubt.get_or_insert_with(|| Instant::now() + ON_ITS_WAY);
                }
                () = elapsed(doubt) => self.compare(),
                changed = self.life.changed() => {
                    if changed.is_err() || !self.life.borrow().is(self.epoch) {
                        self.lost = Some(LostWhy::EpochChanged);
                    }
                }
            }
        }
    }

    fn hear(&mut self, record: Record) {
        let tail = record.subject.as_str().get(self.prefix..).and_then(Tail::parse);
        match tail {
            Some(Tail::Timeline) => self.hear_timeline(record),
            Some(Tail::Member(user)) if self.newest.is_new_member(&user, record.seq) => {
                let address = Address::Member(self.room.clone(), user);
                self.ready.push_back(LiveEvent::Member(Stored::at(address, record)));
            }
            Some(Tail::Info) if self.newest.is_new_info(record.seq) => self.hear_info(record),
            Some(Tail::Typing(user)) => self.ready.push_back(LiveEvent::Typing { user, payload: record.payload }),
            Some(Tail::Presence(user, edge)) => self.ready.push_back(if record.removal {
                LiveEvent::Detached { user, edge }
            } else {
                let username = presence::username(&record.payload, &user);
                LiveEvent::Attached { user, username, edge }
            }),
            Some(Tail::Mark(user)) => {
                if let Some(marks) = marks::decode(&record.payload) {
                    self.ready.push_back(LiveEvent::Marked { user, marks });
                }
            }
            Some(Tail::Member(_) | Tail::Info | Tail::Signal(_)) => {}
            None => tracing::debug!(subject = %record.subject, "not ours"),
        }
    }

    fn hear_timeline(&mut self, record: Record) {
        self.log.broker().signals().count(|numbers| numbers.heard(record.at));
        match self.chain.judge(record.seq, record.prev) {
            Heard::Next => self.push(record.seq, record.trace, record.payload),
            Heard::Gap if Sabotage::NoGapFill.is_on() => self.push(record.seq, record.trace, record.payload),
            Heard::Gap => self.gap_up_to(record.seq),
            Heard::Old if record.seq <= self.filled => {}
            // A repeat, most likely; but a recreated stream's sequences look like this too.
            Heard::Old => self.log.patrol().look(),
        }
    }

    fn hear_info(&mut self, record: Record) {
        self.watched.info_is(record.seq);
        self.ready.push_back(LiveEvent::Info(Stored::at(Address::Info(self.room.clone()), record)));
    }

    /// Its predecessor is the event that is given out before it. What the stream names may have been erased unheard.
    fn push(&mut self, seq: Seq, trace: Option<Traceparent>, payload: bytes::Bytes) {
        let prev = std::mem::replace(&mut self.queued, seq);
        self.ready.push_back(LiveEvent::Timeline { seq, prev, trace, payload });
        self.advance(seq);
    }

    fn advance(&mut self, to: Seq) {
        self.chain.advance(to);
        self.watched.position_is(self.chain.position());
    }

    fn gap_up_to(&mut self, up_to: Seq) {
        if up_to > self.chain.position() {
            let since = self.gap.map_or_else(Instant::now, |gap| gap.since);
            self.gap = Some(Gap { up_to, since });
        }
    }

    /// The patrol found more stored than was heard, and it was not on its way.
    fn compare(&mut self) {
        self.doubt = None;
        self.gap_up_to(self.watched.stored());
        self.info_behind = self.watched.stored_info() > self.newest.info();
    }

    async fn fill(&mut self, gap: Gap) {
        match self.read(gap).await {
            Ok(()) => {}
            Err(ReadError::Gone) => self.lost = Some(LostWhy::EpochChanged),
            Err(error) if gap.since.elapsed() >= self.log.options().fill_deadline => {
                tracing::warn!(room = %self.room, %error, "a gap can't be filled");
                self.lost = Some(LostWhy::Unreadable);
            }
            Err(_) => tokio::time::sleep(FILL_RETRY_EVERY).await,
        }
    }

    async fn read(&mut self, gap: Gap) -> Result<(), ReadError> {
        let position = self.chain.position();
        let range = self.log.timeline(&self.room, position, gap.up_to, FILL_EVENTS_MAX, FILL_BYTES_MAX).await?;
        // Read after the events: had the stream been recreated before them, it shows now.
        if self.log.refresh_epoch().await? != self.epoch {
            return Err(ReadError::Gone);
        }
        self.log.broker().signals().count(|numbers| {
            numbers.gap_events.inc_by(range.events.len() as u64);
            numbers.gaps_filled.inc_by(range.complete.into());
        });
        for stored in range.events {
            self.push(stored.seq, stored.trace, stored.payload);
        }
        if range.complete {
            self.advance(gap.up_to);
            self.gap = None;
        }
        self.filled = self.chain.position();
        Ok(())
    }

    async fn read_info(&mut self) {
        let address = Address::Info(self.room.clone());
        let read = self.log.reading(|| self.log.broker().last(Stream::Events, self.watched.info_subject())).await;
        // Where it can't be read now, the next patrol tries again.
        self.info_behind = false;
        if let Ok(Some(record)) = read
            && self.newest.is_new_info(record.seq)
        {
            self.watched.info_is(record.seq);
            self.ready.push_back(LiveEvent::Info(Stored::at(address, record)));
        }
    }
}

async fn elapsed(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
