//! Jobs for the notifier: put into `CHAT_PUSH`, taken by durable consumers, given up to `CHAT_DEAD`.

use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use bytes::Bytes;
use klatch_domain::MessageId;
use klatch_service::traces::Traceparent;

use crate::broker::{Broker, Record, Write, WriteError};
use crate::consumers::{Consumer, WebhookName};
use crate::error::{AppendError, OpenError};
use crate::jetstream;
use crate::log::Log;
use crate::stored::Stored;
use crate::streams::Stream;
use crate::subject;

impl Log {
    /// Creates a durable consumer, or verifies the one that is there. What was taken from it and not acknowledged is
    /// given again after `ack_wait`.
    pub async fn consumer(&self, consumer: &Consumer, ack_wait: Duration) -> Result<PullConsumer, OpenError> {
        match self.broker() {
            Broker::JetStream(broker) => broker.consumer(consumer, ack_wait).await,
            Broker::Memory(_) => Err(OpenError::Consumer {
                consumer: consumer.name(),
                cause: "a log in memory has no durable consumers".to_owned(),
            }),
        }
    }

    /// Stores a job for a webhook. The same message again, within the stream's window for duplicates, stores nothing.
    /// `trace`: where the one that put it stands in a trace, for whoever delivers it.
    pub async fn put_job(
        &self,
        to: &WebhookName,
        message: &MessageId,
        trace: Option<Traceparent>,
        job: Bytes,
    ) -> Result<(), AppendError> {
        let write = Write { subject: subject::push_webhook(to), payload: job, trace, ..Write::default() };
        self.put(Stream::Push, write, to, message).await
    }

    /// Stores a job that was given up. The same message again, within the stream's window for duplicates, stores nothing.
    pub async fn bury_job(&self, of: &WebhookName, message: &MessageId, letter: Bytes) -> Result<(), AppendError> {
        let write = Write { subject: subject::dead_webhook(of), payload: letter, ..Write::default() };
        self.put(Stream::Dead, write, of, message).await
    }

    async fn put(
        &self,
        stream: Stream,
        write: Write,
        webhook: &WebhookName,
        message: &MessageId,
    ) -> Result<(), AppendError> {
        // A message id of the server's own making has 32 bytes, so this is an id, too.
        let id = MessageId::parse(format!("{message}.{webhook}")).ok();
        let write = Write { id, ..write };
        let answer = self.broker().write(stream, &[write], self.options().append_patience).await;
        answer.map(drop).map_err(|error| match error {
            WriteError::Unavailable(why) => AppendError::Unavailable(why),
            WriteError::Unclear(why) => AppendError::Unclear(why),
            WriteError::TooLarge => AppendError::TooLarge,
            WriteError::Refused(why) => AppendError::Refused(why),
            busy @ (WriteError::Busy | WriteError::Guard | WriteError::KnownId) => {
                AppendError::Unavailable(format!("{busy:?}"))
            }
        })
    }

    /// Tells, by core NATS, that somebody said something. Whether it went out is not known before a
    /// [read](Log::last_seq) is answered over the same [connection](Log::connections).
    pub async fn tell_sent(
        &self,
        message: &MessageId,
        trace: Option<Traceparent>,
        payload: Bytes,
    ) -> Result<(), AppendError> {
        match self.broker() {
            Broker::JetStream(broker) => broker.tell(subject::MESSAGE_SENT, message, trace, payload).await,
            Broker::Memory(memory) => {
                memory.say(subject::MESSAGE_SENT.to_owned(), payload).await;
                Ok(())
            }
        }
    }

    /// How often the connection was made so far: what was only told before it changed may be lost.
    pub fn connections(&self) -> u64 {
        match self.broker() {
            Broker::JetStream(broker) => broker.connections(),
            Broker::Memory(_) => 1,
        }
    }
}

impl Stored {
    /// The event that a consumer delivered; none where the message is none of ours.
    pub fn of_delivery(message: &async_nats::jetstream::Message) -> Option<Stored> {
        let (record, _): (Record, _) = jetstream::from_delivery(message)?;
        Stored::of(record)
    }
}

/// Where whoever put a job stood in a trace; none while no spans are collected here.
pub fn trace_of_job(message: &async_nats::jetstream::Message) -> Option<Traceparent> {
    jetstream::trace_of(message)
}
