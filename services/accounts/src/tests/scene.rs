//! A broker, copies of the accounts, a clock that tests turn, and a letter box.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use klatch_domain::{Timestamp, UserId};
use klatch_service::Metrics;
use klatch_testkit::NatsServer;
use klatch_wire::account::{
    AccountUser, Hidden, LoginRequest, RefreshRequest, RegisterRequest, Tokens, VerifyRequest, Who,
};
use klatch_wire::native::server::Failure;
use tokio::sync::mpsc;

use crate::bucket::Bucket;
use crate::clock::Clock;
use crate::config::Config;
use crate::desk::Desk;
use crate::mail::{Letter, Post};
use crate::name::Folded;
use crate::numbers::Numbers;
use crate::record;
use crate::registrations::Registrations;
use crate::signing::KeyRing;

/// What does not happen within this time does not happen.
pub(super) const BOUND: Duration = Duration::from_secs(20);
pub(super) const PASSWORD: &str = "correct horse battery staple";
/// 2026-01-01.
const BEGIN_MS: i64 = 1_767_225_600_000;

pub(super) struct Scene {
    pub(super) server: NatsServer,
    now_ms: Arc<AtomicI64>,
}

/// A copy of the service, and the letters that it would send.
pub(super) struct Copy {
    pub(super) desk: Arc<Desk>,
    pub(super) metrics: Metrics,
    letters: mpsc::Receiver<Letter>,
}

impl Scene {
    pub(super) async fn new() -> Scene {
        Scene { server: NatsServer::start().await, now_ms: Arc::new(AtomicI64::new(BEGIN_MS)) }
    }

    pub(super) fn turn(&self, by: Duration) {
        self.now_ms.fetch_add(by.as_millis() as i64, Ordering::Relaxed);
    }

    pub(super) async fn copy(&self) -> Copy {
        self.copy_with(Config { rates: Config::default().rates.for_development(), ..Config::default() }).await
    }

    pub(super) async fn copy_with(&self, config: Config) -> Copy {
        let bucket = Bucket::open(&self.server.client().await, 1).await.expect("a bucket");
        let now_ms = Arc::clone(&self.now_ms);
        let clock = Clock::new(move || Timestamp::from_ms(now_ms.load(Ordering::Relaxed)));
        let keys = KeyRing::open(&bucket, clock.now()).await.expect("keys");
        let metrics = Metrics::new();
        let numbers = Numbers::register(&metrics);
        let (sender, letters) = mpsc::channel(64);
        let desk = crate::desk(config, bucket, keys, Post::Mailed(sender), clock, numbers).await.expect("a desk");
        Copy { desk: Arc::new(desk), metrics, letters }
    }
}

impl Copy {
    /// Registers, and gives the code out of the letter.
    pub(super) async fn register(&mut self, username: &str, email: &str) -> Result<String, Failure> {
        self.register_with(username, email, PASSWORD).await
    }

    pub(super) async fn register_with(
        &mut self,
        username: &str,
        email: &str,
        password: &str,
    ) -> Result<String, Failure> {
        let (email, password) = (Some(email.to_owned()), Hidden::new(password));
        let request = RegisterRequest { username: username.to_owned(), email, password, source: None };
        let registered = self.desk.register(request).await?;
        assert_eq!(registered.username.as_str(), username);
        Ok(self.letters.recv().await.expect("a letter").code)
    }

    /// Somebody with an account.
    pub(super) async fn person(&mut self, username: &str) {
        let code = self.register(username, &format!("{username}@example.com")).await.expect("registered");
        self.verify(username, &code).await.expect("verified");
    }

    pub(super) async fn verify(&self, username: &str, code: &str) -> Result<UserId, Failure> {
        self.verify_as(Who::Username(username.to_owned()), code).await
    }

    pub(super) async fn verify_as(&self, who: Who, code: &str) -> Result<UserId, Failure> {
        let request = VerifyRequest { who, otp: Hidden::new(code), source: None };
        self.desk.verify(request).await.map(|verified| verified.user_id)
    }

    pub(super) async fn login(&self, username: &str, password: &str) -> Result<Tokens, Failure> {
        self.login_as(Who::Username(username.to_owned()), password).await
    }

    pub(super) async fn login_as(&self, who: Who, password: &str) -> Result<Tokens, Failure> {
        self.desk.login(LoginRequest { who, password: Hidden::new(password), source: None }).await
    }

    pub(super) async fn refresh(&self, token: &Hidden) -> Result<Tokens, Failure> {
        self.desk.refresh(RefreshRequest { refresh_token: token.clone(), source: None }).await
    }

    /// Whose account it is, as the bucket has it.
    pub(super) async fn account(&self, username: &str) -> Option<AccountUser> {
        let name = folded(username);
        self.desk.account(&name).await.expect("the bucket answers").map(AccountUser::from)
    }

    /// What waits for its code under a name, and at which revision.
    pub(super) async fn waiting(&self, username: &str) -> crate::bucket::Held<Registrations> {
        self.desk.bucket.get(&record::registration(&folded(username))).await.expect("the bucket answers")
    }
}

pub(super) fn folded(username: &str) -> Folded {
    Folded::of(&UserId::parse(username).expect("an id"))
}

/// Another code than this one.
pub(super) fn not(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}
