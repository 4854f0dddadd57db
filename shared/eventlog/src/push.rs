//! Jobs for the notifier: put into `CHAT_PUSH`, taken by durable consumers, given up to `CHAT_DEAD`.

use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use bytes::Bytes;
use klatch_domain::MessageId;

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
    pub async fn put_job(&self, to: &WebhookName, message: &MessageId, job: Bytes) -> Result<(), AppendError> {
        self.put(Stream::Push, subject::push_webhook(to), to, message, job).await
    }

    /// Stores a job that was given up. The same message again, within the stream's window for duplicates, stores nothing.
    pub async fn bury_job(&self, of: &WebhookName, message: &MessageId, letter: Bytes) -> Result<(), AppendError> {
        self.put(Stream::Dead, subject::dead_webhook(of), of, message, letter).await
    }

    async fn put(
        &self,
        stream: Stream,
        subject: String,
        webhook: &WebhookName,
        message: &MessageId,
        payload: Bytes,
    ) -> Result<(), AppendError> {
        // A message id of the server's own making has 32 bytes, so this is an id, too.
        let id = MessageId::parse(format!("{message}.{webhook}")).ok();
        let write = Write { subject, payload, id, ..Write::default() };
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
    pub async fn tell_sent(&self, message: &MessageId, payload: Bytes) -> Result<(), AppendError> {
        match self.broker() {
            Broker::JetStream(broker) => broker.tell(subject::MESSAGE_SENT, message, payload).await,
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
