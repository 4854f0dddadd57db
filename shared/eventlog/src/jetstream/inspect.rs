//! Looking at an installation without touching it: nothing is created, changed or awaited, and what is not as it must be
//! is told like everything else.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer;
use async_nats::jetstream::response::Response;
use async_nats::{Client, Request, RequestErrorKind, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt;
use klatch_domain::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use super::connect::{self, Told};
use super::{Informed, stream};
use crate::error::OpenError;
use crate::options::Options;

/// Most answers that a survey takes.
const ANSWERS_MAX: usize = 256;

/// A connection that only looks.
#[derive(Debug)]
pub struct Inspection {
    client: Client,
    told: Arc<Told>,
    patience: Duration,
}

/// Why something was not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unseen {
    /// It is not there.
    Missing,
    /// Our NATS user may not look: which right is wanting.
    Denied(String),
    /// Nobody answers at this subject.
    NoResponder,
    /// No answer in time, or one that can't be read.
    Unanswered(String),
    /// The server says why not.
    Refused(String),
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unseen::Missing => f.write_str("it is not there"),
            Unseen::NoResponder => f.write_str("nobody answers"),
            Unseen::Denied(why) | Unseen::Unanswered(why) | Unseen::Refused(why) => f.write_str(why),
        }
    }
}

/// A stream as the server tells it.
#[derive(Debug)]
pub struct StreamFound {
    /// Its settings, its state, its copies.
    pub info: stream::Info,
    /// The server's clock as it answered.
    pub at: Option<Timestamp>,
}

/// What the account uses of JetStream, and may use; a limit of -1 is none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AccountUse {
    /// Bytes on disk.
    #[serde(default)]
    pub storage: u64,
    /// Bytes in memory.
    #[serde(default)]
    pub memory: u64,
    /// The limits.
    #[serde(default)]
    pub limits: AccountLimits,
}

/// See [`AccountUse`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct AccountLimits {
    /// Bytes on disk.
    #[serde(default)]
    pub max_storage: i64,
    /// Bytes in memory.
    #[serde(default)]
    pub max_memory: i64,
}

impl Inspection {
    /// Connects, under the options' deadline. Neither streams nor consumers are looked at yet.
    pub async fn open(options: &Options) -> Result<Inspection, OpenError> {
        let told = Arc::new(Told::default());
        let client = connect::open(options, &told).await?;
        Ok(Inspection { client, told, patience: options.read_patience })
    }

    /// The connection.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A stream by its name.
    pub async fn stream(&self, name: &str) -> Result<StreamFound, Unseen> {
        let Informed { info, ts } = self.api(&format!("STREAM.INFO.{name}")).await?;
        Ok(StreamFound { info, at: ts.and_then(|ts| Timestamp::parse(&ts)) })
    }

    /// A consumer of a stream.
    pub async fn consumer(&self, of_stream: &str, name: &str) -> Result<consumer::Info, Unseen> {
        self.api(&format!("CONSUMER.INFO.{of_stream}.{name}")).await
    }

    /// What a stream's consumers are called; the first page of them.
    pub async fn consumers(&self, of_stream: &str) -> Result<Vec<String>, Unseen> {
        #[derive(Deserialize)]
        struct Names {
            consumers: Option<Vec<String>>,
        }
        let names: Names = self.api(&format!("CONSUMER.NAMES.{of_stream}")).await?;
        Ok(names.consumers.unwrap_or_default())
    }

    /// What our account uses of JetStream.
    pub async fn account(&self) -> Result<AccountUse, Unseen> {
        self.api("INFO").await
    }

    async fn api<T: DeserializeOwned>(&self, verb: &str) -> Result<T, Unseen> {
        match self.ask(&format!("$JS.API.{verb}")).await? {
            Response::Ok(answer) => Ok(answer),
            // Stream, consumer.
            Response::Err { error } if matches!(error.error_code().0, 10_059 | 10_014) => Err(Unseen::Missing),
            Response::Err { error } => Err(Unseen::Refused(error.to_string())),
        }
    }

    /// Asks a question without a body.
    pub async fn ask<T: DeserializeOwned>(&self, subject: &str) -> Result<T, Unseen> {
        let begun = Instant::now();
        let request = Request::new().payload(Bytes::new()).timeout(Some(self.patience));
        let answer = tokio::select! {
            denial = self.told.denials.wait(subject, begun) => return Err(Unseen::Denied(denial.wanting())),
            answer = self.client.send_request(subject.to_owned(), request) => answer,
        };
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => Unseen::NoResponder,
            _ => Unseen::Unanswered(format!("{subject}: {error}")),
        })?;
        let unreadable = |error| Unseen::Unanswered(format!("{subject} is answered with what can't be read: {error}"));
        serde_json::from_slice(&answer.payload).map_err(unreadable)
    }

    /// Asks everybody who listens, and takes what comes until nothing came for `quiet`. Nobody is no error.
    pub async fn survey(&self, subject: &str, quiet: Duration) -> Result<Vec<Bytes>, Unseen> {
        let begun = Instant::now();
        let unanswered = |error: &dyn fmt::Display| Unseen::Unanswered(format!("{subject}: {error}"));
        let inbox = self.client.new_inbox();
        let mut answers = self.client.subscribe(inbox.clone()).await.map_err(|error| unanswered(&error))?;
        let asked = self.client.publish_with_reply(subject.to_owned(), inbox, Bytes::new()).await;
        asked.map_err(|error| unanswered(&error))?;
        let mut taken = Vec::new();
        let collecting = async {
            while taken.len() < ANSWERS_MAX
                && let Ok(Some(answer)) = timeout(quiet, answers.next()).await
                && answer.status != Some(StatusCode::NO_RESPONDERS)
            {
                taken.push(answer.payload);
            }
        };
        tokio::select! {
            denial = self.told.denials.wait(subject, begun) => Err(Unseen::Denied(denial.wanting())),
            () = collecting => Ok(taken),
        }
    }
}
