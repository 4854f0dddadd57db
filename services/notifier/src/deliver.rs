//! Delivery to one webhook, from its own consumer and in a task of its own: its trouble is nobody else's.
//!
//! A job is in one notifier's hands at a time: a try takes far less than the consumer waits, and while it lasts the
//! consumer hears of it. A job is done when it was delivered, withdrawn, or laid with the dead letters; else it comes again.
//!
//! The consumer counts how often it gives a job out, and that is what tries are counted by. So a request that a stop cuts off
//! counts, too, but is never the last one: a job is given up only after a request that was made to its end.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{AckKind, Message};
use futures_util::{FutureExt, StreamExt};
use klatch_domain::Timestamp;
use klatch_eventlog::{Consumer, Log, OpenError, WebhookName, trace_of_job};
use klatch_service::outgoing::Outgoing;
use klatch_service::traces;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::attempt::{Tried, attempt};
use crate::config::{Config, Webhook};
use crate::job::{DeadLetter, Job};
use crate::numbers::{Numbers, OfWebhook};
use crate::schedule::Schedule;
use crate::verdict::Verdict;

/// How long one request for jobs waits for some to come.
const ASK_FOR: Duration = Duration::from_secs(5);
/// Between tries while the broker is not available: doubled each time up to a minute.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// A webhook, and what delivering to it takes.
pub(crate) struct Line {
    log: Log,
    outgoing: Outgoing,
    webhook: Webhook,
    schedule: Schedule,
    numbers: OfWebhook,
    in_flight_max: usize,
    /// After so long without a word from us the consumer gives a job to somebody else.
    pub(crate) ack_wait: Duration,
    drain: Duration,
}

impl Line {
    pub(crate) fn new(config: &Config, webhook: &Webhook, log: &Log, outgoing: &Outgoing, numbers: &Numbers) -> Line {
        Line {
            log: log.clone(),
            outgoing: outgoing.clone(),
            webhook: webhook.clone(),
            schedule: Schedule::new(config),
            numbers: numbers.of_webhook(&webhook.name),
            in_flight_max: config.webhook_in_flight_max,
            ack_wait: config.job_ack_wait(),
            drain: Duration::from_millis(config.drain_ms_max),
        }
    }

    /// Delivers until it is told to stop; then requests under way have a little time left.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let line = Arc::new(self);
        let cut = CancellationToken::new();
        let mut under_way = JoinSet::new();
        let mut pause = PAUSE;
        while !stop.is_cancelled() {
            let begun = Instant::now();
            let taking = line.take(&mut under_way, &cut, &stop).await;
            if begun.elapsed() > PAUSE_MAX {
                pause = PAUSE;
            }
            if let Err(reason) = taking {
                tracing::warn!(webhook = %line.webhook.name, reason, again_in_ms = pause.as_millis(), "no jobs for now");
                stop.run_until_cancelled(tokio::time::sleep(pause)).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
        let drained = async { while under_way.join_next().await.is_some() {} };
        if tokio::time::timeout(line.drain, drained).await.is_err() {
            cut.cancel();
            while under_way.join_next().await.is_some() {}
        }
    }

    async fn consumer(&self) -> Result<PullConsumer, OpenError> {
        self.log.consumer(&Consumer::Webhook(self.webhook.name.clone()), self.ack_wait).await
    }

    /// Takes jobs, never more than can be begun at once, until there is trouble or it is told to stop.
    async fn take(
        self: &Arc<Self>,
        under_way: &mut JoinSet<()>,
        cut: &CancellationToken,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        let consumer = self.consumer().await.map_err(|error| error.to_string())?;
        loop {
            while under_way.try_join_next().is_some() {}
            if under_way.len() >= self.in_flight_max {
                tokio::select! {
                    _ = under_way.join_next() => continue,
                    () = stop.cancelled() => return Ok(()),
                }
            }
            let free = self.in_flight_max - under_way.len();
            let asked = consumer.batch().max_messages(free).expires(ASK_FOR).messages().await;
            let mut jobs = asked.map_err(|error| error.to_string())?;
            loop {
                let next = tokio::select! {
                    next = jobs.next() => next,
                    () = stop.cancelled() => {
                        // What has come already goes back, for another notifier or the next start.
                        let mut come = Vec::new();
                        while let Some(Some(Ok(message))) = jobs.next().now_or_never() {
                            come.push(message);
                        }
                        // Else they would come here again.
                        drop(jobs);
                        for message in &come {
                            give_back(message).await;
                        }
                        return Ok(());
                    }
                };
                let Some(message) = next else { break };
                let message = message.map_err(|error| error.to_string())?;
                let (line, cut) = (Arc::clone(self), cut.clone());
                under_way.spawn(async move { line.deliver(message, &cut).await });
            }
        }
    }

    /// Does one job, and tells the consumer what became of it.
    async fn deliver(&self, message: Message, cut: &CancellationToken) {
        let tries = message.info().map_or(1, |info| u32::try_from(info.delivered).unwrap_or(1).max(1));
        let job = match Job::decode(&message.payload) {
            Ok(job) => job,
            Err(error) => {
                tracing::error!(webhook = %self.webhook.name, %error, "what is no job is thrown away");
                return done(&message).await;
            }
        };
        let span = delivery_of(&message, &self.webhook.name, tries);
        self.numbers.in_flight.inc();
        let tried = tokio::select! {
            tried = self.try_until_read(&job).instrument(span) => Some(tried),
            () = self.keep(&message) => None,
            () = cut.cancelled() => None,
        };
        self.numbers.in_flight.dec();
        let (reason, retry_after) = match tried {
            Some(Tried::Sent(Verdict::Delivered)) => {
                self.numbers.delivered.inc();
                return done(&message).await;
            }
            Some(Tried::Withdrawn) => {
                self.numbers.withdrawn.inc();
                return done(&message).await;
            }
            Some(Tried::Misplaced) => {
                let reason = "the log holds another message in its place";
                return self.give_up(&message, &job, tries, reason).await;
            }
            Some(Tried::Sent(Verdict::Never { reason })) => {
                self.numbers.failed.inc();
                return self.give_up(&message, &job, tries, &reason).await;
            }
            Some(Tried::Sent(Verdict::Again { reason, retry_after })) => (reason, retry_after),
            // The receiver said nothing, and may have nothing to do with it.
            None => return give_back(&message).await,
        };
        self.numbers.failed.inc();
        if tries >= self.schedule.tries_max {
            return self.give_up(&message, &job, tries, &reason).await;
        }
        let pause = self.schedule.pause(tries, retry_after, rand::random());
        tracing::info!(
            webhook = %self.webhook.name,
            message = %job.message_id,
            tries,
            reason,
            again_in_ms = pause.as_millis(),
            "not delivered"
        );
        later(&message, pause).await;
    }

    /// A log that can't be read costs no try.
    async fn try_until_read(&self, job: &Job) -> Tried {
        let mut pause = PAUSE;
        loop {
            match attempt(&self.log, &self.outgoing, &self.webhook, job).await {
                Ok(tried) => return tried,
                Err(error) => tracing::debug!(%error, "a message to deliver can't be read yet"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Tells the consumer, again and again, that the job is in hand. Never ends.
    async fn keep(&self, message: &Message) {
        let mut beat = tokio::time::interval(self.ack_wait / 4);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat.tick().await;
        loop {
            beat.tick().await;
            if let Err(error) = message.ack_with(AckKind::Progress).await {
                tracing::debug!(%error, "the consumer does not hear that a job is in hand");
            }
        }
    }

    async fn give_up(&self, message: &Message, job: &Job, tries: u32, reason: &str) {
        let letter = DeadLetter { job, tries, reason, timestamp: Timestamp::from(OffsetDateTime::now_utc()) };
        if let Err(error) = self.log.bury_job(&self.webhook.name, &job.message_id, letter.encode()).await {
            tracing::warn!(webhook = %self.webhook.name, %error, "a job that is given up can't be laid aside yet");
            return later(message, self.schedule.pause(tries, None, rand::random())).await;
        }
        self.numbers.dead.inc();
        tracing::warn!(webhook = %self.webhook.name, message = %job.message_id, tries, reason, "given up");
        done(message).await;
    }
}

/// One try, as a span of the message's trace.
fn delivery_of(message: &Message, webhook: &WebhookName, tries: u32) -> Span {
    let Some(trace) = trace_of_job(message).filter(|trace| trace.is_sampled()) else { return Span::none() };
    let span = tracing::trace_span!(target: traces::TARGET, "notifier.deliver", otel.kind = "client", %webhook, tries);
    traces::put_behind(&span, Some(trace));
    span
}

/// Confirmed, so that what was delivered is not delivered again where it can be helped.
async fn done(message: &Message) {
    if let Err(error) = message.double_ack().await {
        tracing::debug!(%error, "not acknowledged: it will come again, under the same id");
    }
}

/// To whoever takes from the consumer next, at once.
async fn give_back(message: &Message) {
    if let Err(error) = message.ack_with(AckKind::Nak(None)).await {
        tracing::debug!(%error, "not given back: it will come again in its own time");
    }
}

async fn later(message: &Message, pause: Duration) {
    if let Err(error) = message.ack_with(AckKind::Nak(Some(pause))).await {
        tracing::debug!(%error, "not put off: it will come again in its own time");
    }
}
