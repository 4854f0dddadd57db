//! The log on a real nats-server, 2.15 or newer.
//!
//! On async-nats 0.51 with our own atomic batches (ADR-50, `publish.rs`) and batched and bulk direct gets (ADR-31,
//! `direct.rs`): `jetstream-extra` 0.3.0, by the same makers, has both, but on async-nats 0.48. Two versions of a client
//! would mean two connections and two sets of types; when it moves up, these two files can go.

mod connect;
mod consume;
mod denial;
mod direct;
mod feed;
mod inspect;
mod publish;
mod record;
mod setup;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{self, RawMessageError, RawMessageErrorKind};
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{Client, HeaderMap, Request, Subscriber, header};
use bytes::Bytes;
use futures_util::StreamExt;
use klatch_domain::{Epoch, MessageId, Seq, Timestamp};
use klatch_service::traces::Traceparent;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::broker::{Record, Signals, Status};
use crate::error::{AppendError, EraseError, OpenError, QueryError, ReadError};
use crate::options::{Missing, Options};
use crate::streams::{EPOCH_KEY, Stream, epoch_of};
use connect::Told;
use setup::Setup;

pub use connect::connect;
pub(crate) use feed::Feed;
pub use inspect::{AccountLimits, AccountUse, Inspection, StreamFound, Unseen};
pub(crate) use record::{from_delivery, trace_of};

/// A connection, and the streams behind it.
#[derive(Debug)]
pub(crate) struct JetStream {
    client: Client,
    context: Context,
    told: Arc<Told>,
    setup: Setup,
    /// How long one try of a read may take.
    read_patience: Duration,
    /// Messages that a subscription holds: no more may be on their way to it at once.
    buffered_max: usize,
    /// Ends the keeping of the presence, which holds the connection.
    _keeping: DropGuard,
}

/// An answer of the server about a stream, and the server's clock beside it, which the library leaves out.
#[derive(serde::Deserialize)]
struct Informed {
    #[serde(flatten)]
    info: stream::Info,
    #[serde(default)]
    ts: Option<String>,
}

fn is_leaderless(info: &stream::Info) -> bool {
    info.cluster.as_ref().is_some_and(|cluster| cluster.leader.as_ref().is_none_or(String::is_empty))
}

impl JetStream {
    /// Connects, and creates or verifies the streams.
    pub(crate) async fn open(options: &Options) -> Result<JetStream, OpenError> {
        let told = Arc::new(Told::default());
        let client = connect::open(options, &told).await?;
        let context =
            async_nats::jetstream::context::ContextBuilder::new().timeout(options.read_patience).build(client.clone());
        let setup = Setup {
            context: context.clone(),
            told: told.clone(),
            replicas: options.replicas,
            missing: options.missing,
        };
        for stream in &options.streams {
            setup.stream(*stream, options.open_deadline).await?;
        }
        let keeping = CancellationToken::new();
        if options.missing == Missing::Create && options.streams.contains(&Stream::Presence) {
            let kept = setup.clone().keep_presence(told.signals.reconnects.subscribe());
            tokio::spawn(keeping.clone().run_until_cancelled_owned(kept));
        }
        Ok(JetStream {
            client,
            context,
            told,
            setup,
            read_patience: options.read_patience,
            buffered_max: options.live_buffered_max,
            _keeping: keeping.drop_guard(),
        })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn signals(&self) -> &Signals {
        &self.told.signals
    }

    /// Why a request that had no answer had none, where the server refused it since `begun`.
    fn denied(&self, subject: &str, begun: Instant) -> Option<String> {
        self.told.denials.of_publish(subject, begun).map(|denial| denial.to_string())
    }

    /// The same of a request to JetStream about a stream; without a denial, `error`.
    fn cause(&self, verb: &str, stream: Stream, begun: Instant, error: &impl std::fmt::Display) -> String {
        let subject = format!("$JS.API.{verb}.{}", stream.name());
        self.denied(&subject, begun).unwrap_or_else(|| error.to_string())
    }

    async fn stream(&self, stream: Stream) -> stream::Stream<()> {
        let handle = self.context.get_stream_no_info(stream.name()).await;
        handle.expect("our streams' names are valid, and nothing else is looked at")
    }

    pub(crate) async fn last(&self, stream: Stream, subject: &str) -> Result<Option<Record>, ReadError> {
        let begun = Instant::now();
        let request = self.stream(stream).await.raw_message_builder().last_by_subject(subject);
        self.raw(stream, begun, request.send().await)
    }

    pub(crate) async fn next(&self, stream: Stream, subject: &str, from: Seq) -> Result<Option<Record>, ReadError> {
        let begun = Instant::now();
        let request = self.stream(stream).await.raw_message_builder().next_by_subject(subject).sequence(from.0.max(1));
        self.raw(stream, begun, request.send().await)
    }

    pub(crate) async fn at(&self, stream: Stream, seq: Seq) -> Result<Option<Record>, ReadError> {
        if seq == Seq::ZERO {
            return Ok(None);
        }
        let begun = Instant::now();
        self.raw(stream, begun, self.stream(stream).await.raw_message_builder().sequence(seq.0).send().await)
    }

    fn raw(
        &self,
        stream: Stream,
        begun: Instant,
        answer: Result<StreamMessage, RawMessageError>,
    ) -> Result<Option<Record>, ReadError> {
        match answer {
            Ok(message) => Ok(Some(record::from_stream(message))),
            Err(error) => match error.kind() {
                RawMessageErrorKind::NoMessageFound => Ok(None),
                RawMessageErrorKind::JetStream(error) => Err(api_error(&error)),
                _ => Err(ReadError::Unavailable(self.cause("STREAM.MSG.GET", stream, begun, &error))),
            },
        }
    }

    pub(crate) async fn status(&self, stream: Stream) -> Result<Status, ReadError> {
        let Informed { info, ts } = self.info(stream).await?;
        let at = ts.and_then(|ts| Timestamp::parse(&ts));
        Ok(Status { last_seq: Seq(info.state.last_sequence), epoch: epoch_of(&info.config), at })
    }

    /// Not by the library's own `get_info`: that hides the server's error number.
    ///
    /// A stream that lost its leader is told of by any replica (nats-server 2.15), whose end may be behind that of the log:
    /// that is no answer.
    async fn info(&self, stream: Stream) -> Result<Informed, ReadError> {
        let begun = Instant::now();
        let asked = self.context.request(format!("STREAM.INFO.{}", stream.name()), &()).await;
        let unanswered = |error| ReadError::Unavailable(self.cause("STREAM.INFO", stream, begun, &error));
        match asked.map_err(unanswered)? {
            Response::Ok::<Informed>(Informed { info, .. }) if is_leaderless(&info) => Err(ReadError::NoLeader),
            Response::Ok(informed) => Ok(informed),
            Response::Err { error } => Err(api_error(&error)),
        }
    }

    pub(crate) async fn set_epoch(&self, epoch: Epoch) -> Result<(), ReadError> {
        let mut config = self.info(Stream::Events).await?.info.config;
        config.metadata.insert(EPOCH_KEY.to_owned(), epoch.to_string());
        let begun = Instant::now();
        let updated = self.context.update_stream(config).await;
        let refused = |error| ReadError::Unavailable(self.cause("STREAM.UPDATE", Stream::Events, begun, &error));
        updated.map(drop).map_err(refused)
    }

    pub(crate) async fn listen(&self, subject: &str) -> Result<Ear, ReadError> {
        let subscriber = self.client.subscribe(subject.to_owned()).await;
        let subscriber = subscriber.map_err(|error| ReadError::Unavailable(error.to_string()))?;
        Ok(Ear { subscriber })
    }

    pub(crate) async fn say(&self, subject: String, payload: Bytes) {
        if let Err(error) = self.client.publish(subject, payload).await {
            tracing::debug!(%error, "not said");
        }
    }

    /// How often the connection was made.
    pub(crate) fn connections(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }

    /// By core NATS, under an id that a hearer can drop a repeat by.
    pub(crate) async fn tell(
        &self,
        subject: &'static str,
        id: &MessageId,
        trace: Option<Traceparent>,
        payload: Bytes,
    ) -> Result<(), AppendError> {
        if payload.len() > self.client.max_payload().saturating_sub(publish::HEADER_BYTES_MAX) {
            return Err(AppendError::TooLarge);
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_MESSAGE_ID, id.as_str());
        if let Some(trace) = trace {
            headers.insert(Traceparent::HEADER, trace.to_string());
        }
        let told = self.client.publish_with_headers(subject, headers, payload).await;
        told.map_err(|error| AppendError::Unavailable(error.to_string()))
    }

    pub(crate) async fn request(
        &self,
        subject: String,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, QueryError> {
        let begun = Instant::now();
        let request = Request::new().payload(payload).timeout(Some(timeout));
        let reply = self.client.send_request(subject.clone(), request).await.map_err(|error| match error.kind() {
            async_nats::RequestErrorKind::NoResponders => QueryError::NoResponder,
            _ => self.denied(&subject, begun).map_or(QueryError::TimedOut, QueryError::Denied),
        })?;
        match reply.headers.as_ref().and_then(service_error) {
            Some(error) => Err(error),
            None => Ok(reply.payload),
        }
    }

    pub(crate) async fn erase(&self, stream: Stream, seq: Seq) -> Result<(), EraseError> {
        use async_nats::jetstream::stream::DeleteMessageErrorKind::JetStream;
        // Without `no_erase` the server overwrites the message before it removes it (JSApiMsgDeleteRequest).
        let begun = Instant::now();
        match self.stream(stream).await.delete_message(seq.0).await {
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                JetStream(_) if matches!(self.at(stream, seq).await, Ok(None)) => Ok(()),
                JetStream(error) if error.code() < 500 => Err(EraseError::Refused(error.to_string())),
                _ => Err(EraseError::Unavailable(self.cause("STREAM.MSG.DELETE", stream, begun, &error))),
            },
        }
    }

    pub(crate) async fn purge(&self, stream: Stream, subject: &str) -> Result<(), EraseError> {
        let begun = Instant::now();
        let purged = self.stream(stream).await.purge().filter(subject).await;
        purged.map(drop).map_err(|error| EraseError::Unavailable(self.cause("STREAM.PURGE", stream, begun, &error)))
    }
}

fn api_error(error: &async_nats::jetstream::Error) -> ReadError {
    match error.error_code() {
        ErrorCode::STREAM_NOT_FOUND => ReadError::Gone,
        ErrorCode::CLUSTER_NOT_AVAILABLE => ReadError::NoLeader,
        _ => ReadError::Unavailable(error.to_string()),
    }
}

/// ADR-32: a service says in these headers that it failed, and how.
fn service_error(headers: &HeaderMap) -> Option<QueryError> {
    let text = |name: &str| headers.get_last(name).map(|value| value.as_str().to_owned());
    let code = text("Nats-Service-Error-Code")?;
    Some(QueryError::Service { code, message: text("Nats-Service-Error").unwrap_or_default() })
}

/// An open subscription.
#[derive(Debug)]
pub(crate) struct Ear {
    subscriber: Subscriber,
}

impl Ear {
    pub(crate) async fn next(&mut self) -> Option<Record> {
        self.subscriber.next().await.map(record::from_live)
    }
}
