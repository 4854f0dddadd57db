//! The log in memory: what a single nats-server (R1) does, without one, and with faults on demand.
//!
//! It holds to the server's semantics where the log builds on them: a single write's guard is looked at before its id, a
//! batch's ids before its guards; a batch is all or nothing; what is stored is republished with its subject's previous
//! sequence; an expired lease leaves a marker. The same suite of tests runs over this and over JetStream.

mod ear;
mod faults;
mod feed;
mod store;
mod weather;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use klatch_domain::{Epoch, MessageId, Seq, Timestamp};
use tokio::sync::watch;
use uuid::Uuid;

use crate::broker::{Ack, Page, Record, Signals, Status, Write, WriteError};
use crate::clock::Clock;
use crate::error::{EraseError, QueryError, ReadError};
use crate::streams::Stream;
use crate::subject;

use ear::Ears;
use faults::Planned;
use store::Store;

pub(crate) use ear::Ear;
pub use faults::{Delivery, Faults, Responder, WriteFault};
pub(crate) use feed::Feed;
pub use weather::Weather;

/// As a server with its default `max_payload` of 1 MiB, less what headers may take.
const PAYLOAD_BYTES_MAX: usize = (1 << 20) - 2_048;

/// The twin.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    signals: Signals,
    clock: Clock,
    /// Moves with every write and every recreation: what feeds wait for.
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    epoch: Epoch,
    /// Which life of the streams this is; the epoch may also change within one.
    incarnation: Epoch,
    stores: [Store; Stream::ALL.len()],
    ears: Ears,
    planned: Planned,
    weather: Weather,
    answers: HashMap<String, Vec<faults::Answer>>,
    responders: u64,
}

impl State {
    fn new(ears: Ears) -> Self {
        State {
            epoch: Epoch(Uuid::new_v4()),
            incarnation: Epoch(Uuid::new_v4()),
            stores: Stream::ALL.map(Store::new),
            ears,
            planned: Planned::default(),
            weather: Weather::default(),
            answers: HashMap::new(),
            responders: 0,
        }
    }

    fn store(&mut self, stream: Stream) -> &mut Store {
        &mut self.stores[stream as usize]
    }
}

impl Shared {
    /// Nothing is left half done under this lock, so a panic elsewhere doesn't matter.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moved(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn publish(&self, state: &mut State, mut record: Record) {
        let Some(tail) = ["chat.event.", "chat.mark.", "chat.presence."]
            .iter()
            .find_map(|prefix| record.subject.as_str().strip_prefix(prefix))
        else {
            return;
        };
        record.subject = format!("chat.live.{tail}").into();
        let deliveries = state.planned.deliver(record);
        let weather = state.weather;
        for record in deliveries {
            if state.ears.tell(&record, &weather) {
                self.signals.disrupted();
            }
        }
    }
}

impl Memory {
    /// `buffered_max` messages wait in each ear until they are taken; what comes on top is dropped.
    pub(crate) fn new(buffered_max: usize, clock: Clock) -> Self {
        let state = State::new(Ears::new(buffered_max));
        let (state, signals, changed) = (Mutex::new(state), Signals::default(), watch::Sender::new(0));
        let shared = Shared { state, signals, clock, changed };
        Memory { shared: Arc::new(shared) }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.shared.state().epoch
    }

    pub(crate) fn faults(&self) -> Faults {
        Faults::new(Arc::clone(&self.shared))
    }

    pub(crate) fn signals(&self) -> &Signals {
        &self.shared.signals
    }

    /// Lets others run, as a real broker's round trip does.
    async fn round_trip(&self) {
        let way = self.shared.state().weather.way();
        if way.is_zero() { tokio::task::yield_now().await } else { tokio::time::sleep(way).await }
    }

    async fn read<T>(&self, read: impl FnOnce(&mut State) -> T) -> Result<T, ReadError> {
        self.round_trip().await;
        let mut state = self.shared.state();
        state.planned.read()?;
        if state.weather.read_fails() {
            return Err(ReadError::Unavailable("bad weather".to_owned()));
        }
        Ok(read(&mut state))
    }

    pub(crate) async fn write(&self, stream: Stream, writes: &[Write], _: Duration) -> Result<Ack, WriteError> {
        self.round_trip().await;
        let lose_answer = {
            let mut state = self.shared.state();
            match state.planned.write(stream).or_else(|| state.weather.write()) {
                None => false,
                Some(WriteFault::LoseAnswer) => true,
                Some(WriteFault::Busy) => return Err(WriteError::Busy),
                Some(WriteFault::Fail) => return Err(WriteError::Unavailable("as planned".to_owned())),
                Some(WriteFault::LoseRequest) => return Err(WriteError::Unclear("as planned".to_owned())),
            }
        };
        let ack = self.store(stream, writes)?;
        if !self.shared.state().weather.way().is_zero() {
            self.round_trip().await;
        }
        if lose_answer { Err(WriteError::Unclear("as planned".to_owned())) } else { Ok(ack) }
    }

    fn store(&self, stream: Stream, writes: &[Write]) -> Result<Ack, WriteError> {
        if writes.iter().any(|write| write.payload.len() > PAYLOAD_BYTES_MAX) {
            return Err(WriteError::TooLarge);
        }
        let mut state = self.shared.state();
        let store = state.store(stream);
        if let Some(known) = store.check(writes)? {
            return Ok(Ack { seq: known, duplicate: true });
        }
        let records: Vec<Record> = writes.iter().map(|write| store.put(write, self.shared.clock.now())).collect();
        let seq = records.last().map_or(Seq::ZERO, |record| record.seq);
        for (record, write) in records.into_iter().zip(writes) {
            if let Some(ttl) = write.ttl {
                self.expire_after(&state, stream, &record, ttl, write.tombstone);
            }
            self.shared.publish(&mut state, record);
        }
        drop(state);
        self.shared.moved();
        Ok(Ack { seq, duplicate: false })
    }

    /// The server's own rule: whole seconds, and a marker unless it was a tombstone.
    fn expire_after(&self, state: &State, stream: Stream, record: &Record, ttl: Duration, tombstone: bool) {
        let shared: Weak<Shared> = Arc::downgrade(&self.shared);
        let incarnation = state.incarnation;
        let (subject, seq) = (record.subject.clone(), record.seq);
        let ttl = Duration::from_secs_f64(ttl.as_secs_f64().ceil().max(1.0));
        tokio::spawn(async move {
            tokio::time::sleep(ttl).await;
            let Some(shared) = shared.upgrade() else { return };
            let mut state = shared.state();
            if state.incarnation != incarnation {
                return;
            }
            if state.store(stream).expire(&subject, seq) && !tombstone {
                let write = Write { subject: subject.as_str().to_owned(), tombstone: true, ..Write::default() };
                let marker = state.store(stream).put(&write, shared.clock.now());
                shared.publish(&mut state, marker);
            }
            drop(state);
            shared.moved();
        });
    }

    pub(crate) async fn find_id(&self, id: &MessageId, _: &str, _: Duration) -> Result<Option<Seq>, WriteError> {
        self.round_trip().await;
        Ok(self.shared.state().store(Stream::Events).find_id(id))
    }

    pub(crate) async fn last(&self, stream: Stream, subject: &str) -> Result<Option<Record>, ReadError> {
        self.read(|state| state.store(stream).last(subject)).await
    }

    pub(crate) async fn next(&self, stream: Stream, subject: &str, from: Seq) -> Result<Option<Record>, ReadError> {
        self.read(|state| state.store(stream).from(subject, from).next().cloned()).await
    }

    pub(crate) async fn at(&self, stream: Stream, seq: Seq) -> Result<Option<Record>, ReadError> {
        self.read(|state| state.store(stream).at(seq)).await
    }

    pub(crate) async fn page(
        &self,
        stream: Stream,
        subject: &str,
        from: Seq,
        messages_max: usize,
        bytes_max: usize,
    ) -> Result<Page, ReadError> {
        self.read(|state| {
            let mut page = Page::default();
            let mut bytes = 0;
            let lags = state.planned.lags() || state.weather.lags();
            let store = state.store(stream);
            let end = if lags { store.last_seq() } else { store.last_seq().next() };
            for record in store.from(subject, from).take_while(|record| record.seq < end) {
                if page.records.len() == messages_max.max(1) || bytes >= bytes_max {
                    page.more = true;
                    break;
                }
                bytes += record.subject.len() + record.payload.len();
                page.records.push(record.clone());
            }
            page
        })
        .await
    }

    pub(crate) async fn lasts(&self, stream: Stream, subjects: &[String]) -> Result<Vec<Record>, ReadError> {
        self.read(|state| subjects.iter().filter_map(|subject| state.store(stream).last(subject)).collect()).await
    }

    pub(crate) async fn status(&self, stream: Stream) -> Result<Status, ReadError> {
        if self.shared.state().planned.is_leaderless {
            return Err(ReadError::NoLeader);
        }
        self.read(|state| Status {
            last_seq: state.store(stream).last_seq(),
            epoch: (stream == Stream::Events).then_some(state.epoch),
            at: None,
        })
        .await
    }

    pub(crate) async fn set_epoch(&self, epoch: Epoch) -> Result<(), ReadError> {
        self.read(|state| state.epoch = epoch).await
    }

    pub(crate) fn listen(&self, subject: &str) -> Ear {
        self.shared.state().ears.open(subject)
    }

    pub(crate) async fn say(&self, subject: String, payload: Bytes) {
        let record = Record {
            subject: subject.into(),
            seq: Seq::ZERO,
            prev: Seq::ZERO,
            at: Timestamp::default(),
            id: None,
            trace: None,
            removal: false,
            payload,
        };
        self.round_trip().await;
        if self.shared.state().ears.tell(&record, &Weather::default()) {
            self.shared.signals.disrupted();
        }
    }

    pub(crate) fn feed(&self, stream: Stream, after: Seq) -> Feed {
        Feed::new(Arc::clone(&self.shared), stream, after)
    }

    pub(crate) async fn request(&self, subject: String, payload: Bytes, within: Duration) -> Result<Bytes, QueryError> {
        self.round_trip().await;
        let answer = {
            let state = self.shared.state();
            let answers = state.answers.get(&subject).map(Vec::as_slice).unwrap_or_default();
            match answers {
                [] => return Err(QueryError::NoResponder),
                [only] => only.clone(),
                // As the members of a queue group: any one of them.
                several => several[rand::random_range(0..several.len())].clone(),
            }
        };
        tokio::time::timeout(within, answer.to(payload)).await.unwrap_or(Err(QueryError::TimedOut))
    }

    pub(crate) async fn erase(&self, stream: Stream, seq: Seq) -> Result<(), EraseError> {
        self.round_trip().await;
        self.shared.state().store(stream).remove(seq);
        Ok(())
    }

    pub(crate) async fn purge(&self, stream: Stream, pattern: &str) -> Result<(), EraseError> {
        self.round_trip().await;
        self.shared.state().store(stream).remove_where(|record| subject::matches(pattern, &record.subject));
        Ok(())
    }
}
