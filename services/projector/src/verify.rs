//! Does the running projector say what the log says? A fresh fold and the projector are compared at one position.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use klatch_domain::Position;
use klatch_eventlog::{FollowError, Log, QueryError};
use klatch_wire::query::{DigestRequest, DigestResponse, name};
use uuid::Uuid;

use crate::fold::Fold;
use crate::folding::fold_up_to;
use crate::store::checkpoint::SCHEMA;
use crate::store::{Damage, Store};

const PATIENCE: Duration = Duration::from_secs(10);
const MEMORY_BYTES: usize = 32 * 1024 * 1024;
/// A message that is erased between the two folds makes them differ until its deletion is in both.
const TRIES_MAX: usize = 5;

/// What a comparison came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Where they were compared.
    pub position: Position,
    /// The running projector's digest.
    pub projector: String,
    /// The log's, folded afresh.
    pub log: String,
}

impl Verdict {
    /// Whether the projector says what the log says.
    pub fn agrees(&self) -> bool {
        self.projector == self.log
    }
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The projector gave no digest.
    #[error("the projector gives no digest: {0}")]
    Projector(#[from] QueryError),
    /// What the projector gave is none, or of another version.
    #[error("the projector's digest can't be compared: {0}")]
    Incomparable(String),
    /// The log could not be folded.
    #[error("the log can't be folded: {0}")]
    Log(#[from] FollowError),
    /// The views could not be written.
    #[error("the fresh views can't be written: {0}")]
    Views(#[from] Damage),
}

/// Folds the log afresh into a folder below `scratch` (removed in the end) and compares with the running projector.
pub async fn verify(log: &Log, scratch: &Path) -> Result<Verdict, VerifyError> {
    let dir = scratch.join(format!("klatch-verify-{}", Uuid::new_v4().simple()));
    let verdict = compare(log, &dir).await;
    if let Err(error) = std::fs::remove_dir_all(&dir)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, dir = %dir.display(), "a folder is left over");
    }
    verdict
}

async fn compare(log: &Log, dir: &Path) -> Result<Verdict, VerifyError> {
    let mut asked = digest(log).await?;
    let (dir, epoch) = (dir.to_owned(), asked.epoch);
    let opened =
        tokio::task::spawn_blocking(move || Fold::open(Store::open(&dir, MEMORY_BYTES as u64)?, epoch, MEMORY_BYTES));
    let mut fold = opened.await.map_err(|error| Damage::Panicked(error.to_string()))??;
    for tries in 1.. {
        let (folded, digest_of_log) = fold_up_to(log, fold, asked.at).await?;
        fold = folded;
        let position = Position { epoch, seq: asked.at };
        let verdict = Verdict { position, projector: asked.digest, log: digest_of_log.to_string() };
        if verdict.agrees() || tries == TRIES_MAX {
            return Ok(verdict);
        }
        asked = digest(log).await?;
        if asked.at == verdict.position.seq {
            return Ok(verdict);
        }
    }
    unreachable!("the last try returns")
}

async fn digest(log: &Log) -> Result<DigestResponse, VerifyError> {
    let request = serde_json::to_vec(&DigestRequest::default()).expect("a request has string keys");
    let answer = log.request(name::DIGEST, Bytes::from(request), PATIENCE).await?;
    let answer: DigestResponse =
        serde_json::from_slice(&answer).map_err(|error| VerifyError::Incomparable(error.to_string()))?;
    if answer.schema != SCHEMA {
        return Err(VerifyError::Incomparable(format!("its schema is {}, mine is {SCHEMA}", answer.schema)));
    }
    Ok(answer)
}
