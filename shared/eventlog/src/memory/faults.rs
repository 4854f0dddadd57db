//! What can go wrong, on demand.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use klatch_domain::{Epoch, Seq};
use uuid::Uuid;

use super::{Shared, State, Weather};
use crate::broker::Record;
use crate::error::{QueryError, ReadError};
use crate::streams::Stream;
use crate::subject;

/// What a query comes to, in time.
type Answering = Pin<Box<dyn Future<Output = Result<Bytes, QueryError>> + Send>>;

/// Answers a query.
#[derive(Clone)]
pub(super) struct Answer {
    by: u64,
    answer: Arc<dyn Fn(Bytes) -> Answering + Send + Sync>,
}

impl Answer {
    pub(super) fn to(&self, payload: Bytes) -> Answering {
        (self.answer)(payload)
    }
}

/// Answers queries for as long as it is held.
#[must_use]
#[derive(Debug)]
pub struct Responder {
    shared: Weak<Shared>,
    number: u64,
}

impl Drop for Responder {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            let mut state = shared.state();
            state.answers.values_mut().for_each(|answers| answers.retain(|answer| answer.by != self.number));
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

/// What becomes of the live delivery of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As it should be.
    Once,
    /// Nobody hears it, and nobody is told so.
    Drop,
    /// It comes twice.
    Repeat,
    /// It comes after the next one.
    Late,
}

/// What becomes of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFault {
    /// Refused as busy (10164).
    Busy,
    /// Not stored, and said so.
    Fail,
    /// Not stored, and no answer.
    LoseRequest,
    /// Stored, and no answer.
    LoseAnswer,
}

/// The faults to come, first in first out.
#[derive(Debug, Default)]
pub(super) struct Planned {
    deliveries: VecDeque<Delivery>,
    late: Option<Record>,
    writes: VecDeque<WriteFault>,
    failing_reads: usize,
    /// Nobody leads the log.
    pub(super) is_leaderless: bool,
    lagging_pages: usize,
}

impl Planned {
    /// What is delivered in place of a record, in this order.
    pub(super) fn deliver(&mut self, record: Record) -> Vec<Record> {
        let faulty = subject::parse_live_event(&record.subject).is_some();
        let plan = if faulty { self.deliveries.pop_front() } else { None };
        let late = if faulty { self.late.take() } else { None };
        let mut now = match plan.unwrap_or(Delivery::Once) {
            Delivery::Once => vec![record],
            Delivery::Drop => Vec::new(),
            Delivery::Repeat => vec![record.clone(), record],
            Delivery::Late => {
                self.late = Some(record);
                Vec::new()
            }
        };
        now.extend(late);
        now
    }

    pub(super) fn write(&mut self, stream: Stream) -> Option<WriteFault> {
        if stream == Stream::Events { self.writes.pop_front() } else { None }
    }

    /// Whether the next page comes from a replica that has not heard of the newest message yet.
    pub(super) fn lags(&mut self) -> bool {
        let lags = self.lagging_pages > 0;
        self.lagging_pages = self.lagging_pages.saturating_sub(1);
        lags
    }

    pub(super) fn read(&mut self) -> Result<(), ReadError> {
        if self.is_leaderless {
            return Err(ReadError::Unavailable("nobody answers".to_owned()));
        }
        if self.failing_reads == 0 {
            return Ok(());
        }
        self.failing_reads -= 1;
        Err(ReadError::Unavailable("as planned".to_owned()))
    }
}

/// Puts faults into a log in memory.
#[derive(Clone)]
pub struct Faults {
    shared: Arc<Shared>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faults")
    }
}

impl Faults {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Faults { shared }
    }

    /// What becomes of the live deliveries of the next events, in order.
    pub fn deliver(&self, plan: impl IntoIterator<Item = Delivery>) {
        self.shared.state().planned.deliveries.extend(plan);
    }

    /// What becomes of the next appends, each try counted, in order.
    pub fn write(&self, plan: impl IntoIterator<Item = WriteFault>) {
        self.shared.state().planned.writes.extend(plan);
    }

    /// Lets the next reads fail.
    pub fn fail_reads(&self, count: usize) {
        self.shared.state().planned.failing_reads = count;
    }

    /// Takes the log its leader: reads of it fail, and it says why.
    pub fn lose_leader(&self) {
        self.shared.state().planned.is_leaderless = true;
    }

    /// Lets the next range reads be answered by a replica that has not heard of the newest message yet.
    pub fn lag(&self, pages: usize) {
        self.shared.state().planned.lagging_pages = pages;
    }

    /// As if the duplicate window had passed.
    pub fn forget_ids(&self) {
        self.shared.state().store(Stream::Events).forget_ids();
    }

    /// As if the streams had been deleted and made anew, with another epoch. Ears stay open.
    pub fn recreate(&self) {
        {
            let mut state = self.shared.state();
            let fresh = State::new(std::mem::take(&mut state.ears));
            let old = std::mem::replace(&mut *state, fresh);
            (state.answers, state.responders, state.weather) = (old.answers, old.responders, old.weather);
        }
        self.shared.moved();
    }

    /// As if a backup had been restored that ends there: the epoch is the old one.
    pub fn go_back_to(&self, seq: Seq) {
        self.shared.state().store(Stream::Events).go_back_to(seq);
    }

    /// As if somebody had renewed the epoch without touching what is stored.
    pub fn renew_epoch(&self) {
        self.shared.state().epoch = Epoch(Uuid::new_v4());
    }

    /// As if live messages may have been lost, and the client library said so.
    pub fn disrupt(&self) {
        self.shared.signals.disrupted();
    }

    /// What goes wrong by chance from now on.
    pub fn weather(&self, weather: Weather) {
        self.shared.state().weather = weather;
    }

    /// Answers a query from now on.
    pub fn answer(&self, query: &str, answer: impl Fn(Bytes) -> Result<Bytes, QueryError> + Send + Sync + 'static) {
        let answer = move |payload| -> Answering { Box::pin(std::future::ready(answer(payload))) };
        let answers = vec![Answer { by: 0, answer: Arc::new(answer) }];
        self.shared.state().answers.insert(subject::query(query), answers);
    }

    /// Answers these queries, which it is given by their names, beside whoever else does.
    pub fn respond<A>(
        &self,
        queries: &[&'static str],
        answer: impl Fn(&'static str, Bytes) -> A + Clone + Send + Sync + 'static,
    ) -> Responder
    where
        A: Future<Output = Result<Bytes, QueryError>> + Send + 'static,
    {
        let mut state = self.shared.state();
        state.responders += 1;
        let number = state.responders;
        for &query in queries {
            let answer = answer.clone();
            let answer = move |payload| -> Answering { Box::pin(answer(query, payload)) };
            let answers = state.answers.entry(subject::query(query)).or_default();
            answers.push(Answer { by: number, answer: Arc::new(answer) });
        }
        Responder { shared: Arc::downgrade(&self.shared), number }
    }
}
