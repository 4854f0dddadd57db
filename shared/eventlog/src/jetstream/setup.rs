//! Creating a stream, or waiting until it is there, and verifying it.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::{Context, ErrorCode};
use tokio::sync::watch;
use tokio::time::Instant;

use super::connect::Told;
use crate::error::OpenError;
use crate::options::Missing;
use crate::streams::{EPOCH_KEY, Stream, epoch_of};

/// Between tries while the server's JetStream isn't ready yet, or a stream is not there.
const RETRY_EVERY: Duration = Duration::from_millis(100);
/// How long the server may take to set up a stream that it lost.
const AGAIN_WITHIN: Duration = Duration::from_secs(2);

/// What setting up a stream takes.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) context: Context,
    pub(super) told: Arc<Told>,
    pub(super) replicas: usize,
    pub(super) missing: Missing,
}

impl Setup {
    /// Sees to it that the stream is there and as the file in `nats/streams` says. Several services may do this at once:
    /// one creates, the others find it.
    pub(super) async fn stream(&self, stream: Stream, within: Duration) -> Result<(), OpenError> {
        let deadline = Instant::now() + within;
        loop {
            match self.try_once(stream).await {
                Err(OpenError::Stream { .. }) if Instant::now() + RETRY_EVERY < deadline => {
                    tokio::time::sleep(RETRY_EVERY).await;
                }
                done => return done,
            }
        }
    }

    /// Makes the presence again, which lives in memory: a restart of a single server loses it whole. Only where this log
    /// creates what is missing; the others find it there in a moment.
    pub(super) async fn presence_again(&self) -> Result<(), OpenError> {
        match self.missing {
            Missing::Await => Ok(()),
            Missing::Create => self.stream(Stream::Presence, AGAIN_WITHIN).await,
        }
    }

    /// The same after each reconnect, until it is there: those who write presence may not be those who can create it.
    pub(super) async fn keep_presence(self, mut reconnects: watch::Receiver<u64>) {
        while reconnects.changed().await.is_ok() {
            while let Err(error) = self.presence_again().await {
                tracing::warn!(%error, "presence can't be set up again");
                tokio::time::sleep(AGAIN_WITHIN).await;
            }
        }
    }

    async fn try_once(&self, stream: Stream) -> Result<(), OpenError> {
        let begun = Instant::now();
        let failed = |verb: &str, cause: String| {
            let subject = format!("$JS.API.STREAM.{verb}.{}", stream.name());
            match self.told.denials.of_publish(&subject, begun) {
                Some(denial) => OpenError::Denied(denial.to_string()),
                None => OpenError::Stream { stream: stream.name(), cause },
            }
        };
        let error = match self.context.get_stream(stream.name()).await {
            Ok(found) => return verify(stream, &found.cached_info().config),
            Err(error) => error,
        };
        let is_missing = matches!(error.kind(), GetStreamErrorKind::JetStream(ref why)
            if why.error_code() == ErrorCode::STREAM_NOT_FOUND);
        match self.missing {
            _ if !is_missing => Err(failed("INFO", error.to_string())),
            Missing::Await => Err(failed(
                "INFO",
                "it is not there, and others are to create it: `klatch projector`, or \
                 `klatch up`"
                    .to_owned(),
            )),
            Missing::Create => match self.context.create_stream(stream.config_to_create(self.replicas)).await {
                Ok(created) => verify(stream, &created.cached_info().config),
                Err(error) => match error.kind() {
                    // Somebody else was first, with an epoch of their own: the next try finds theirs.
                    CreateStreamErrorKind::JetStream(ref why) if why.error_code() == ErrorCode::STREAM_NAME_EXIST => {
                        Err(failed("CREATE", "created by somebody else just now".to_owned()))
                    }
                    _ => Err(failed("CREATE", error.to_string())),
                },
            },
        }
    }
}

fn verify(stream: Stream, found: &async_nats::jetstream::stream::Config) -> Result<(), OpenError> {
    let mut differences = stream.drift(found);
    if stream == Stream::Events && epoch_of(found).is_none() {
        differences.push(format!("metadata {EPOCH_KEY} is no UUID"));
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(OpenError::Drift { stream: stream.name(), differences: differences.join("; ") })
}
