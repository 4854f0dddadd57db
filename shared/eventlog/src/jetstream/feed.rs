//! Reading a stream from a sequence on: an ephemeral consumer, checked for gaps as it goes.
//!
//! Not the library's ordered consumer: that one recreates itself unseen, and so would go on in a recreated stream as if
//! nothing had happened. This one ends with an error, and whoever follows looks at the epoch before opening another.

use std::fmt;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy, pull};
use async_nats::jetstream::stream::ConsumerErrorKind;
use futures_util::{FutureExt, StreamExt};
use klatch_domain::Seq;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{JetStream, api_error, record};
use crate::broker::{Fed, Record};
use crate::error::ReadError;
use crate::streams::Stream;

/// Asked for at once; half of them taken, the client asks for as many again.
const PULL_MESSAGES_MAX: usize = 1_024;
/// A consumer that is silent for two of these is taken for dead.
const HEARTBEAT: Duration = Duration::from_secs(3);
const PULL_EXPIRES: Duration = Duration::from_secs(30);
/// The server forgets a consumer that nobody asked for so long.
const INACTIVE: Duration = Duration::from_secs(60);

/// An open reader.
pub(crate) struct Feed {
    messages: pull::Stream,
    reconnects: watch::Receiver<u64>,
    /// The consumer's own number of the last delivery.
    delivered: u64,
    /// Nothing was stored behind the start, and nobody was told yet.
    caught_up_at_start: bool,
    /// Met behind messages that had to be given out first.
    failed: Option<ReadError>,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("delivered", &self.delivered).finish_non_exhaustive()
    }
}

impl JetStream {
    pub(crate) async fn feed(&self, stream: Stream, after: Seq) -> Result<Feed, ReadError> {
        let reconnects = self.told.signals.reconnects.subscribe();
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: after.next().0 },
            ack_policy: AckPolicy::None,
            replay_policy: ReplayPolicy::Instant,
            inactive_threshold: INACTIVE,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let begun = Instant::now();
        let consumer = self.stream(stream).await.create_consumer(config).await.map_err(|error| match error.kind() {
            ConsumerErrorKind::JetStream(error) => api_error(&error),
            _ => ReadError::Unavailable(self.cause("CONSUMER.CREATE", stream, begun, &error)),
        })?;
        let caught_up_at_start = consumer.cached_info().num_pending == 0;
        let messages = consumer
            .stream()
            .max_messages_per_batch(PULL_MESSAGES_MAX.min(self.buffered_max / 2).max(1))
            .expires(PULL_EXPIRES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
            .map_err(|error| ReadError::Unavailable(error.to_string()))?;
        Ok(Feed { messages, reconnects, delivered: 0, caught_up_at_start, failed: None })
    }
}

impl Feed {
    pub(crate) async fn next(&mut self, max: usize) -> Result<Fed, ReadError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if std::mem::take(&mut self.caught_up_at_start) {
            return Ok(Fed { records: Vec::new(), caught_up: true });
        }
        // Nothing is taken before the wait ends, and nothing waits afterwards: so it can be given up at any moment.
        let first = tokio::select! {
            first = self.messages.next() => first,
            // The server may have lost the consumer; waiting for its missed heartbeats would take seconds.
            _ = self.reconnects.changed() => return Err(ReadError::Unavailable("the connection broke".to_owned())),
        };
        let (record, mut pending) = self.take(first)?;
        let mut records = vec![record];
        while records.len() < max {
            let Some(more) = self.messages.next().now_or_never() else { break };
            match self.take(more) {
                Ok((record, left)) => {
                    records.push(record);
                    pending = left;
                }
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(Fed { records, caught_up: pending == 0 })
    }

    fn take(
        &mut self,
        message: Option<Result<async_nats::jetstream::Message, pull::MessagesError>>,
    ) -> Result<(Record, u64), ReadError> {
        let message = message.ok_or_else(|| ReadError::Unavailable("the consumer ended".to_owned()))?;
        let message = message.map_err(|error| ReadError::Unavailable(error.to_string()))?;
        let taken = record::from_delivery(&message);
        let (record, delivery) = taken.ok_or_else(|| ReadError::Malformed("a delivery has no place".to_owned()))?;
        if delivery.number != self.delivered + 1 {
            return Err(ReadError::Unavailable("a delivery was lost".to_owned()));
        }
        self.delivered = delivery.number;
        Ok((record, delivery.pending))
    }
}
