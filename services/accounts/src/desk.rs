//! Where requests are answered: each by its name, what it needs at hand. What they do stands in `opening.rs` (register and
//! verify), `sessions.rs` (login, refresh, logout) and here (the rest, which only reads).

use std::net::IpAddr;
use std::time::Instant;

use klatch_domain::UserId;
use klatch_wire::Code;
use klatch_wire::account::{AccountUser, JwksResponse, MeRequest, PeopleRequest, PeopleResponse, name};
use klatch_wire::native::server::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use crate::attempts::{Attempts, Tried};
use crate::bucket::{Bucket, BucketError};
use crate::clock::Clock;
use crate::config::Config;
use crate::directory::Directory;
use crate::mail::Post;
use crate::name::Folded;
use crate::numbers::Numbers;
use crate::password::Hasher;
use crate::record::{self, Account};
use crate::signing::KeyRing;

/// How often something is read again and decided again that others change at the same time.
pub(crate) const CHANGE_TRIES: usize = 16;

/// Everything that a request can need.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) config: Config,
    pub(crate) bucket: Bucket,
    pub(crate) keys: KeyRing,
    pub(crate) hasher: Hasher,
    pub(crate) attempts: Attempts,
    pub(crate) post: Post,
    pub(crate) directory: Directory,
    pub(crate) clock: Clock,
    pub(crate) numbers: Numbers,
    pub(crate) waiting: Semaphore,
}

impl Desk {
    /// Answers a request by its name.
    pub(crate) async fn answer(&self, request: &str, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let begun = Instant::now();
        let busy = |_| Failure::new(Code::Unavailable, "too many requests wait: try again later");
        let _waiting = self.waiting.try_acquire().map_err(busy)?;
        let answer = match request {
            name::REGISTER => encode(self.register(parse(body)?).await),
            name::VERIFY => encode(self.verify(parse(body)?).await),
            name::LOGIN => encode(self.login(parse(body)?).await),
            name::REFRESH => encode(self.refresh(parse(body)?).await),
            name::LOGOUT => encode(self.logout(parse(body)?).await),
            name::ME => encode(self.me(parse(body)?).await),
            name::JWKS => encode(Ok(self.jwks())),
            name::PEOPLE => encode(self.people(&parse(body)?)),
            _ => Err(Failure::new(Code::InvalidField, "there is no such request")),
        };
        if let Some(kind) = name::ALL.into_iter().find(|name| *name == request) {
            self.numbers.answered(kind, answer.as_ref().err().map(|failure| failure.code));
        }
        self.numbers.request_seconds.observe(begun.elapsed().as_secs_f64());
        answer
    }

    async fn me(&self, request: MeRequest) -> Result<AccountUser, Failure> {
        let account = self.account(&Folded::of(&request.asker)).await?;
        // Another token's person may be called the same but for the case.
        let account = account.filter(|account| account.user_id == request.asker);
        account.map(AccountUser::from).ok_or_else(|| Failure::new(Code::NotFound, "this person has no account here"))
    }

    fn jwks(&self) -> JwksResponse {
        let (issuer, audience) = (self.config.issuer.clone(), self.config.audience.clone());
        JwksResponse { issuer, audience, keys: self.keys.public() }
    }

    fn people(&self, request: &PeopleRequest) -> Result<PeopleResponse, Failure> {
        self.attempts.of_search(&request.asker)?;
        Ok(PeopleResponse { users: self.directory.search(request) })
    }

    /// One more request from there, about somebody.
    pub(crate) fn admit(&self, source: Option<IpAddr>, who: &Tried) -> Result<(), Failure> {
        self.attempts.at_source(source)?;
        self.attempts.at_account(who)
    }

    pub(crate) async fn account(&self, name: &Folded) -> Result<Option<Account>, Failure> {
        Ok(self.bucket.get::<Account>(&record::account(name)).await.map_err(failed)?.value)
    }
}

impl From<Account> for AccountUser {
    fn from(account: Account) -> Self {
        let username = UserId::to_string(&account.user_id);
        let email = account.email.map(|email| email.as_str().to_owned());
        AccountUser { user_id: account.user_id, username, email }
    }
}

/// What a client may know of it; the log has the rest.
pub(crate) fn failed(error: BucketError) -> Failure {
    match error {
        BucketError::Damaged { .. } => {
            tracing::error!(%error, "the bucket holds what can't be read");
            Failure::new(Code::Internal, "the account can't be read: this is a fault of the server")
        }
        BucketError::Conflict | BucketError::Unavailable(_) => {
            tracing::warn!(%error, "a request could not be carried out");
            Failure::new(Code::Unavailable, "the accounts can't be reached now: try again")
        }
    }
}

fn parse<R: DeserializeOwned>(body: &[u8]) -> Result<R, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::new(Code::InvalidField, error.to_string()))
}

fn encode(answer: Result<impl Serialize, Failure>) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(&answer?).map_err(|error| Failure::new(Code::Internal, error.to_string()))
}
