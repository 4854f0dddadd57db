//! `/auth/…`, `/api/users` and the published keys over HTTP, as the edge passes them on.

use klatch_eventlog::Log;
use klatch_testkit::NatsServer;
use serde_json::{Value, json};

use crate::issuer::{Accounts, Signer};
use crate::over_nats;
use crate::people::{Edge, token};

struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Answer {
    async fn of(request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await.expect("a body");
        Answer { status, headers, body: serde_json::from_str(&body).unwrap_or(Value::String(body)) }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    fn refusal(&self) -> (u16, &str) {
        assert_eq!(self.header("content-type"), "application/problem+json");
        (self.status, self.body["code"].as_str().expect("a code"))
    }
}

fn url(edge: &Edge, path: &str) -> String {
    format!("http://{}{path}", edge.address)
}

async fn post(edge: &Edge, path: &str, body: Value) -> Answer {
    let request = reqwest::Client::new().post(url(edge, path)).header("content-type", "application/json");
    Answer::of(request.body(body.to_string())).await
}

async fn get(edge: &Edge, path: &str, user: Option<&str>) -> Answer {
    let mut request = reqwest::Client::new().get(url(edge, path));
    if let Some(user) = user {
        request = request.header("authorization", format!("Bearer {}", token(user)));
    }
    Answer::of(request).await
}

async fn served(change: impl FnOnce(&mut klatch_edge::Config)) -> (NatsServer, Accounts, Edge) {
    let server = NatsServer::start().await;
    let accounts = Accounts::start(&server.client().await, &[Signer::new("k").jwk()]).await;
    let edge = Edge::start(&over_nats(&server).await, |config| {
        config.auth.accounts = Some(true);
        change(config);
    })
    .await;
    (server, accounts, edge)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_ask_reaches_the_accounts_with_the_address_that_they_ask_from() {
    let (_server, accounts, edge) = served(|config| config.proxies = 1).await;
    let registered = post(&edge, "/auth/register", json!({"username": "ada", "password": "p", "phone": 1})).await;
    assert_eq!((registered.status, &registered.body["username"]), (201, &json!("ada")));
    assert!(registered.body["message"].is_string());
    let verified = post(&edge, "/auth/verify", json!({"email": "a@b.example", "otp": 1_234, "role": "admin"})).await;
    assert_eq!(verified.status, 200);
    let body = json!({"username": "ada", "email": "a@b.example", "password": "p"}).to_string();
    let login = reqwest::Client::new().post(url(&edge, "/auth/login")).header("content-type", "application/json");
    let login = Answer::of(login.header("x-forwarded-for", "10.9.9.9, 192.0.2.7").body(body)).await;
    assert_eq!((login.status, login.header("cache-control")), (200, "no-store"));
    assert_eq!(login.body["refreshToken"], "r.s");
    assert_eq!(login.header("set-cookie"), "", "nobody asked for one");
    assert_eq!(post(&edge, "/auth/refresh", json!({"refreshToken": "r.s"})).await.status, 200);
    assert_eq!(post(&edge, "/auth/logout", json!({"refreshToken": "r.s"})).await.status, 200);

    let requests = accounts.requests.lock().unwrap().clone();
    let here = "127.0.0.1";
    let expected = [
        ("register", json!({"username": "ada", "password": "p", "source": here})),
        ("verify", json!({"who": {"email": "a@b.example"}, "otp": "001234", "source": here})),
        ("login", json!({"who": {"username": "ada"}, "password": "p", "source": "192.0.2.7"})),
        ("refresh", json!({"refreshToken": "r.s", "source": here})),
        ("logout", json!({"refreshToken": "r.s", "source": here})),
    ];
    assert_eq!(requests, expected.map(|(name, body)| (name.to_owned(), body)));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_problems_with_their_status() {
    let (_server, _accounts, edge) = served(|_| ()).await;
    let login = async |password: &str| post(&edge, "/auth/login", json!({"username": "a", "password": password})).await;
    assert_eq!(login("wrong").await.refusal(), (401, "not_authenticated"));
    let limited = login("too often").await;
    assert_eq!((limited.refusal(), limited.header("retry-after")), ((429, "rate_limited"), "2"));
    let bad = [json!({"password": "p"}), json!({"username": 7, "password": "p"}), json!({"username": "a"}), json!([])];
    for body in bad {
        assert_eq!(post(&edge, "/auth/login", body).await.refusal(), (400, "invalid_field"));
    }
    let large = json!({"username": "a", "password": "p".repeat(9_000)});
    assert_eq!(post(&edge, "/auth/login", large).await.refusal(), (413, "too_large"));
    let form = reqwest::Client::new().post(url(&edge, "/auth/login")).header("content-type", "text/plain");
    let form = Answer::of(form.body(r#"{"username":"a","password":"p","cookie":true}"#)).await;
    assert_eq!(form.refusal(), (400, "invalid_field"), "a form of another site can't sign anybody in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_for_who_asks_for_it_from_a_page_that_may() {
    let (_server, _accounts, edge) = served(|config| config.origins = vec!["https://chat.example.com".into()]).await;
    let login = async |origin: &str| {
        let body = r#"{"username":"a","password":"p","cookie":true}"#;
        let request = reqwest::Client::new().post(url(&edge, "/auth/login")).header("content-type", "application/json");
        Answer::of(request.header("origin", origin).body(body)).await
    };
    let cookie = login("https://chat.example.com").await;
    let expected = "access_token=a.b.c; Path=/; Max-Age=900; HttpOnly; SameSite=Lax";
    assert_eq!((cookie.status, cookie.header("set-cookie")), (200, expected));
    assert_eq!(login("https://evil.example").await.refusal(), (403, "forbidden"));
    let out = post(&edge, "/auth/logout", json!({"refreshToken": "r.s"})).await;
    assert!(out.header("set-cookie").starts_with("access_token=; Path=/; Max-Age=0;"), "{}", out.header("set-cookie"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_signed_in_sees_themselves_and_finds_others() {
    let (_server, accounts, edge) = served(|_| ()).await;
    let me = get(&edge, "/auth/me", Some("ada")).await;
    assert_eq!(me.body, json!({"userId": "ada", "username": "ADA", "email": "ada@example.com"}));
    let stranger = get(&edge, "/auth/me", Some("ben")).await;
    assert_eq!((stranger.status, stranger.body), (200, json!({"userId": "ben", "username": "BEN"})));
    let found = get(&edge, "/api/users?q=a%20d&limit=7", Some("ben")).await;
    assert_eq!(found.body, json!({"users": [{"userId": "ada", "username": "ada"}]}));
    let (name, request) = accounts.requests.lock().unwrap().last().cloned().unwrap();
    assert_eq!((&*name, request), ("people", json!({"asker": "ben", "query": "a d", "limit": 7})));

    for path in ["/auth/me", "/api/users?q=a"] {
        assert_eq!(get(&edge, path, None).await.refusal(), (401, "not_authenticated"), "{path}");
    }
    for query in ["", "?q=a&limit=0", "?q=a&limit=51", "?q=a&x=1", &format!("?q={}", "a".repeat(65))] {
        let refused = get(&edge, &format!("/api/users{query}"), Some("ben")).await;
        assert_eq!(refused.refusal(), (400, "invalid_field"), "{query}");
    }
    let keys = get(&edge, "/.well-known/jwks.json", None).await;
    assert_eq!((keys.status, &keys.body["keys"][0]["kid"]), (200, &json!("k")));
    assert_eq!(keys.body.as_object().unwrap().len(), 1);
    assert_eq!(keys.header("cache-control"), "public, max-age=300");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_accounts_the_rest_goes_on() {
    let server = NatsServer::start().await;
    let log = over_nats(&server).await;
    let away = Edge::start(&log, |config| config.auth.accounts = Some(true)).await;
    let none = Edge::start(&log, |_| ()).await;
    let memory = Edge::start(&Log::memory(), |config| config.auth.accounts = Some(true)).await;
    let body = || json!({"username": "a", "password": "p"});
    for path in ["/auth/login", "/auth/register"] {
        assert_eq!(post(&away, path, body()).await.refusal(), (503, "unavailable"));
        assert_eq!(post(&memory, path, body()).await.refusal(), (503, "unavailable"));
        assert_eq!(post(&none, path, body()).await.refusal(), (404, "not_found"));
    }
    assert_eq!(get(&away, "/.well-known/jwks.json", None).await.refusal(), (503, "unavailable"));
    assert_eq!(get(&away, "/auth/me", Some("ada")).await.refusal(), (503, "unavailable"));
    assert_eq!(get(&none, "/auth/me", Some("ada")).await.body["userId"], "ada");
    assert_eq!(get(&none, "/api/users?q=a", Some("ada")).await.refusal(), (404, "not_found"));
}
