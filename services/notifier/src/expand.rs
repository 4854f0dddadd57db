//! From an event to what is told: the notice on NATS, and a job for each webhook.
//!
//! A durable consumer gives each event until it is acknowledged, and it is acknowledged only after every job was stored
//! and the notice went out. So whatever dies in between, nobody misses a message; a repeat has the same id.

use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::{FutureExt, StreamExt};
use klatch_domain::{Epoch, Event, Seq};
use klatch_eventlog::{AppendError, Consumer, Log, OpenError, ReadError, Stored};
use klatch_service::{Condition, traces};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::announcement::{self, EventType};
use crate::config::{Config, Webhook};
use crate::directs::{Directs, Receiver};
use crate::job::Job;
use crate::numbers::{Numbers, OfWebhook};

/// Events taken at once: what is stored for them, and the one question whether it went out, is shared by them all.
const EVENTS_AT_ONCE: usize = 64;
/// How long one request for events waits for some to come.
const ASK_FOR: Duration = Duration::from_secs(5);
/// Between tries while the log is not available: doubled each time up to a minute.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Tries to find out whom a message of a direct room is for, after which it is told without.
const RECEIVER_TRIES_MAX: i64 = 8;

/// What an event means for others.
enum Meaning {
    Nothing,
    Tell(Notice),
    /// Whom it is for is not known yet.
    NotYet,
}

/// What is told of one message.
struct Notice {
    /// Its part of the message's trace.
    span: Span,
    /// For each webhook.
    job: Job,
    /// On NATS.
    told: Bytes,
}

/// Something that will pass.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Put(#[from] AppendError),
    #[error("the consumer does not answer: {0}")]
    Consumer(String),
    #[error("the connection broke while something was told")]
    Told,
}

/// Everything that an expansion needs, and what it remembers.
pub(crate) struct Expansion {
    log: Log,
    webhooks: Vec<(Webhook, OfWebhook)>,
    directs: Directs,
    numbers: Numbers,
    again_after: Duration,
    ready: Condition,
    /// Everything up to here was told, in this life of the stream.
    told: Option<(Epoch, Seq)>,
}

impl Expansion {
    pub(crate) fn new(config: &Config, log: &Log, numbers: &Numbers, ready: Condition) -> Expansion {
        let with_numbers = |webhook: &Webhook| (webhook.clone(), numbers.of_webhook(&webhook.name));
        Expansion {
            log: log.clone(),
            webhooks: config.webhooks.iter().map(with_numbers).collect(),
            directs: Directs::new(config.direct_rooms_kept_max),
            numbers: numbers.clone(),
            again_after: Duration::from_millis(config.events_again_ms),
            ready,
            told: None,
        }
    }

    /// Tells of events until it is told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut pause = PAUSE;
        loop {
            let told_before = self.told;
            let Some(trouble) = self.take(&stop).await.err() else { return };
            if self.told != told_before {
                pause = PAUSE;
            }
            let reason = trouble.to_string();
            tracing::warn!(reason, again_in_ms = pause.as_millis(), "what was said can't be told of now");
            self.ready.not_ready(reason);
            let paused = stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            if paused.is_none() {
                return;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Takes events until there is trouble, or until it is told to stop.
    async fn take(&mut self, stop: &CancellationToken) -> Result<(), Trouble> {
        let consumer = Consumer::Notifier { after: self.resume_after().await? };
        let consumer = self.log.consumer(&consumer, self.again_after).await?;
        while !stop.is_cancelled() {
            let asked = consumer.batch().max_messages(EVENTS_AT_ONCE).expires(ASK_FOR).messages().await;
            let batch = asked.map_err(|error| Trouble::Consumer(error.to_string()))?;
            self.ready.ready();
            let mut ready = batch.ready_chunks(EVENTS_AT_ONCE);
            while let Some(Some(messages)) = stop.run_until_cancelled(ready.next()).await {
                let messages: Result<Vec<Message>, _> = messages.into_iter().collect();
                let messages = messages.map_err(|error| Trouble::Consumer(error.to_string()))?;
                self.tell_all(&messages).await?;
            }
            // Stopped: what has come already goes back at once, for another notifier or the next start.
            if let Some(Some(left)) = ready.next().now_or_never() {
                give_back(left.iter().flatten(), None).await;
            }
        }
        Ok(())
    }

    /// Where a consumer that is gone is to begin anew: where this notifier stopped, if the log is still the same.
    async fn resume_after(&self) -> Result<Option<Seq>, Trouble> {
        let Some((epoch, seq)) = self.told else { return Ok(None) };
        Ok((self.log.refresh_epoch().await? == epoch).then_some(seq))
    }

    /// What can't be told is given back, and comes again.
    async fn tell_all(&mut self, messages: &[Message]) -> Result<(), Trouble> {
        let settled = match self.tell(messages).await {
            Ok(settled) => settled,
            Err(trouble) => {
                give_back(messages, Some(PAUSE)).await;
                return Err(trouble);
            }
        };
        for message in settled {
            // One that is lost is only a repeat.
            if let Err(error) = message.ack().await {
                tracing::debug!(%error, "not acknowledged");
            }
        }
        let last =
            messages.iter().filter_map(|message| message.info().ok()).map(|info| Seq(info.stream_sequence)).max();
        self.told = last.map(|seq| (self.log.epoch(), seq)).or(self.told);
        Ok(())
    }

    /// Tells of all these, and says with which it is through; only one whose receiver is not known yet it puts off.
    async fn tell<'a>(&mut self, messages: &'a [Message]) -> Result<Vec<&'a Message>, Trouble> {
        let (mut notices, mut settled) = (Vec::new(), Vec::new());
        for message in messages {
            match self.meaning(message).await? {
                Meaning::NotYet => {
                    give_back([message], Some(PAUSE)).await;
                    continue;
                }
                Meaning::Tell(notice) => notices.push(notice),
                Meaning::Nothing => {}
            }
            settled.push(message);
        }
        if notices.is_empty() {
            return Ok(settled);
        }
        // The jobs first: stored twice they are stored once, but what is told twice is heard twice.
        try_join_all(notices.iter().map(|notice| self.put(notice))).await?;
        let connections = self.log.connections();
        for Notice { span, job, told } in &notices {
            match self.log.tell_sent(&job.message_id, traces::of(span), told.clone()).await {
                // A client's frame is much smaller than what NATS takes: this came in by another way.
                Err(AppendError::TooLarge) => tracing::warn!(seq = job.seq.0, "too large to be told"),
                told => told?,
            }
        }
        // What is only told is known to have gone out once a later question was answered over the same connection.
        self.log.last_seq().await?;
        if self.log.connections() != connections {
            return Err(Trouble::Told);
        }
        self.numbers.told.inc_by(notices.len() as u64);
        Ok(settled)
    }

    async fn meaning(&mut self, message: &Message) -> Result<Meaning, Trouble> {
        let Some(stored) = Stored::of_delivery(message) else { return Ok(Meaning::Nothing) };
        let sent = match stored.event() {
            Ok(Event::MessageSent(sent)) => sent,
            Ok(_) => return Ok(Meaning::Nothing),
            Err(error) => {
                tracing::warn!(seq = stored.seq.0, %error, "passed over");
                self.numbers.undecodable.inc();
                return Ok(Meaning::Nothing);
            }
        };
        let receiver_id = match self.directs.receiver(&self.log, &sent.room_id, &sent.user_id).await? {
            Receiver::Person(other) => Some(other),
            Receiver::NoOne => None,
            Receiver::Unknown if message.info().is_ok_and(|info| info.delivered < RECEIVER_TRIES_MAX) => {
                return Ok(Meaning::NotYet);
            }
            Receiver::Unknown => {
                tracing::warn!(seq = stored.seq.0, "told without its receiver, for nobody knows them");
                None
            }
        };
        let told = announcement::message_sent(stored.at, &sent, receiver_id.as_ref());
        let (message_id, room_id) = (sent.message_id, sent.room_id);
        let job = Job { event_type: EventType::MessageSent, message_id, room_id, seq: stored.seq, receiver_id };
        Ok(Meaning::Tell(Notice { span: telling_of(&stored), job, told }))
    }

    async fn put(&self, Notice { span, job, .. }: &Notice) -> Result<(), Trouble> {
        let payload = job.encode();
        for (webhook, numbers) in &self.webhooks {
            if webhook.events.contains(&job.event_type) {
                let trace = traces::of(span);
                self.log.put_job(&webhook.name, &job.message_id, trace, payload.clone()).await?;
                numbers.jobs.inc();
            }
        }
        Ok(())
    }
}

/// From an event to its notice and its jobs.
fn telling_of(stored: &Stored) -> Span {
    let Some(trace) = stored.trace.filter(|trace| trace.is_sampled()) else { return Span::none() };
    let span =
        tracing::trace_span!(target: traces::TARGET, "notifier.expand", otel.kind = "consumer", seq = stored.seq.0);
    traces::put_behind(&span, Some(trace));
    span
}

/// What is not given back so comes again a little later, by itself.
async fn give_back<'a>(messages: impl IntoIterator<Item = &'a Message>, after: Option<Duration>) {
    for message in messages {
        if let Err(error) = message.ack_with(AckKind::Nak(after)).await {
            tracing::debug!(%error, "not given back");
        }
    }
}
