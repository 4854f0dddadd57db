//! The service itself, in several copies on one broker, as edges meet it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_nats::Client;
use futures_util::TryStreamExt;
use klatch_eventlog::subject;
use klatch_service::{Health, Metrics};
use klatch_testkit::{NatsServer, eventually};
use klatch_wire::account::{
    FoundPerson, Hidden, LoginRequest, PeopleRequest, PeopleResponse, RegisterRequest, SERVICE, Tokens, VerifyRequest,
    VerifyResponse, Who, name,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::scene::{BOUND, PASSWORD};
use crate::{Config, RunError, run};

const DEV_CODE: &str = "123456";

async fn start(server: &NatsServer, shutdown: CancellationToken) -> JoinHandle<Result<(), RunError>> {
    start_on(&Handle::current(), server, shutdown).await
}

async fn start_on(
    runtime: &Handle,
    server: &NatsServer,
    shutdown: CancellationToken,
) -> JoinHandle<Result<(), RunError>> {
    let rates = Config::default().rates.for_development();
    let config = Config { dev_codes: true, rates, ..Config::default() };
    let (health, url) = (Health::new(), server.url());
    let ready = health.condition("accounts", "starting");
    let running = runtime.spawn(async move {
        let client = async_nats::connect(url).await.expect("a connection");
        run(config, client, shutdown, ready, &Metrics::new()).await
    });
    assert!(health.settled().await.ready);
    running
}

/// The answer; the error's code where there is one, and none where nobody answers.
async fn ask<A: DeserializeOwned>(client: &Client, name: &str, request: &impl Serialize) -> Result<A, String> {
    let asked = client.request(subject::account(name), serde_json::to_vec(request).unwrap().into());
    let answered = tokio::time::timeout(std::time::Duration::from_secs(5), asked).await;
    let reply = answered.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())?;
    match reply.headers.as_ref().and_then(|headers| headers.get_last("Nats-Service-Error-Code")) {
        Some(code) => Err(code.to_string()),
        None => Ok(serde_json::from_slice(&reply.payload).unwrap()),
    }
}

fn registering(username: &str) -> RegisterRequest {
    let email = Some(format!("{username}@example.com"));
    RegisterRequest { username: username.to_owned(), email, password: Hidden::new(PASSWORD), source: None }
}

/// Goes on until the person can sign in, as somebody would whose requests get no answer now and then.
async fn sign_up(client: &Client, username: &str) -> Result<Tokens, String> {
    let who = || Who::Username(username.to_owned());
    let login = LoginRequest { who: who(), password: Hidden::new(PASSWORD), source: None };
    let registered: Result<serde_json::Value, _> = ask(client, name::REGISTER, &registering(username)).await;
    registered?;
    let verify = VerifyRequest { who: who(), otp: Hidden::new(DEV_CODE), source: None };
    // A code that was taken without an answer is used: signing in says which.
    let _: Result<VerifyResponse, _> = ask(client, name::VERIFY, &verify).await;
    ask(client, name::LOGIN, &login).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_account_is_lost_or_doubled_when_a_copy_dies_amid_registrations() {
    const PEOPLE: usize = 24;
    let server = NatsServer::start().await;
    let shutdown = CancellationToken::new();
    let its_own = tokio::runtime::Runtime::new().expect("a runtime");
    start_on(its_own.handle(), &server, shutdown.clone()).await;
    let lives = start(&server, shutdown.clone()).await;
    let client = server.client().await;
    let done = Arc::new(AtomicUsize::new(0));
    let people: Vec<_> = (0..PEOPLE)
        .map(|n| {
            let (client, done) = (client.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let name = format!("person{n}");
                let tokens = eventually(BOUND * 3, &name, || sign_up(&client, &name)).await;
                done.fetch_add(1, Ordering::Relaxed);
                assert_eq!(tokens.user.username, name);
            })
        })
        .collect();
    eventually(BOUND, "the first to be through", || async {
        let through = done.load(Ordering::Relaxed);
        if through > 0 { Ok(()) } else { Err(through) }
    })
    .await;
    // As when a process is killed: every task of it ends where it stands, and its connection with them.
    its_own.shutdown_background();
    for person in people {
        person.await.expect("signed up");
    }
    let store = async_nats::jetstream::new(client).get_key_value(subject::ACCOUNTS_BUCKET).await.unwrap();
    let keys: Vec<String> = store.keys().await.unwrap().try_collect().await.unwrap();
    for kind in ["account.", "email."] {
        assert_eq!(keys.iter().filter(|key| key.starts_with(kind)).count(), PEOPLE, "{kind}: {keys:?}");
    }
    shutdown.cancel();
    lives.await.unwrap().expect("it ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_by_name_once_they_are_verified_whichever_copy_is_asked() {
    let server = NatsServer::start().await;
    let shutdown = CancellationToken::new();
    let copies = [start(&server, shutdown.clone()).await, start(&server, shutdown.clone()).await];
    let client = server.client().await;
    for name in ["adam", "nada"] {
        sign_up(&client, name).await.unwrap();
    }
    let _: serde_json::Value = ask(&client, name::REGISTER, &registering("adawaits")).await.unwrap();
    let request = PeopleRequest { asker: "nobody".parse().unwrap(), query: "ADA".into(), limit: 50 };
    let wanted = ["adam", "nada"].map(|id| FoundPerson { user_id: id.parse().unwrap(), username: id.into() });
    // More often in a row than there are copies.
    for _ in 0..8 {
        eventually(BOUND, "both to be found", || async {
            let found: PeopleResponse = ask(&client, name::PEOPLE, &request).await.unwrap();
            if found.users == wanted { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    }
    shutdown.cancel();
    for copy in copies {
        copy.await.unwrap().expect("it ends well");
    }
}

#[tokio::test]
async fn the_service_shows_itself_and_a_bucket_that_would_forget_is_refused() {
    let server = NatsServer::start().await;
    let shutdown = CancellationToken::new();
    let copy = start(&server, shutdown.clone()).await;
    let client = server.client().await;
    let reply = client.request(format!("$SRV.INFO.{SERVICE}"), "".into()).await.unwrap();
    let info: serde_json::Value = serde_json::from_slice(&reply.payload).unwrap();
    assert_eq!(info["endpoints"].as_array().unwrap().len(), name::ALL.len());
    shutdown.cancel();
    copy.await.unwrap().expect("it ends well");

    let context = async_nats::jetstream::new(client.clone());
    let stream = context.get_stream(subject::ACCOUNTS_STREAM).await.unwrap();
    let mut config = stream.cached_info().config.clone();
    config.max_age = std::time::Duration::from_secs(3_600);
    context.update_stream(config).await.unwrap();
    let ready = Health::new().condition("accounts", "starting");
    let refused = run(Config::default(), client, CancellationToken::new(), ready, &Metrics::new()).await.unwrap_err();
    assert!(refused.to_string().contains("max_age is 3600s"), "{refused}");
}
