//! Creating or verifying a durable consumer.

use std::time::Duration;

use async_nats::jetstream::consumer::{FromConsumer, PullConsumer, pull};
use async_nats::jetstream::context::ConsumerInfoErrorKind;

use tokio::time::Instant;

use super::JetStream;
use crate::consumers::Consumer;
use crate::error::OpenError;

impl JetStream {
    /// One try. Several notifiers may do this at once: the server takes a second creation of the same for none.
    pub(crate) async fn consumer(&self, consumer: &Consumer, ack_wait: Duration) -> Result<PullConsumer, OpenError> {
        let begun = Instant::now();
        let failed = |cause: String| OpenError::Consumer { consumer: consumer.name(), cause };
        let denied_or = |subject: String, cause: String| match self.denied(&subject, begun) {
            Some(why) => OpenError::Denied(why),
            None => failed(cause),
        };
        let (of_stream, name) = (consumer.stream().name(), consumer.name());
        let stream = self.stream(consumer.stream()).await;
        let wanted = consumer.config(ack_wait);
        let found = match stream.consumer_info(consumer.name()).await {
            Ok(info) => pull::Config::try_from_consumer_config(info.config),
            Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => {
                let subject = format!("$JS.API.CONSUMER.CREATE.{of_stream}.{name}.{}", wanted.filter_subject);
                let created = stream.create_consumer(wanted).await;
                return created.map_err(|error| denied_or(subject, error.to_string()));
            }
            Err(error) => {
                return Err(denied_or(format!("$JS.API.CONSUMER.INFO.{of_stream}.{name}"), error.to_string()));
            }
        };
        let found = found.map_err(|error| failed(error.to_string()))?;
        let differences = consumer.drift(&found);
        if !differences.is_empty() {
            return Err(OpenError::ConsumerDrift { consumer: consumer.name(), differences: differences.join("; ") });
        }
        // Where it began can't be changed, and stays.
        let settled = pull::Config { ack_wait, max_ack_pending: wanted.max_ack_pending, ..found };
        stream.update_consumer(settled).await.map_err(|error| failed(error.to_string()))
    }
}
