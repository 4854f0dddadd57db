//! Creating or verifying a stream.

use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::{Context, ErrorCode};
use tokio::time::Instant;

use crate::error::OpenError;
use crate::streams::{EPOCH_KEY, Stream, epoch_of};

/// Between tries while the server's JetStream isn't ready yet.
const RETRY_EVERY: Duration = Duration::from_millis(100);

/// Sees to it that the stream is there and as the file in `nats/streams` says. Several services may do this at once: one
/// creates, the others find it.
pub(super) async fn create_or_verify(
    context: &Context,
    stream: Stream,
    replicas: usize,
    within: Duration,
) -> Result<(), OpenError> {
    let deadline = Instant::now() + within;
    loop {
        match try_once(context, stream, replicas).await {
            Err(OpenError::Stream { .. }) if Instant::now() + RETRY_EVERY < deadline => {
                tokio::time::sleep(RETRY_EVERY).await;
            }
            done => return done,
        }
    }
}

async fn try_once(context: &Context, stream: Stream, replicas: usize) -> Result<(), OpenError> {
    let failed = |cause: String| OpenError::Stream { stream: stream.name(), cause };
    match context.get_stream(stream.name()).await {
        Ok(found) => verify(stream, &found.cached_info().config),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(ref why) if why.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                match context.create_stream(stream.config_to_create(replicas)).await {
                    Ok(created) => verify(stream, &created.cached_info().config),
                    Err(error) => match error.kind() {
                        // Somebody else was first, with an epoch of their own: the next try finds theirs.
                        CreateStreamErrorKind::JetStream(ref why)
                            if why.error_code() == ErrorCode::STREAM_NAME_EXIST =>
                        {
                            Err(failed("created by somebody else just now".to_owned()))
                        }
                        _ => Err(failed(error.to_string())),
                    },
                }
            }
            _ => Err(failed(error.to_string())),
        },
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
