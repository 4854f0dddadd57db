//! Whose tokens are believed, where keys come from elsewhere, and what is not believed whatever it looks like.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use klatch_eventlog::Log;
use klatch_testkit::{NatsServer, eventually};
use serde_json::{Value, json};

use crate::issuer::{Accounts, ISSUER, Signer, claims};
use crate::over_nats;
use crate::people::{Edge, token};

const BOUND: Duration = Duration::from_secs(20);

async fn with_accounts(log: &Log) -> Edge {
    Edge::start(log, |config| config.auth.accounts = Some(true)).await
}

async fn believes(edge: &Edge, token: &str) -> bool {
    edge.dial(Some(token)).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_the_accounts_are_believed_by_the_keys_that_they_publish_then() {
    let server = NatsServer::start().await;
    let edge = with_accounts(&over_nats(&server).await).await;
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    assert!(believes(&edge, &token("ada")).await, "it serves without accounts");
    assert!(!believes(&edge, &old.token("ada", ISSUER)).await, "nobody has said whose key that is");

    let accounts = Accounts::start(&server.client().await, &[old.jwk()]).await;
    assert!(believes(&edge, &old.token("ada", ISSUER)).await, "a key that is not known is asked for at once");
    assert!(!believes(&edge, &old.token("ada", "klatch")).await, "the accounts say what iss is in their tokens");

    accounts.publish(&[old.jwk(), new.jwk()]);
    let by_new = new.token("ada", ISSUER);
    eventually(BOUND, "the new key", || async { if believes(&edge, &by_new).await { Ok(()) } else { Err("no") } })
        .await;
    assert!(believes(&edge, &old.token("ada", ISSUER)).await, "tokens of the old one hold on");

    let asked = accounts.asked.load(Ordering::Relaxed);
    for n in 0..40 {
        assert!(!believes(&edge, &Signer::new(&n.to_string()).token("ada", ISSUER)).await);
    }
    assert_eq!(accounts.asked.load(Ordering::Relaxed), asked, "whoever makes up keys has nobody asked");
    assert!(!believes(&edge, &Signer::new("new").token("ada", ISSUER)).await, "the name of a key is not the key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_key_is_no_shared_secret() {
    let server = NatsServer::start().await;
    let signer = Signer::new("k");
    Accounts::start(&server.client().await, &[signer.jwk()]).await;
    let edge = with_accounts(&over_nats(&server).await).await;
    let good = signer.token("ada", ISSUER);
    assert!(believes(&edge, &good).await);

    let x = data_encoding::BASE64URL_NOPAD.decode(signer.x.as_bytes()).unwrap();
    for secret in [x, signer.x.as_bytes().to_vec(), signer.jwk().to_string().into_bytes()] {
        for kid in [Some("k".to_owned()), None] {
            let header = Header { kid, ..Header::new(Algorithm::HS256) };
            let forged = encode(&header, &claims("ada", ISSUER), &EncodingKey::from_secret(&secret)).unwrap();
            assert!(!believes(&edge, &forged).await);
        }
    }
    let (_, rest) = good.split_once('.').unwrap();
    let signature = rest.split_once('.').unwrap().1;
    let payload = rest.split_once('.').unwrap().0;
    for alg in ["none", "None", "HS256", "ES256", "RS256", "PS256"] {
        let header = json!({"alg": alg, "typ": "JWT", "kid": "k"}).to_string();
        let header = data_encoding::BASE64URL_NOPAD.encode(header.as_bytes());
        assert!(!believes(&edge, &format!("{header}.{payload}.{signature}")).await, "{alg}");
        assert!(!believes(&edge, &format!("{header}.{payload}.")).await, "{alg}");
    }
    let other = data_encoding::BASE64URL_NOPAD.encode(claims("ben", ISSUER).to_string().as_bytes());
    let head = good.split('.').next().unwrap();
    assert!(!believes(&edge, &format!("{head}.{other}.{signature}")).await);
}

/// Serves over HTTP on this machine; where.
async fn serve(routes: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum_serve(listener, routes).await });
    format!("http://{address}")
}

/// axum's own `serve` is a feature that the edge does without.
async fn axum_serve(listener: tokio::net::TcpListener, routes: Router) {
    while let Ok((socket, _)) = listener.accept().await {
        let service = hyper_util::service::TowerToHyperService::new(routes.clone());
        let socket = hyper_util::rt::TokioIo::new(socket);
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(socket, service));
    }
}

async fn with_keys_at(url: String) -> Edge {
    Edge::start(&Log::memory(), |config| {
        config.auth.keys.clear();
        config.auth.jwks_url = Some(url);
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_keys_come_from_their_address_and_from_nowhere_else() {
    let signer = Signer::new("k");
    let secret = "a-secret-that-was-published-by-mistake";
    let oct = json!({"kty": "oct", "kid": "oct", "alg": "HS256",
        "k": data_encoding::BASE64URL_NOPAD.encode(secret.as_bytes())});
    let set = json!({"keys": [oct, {"kty": "unheard of"}, signer.jwk()]}).to_string();
    let large = format!("{}{}", " ".repeat(300 * 1024), set);
    let served = set.clone();
    let routes = Router::new()
        .route("/jwks", get(move || async move { served.clone() }))
        .route("/moved", get(|| async { Redirect::temporary("/jwks") }))
        .route("/large", get(move || async move { large.clone() }))
        .route("/broken", get(move || async move { (StatusCode::BAD_GATEWAY, set.clone()).into_response() }));
    let base = serve(routes).await;
    let good = signer.token("ada", "klatch");

    let edge = with_keys_at(format!("{base}/jwks")).await;
    assert!(believes(&edge, &good).await);
    assert!(!believes(&edge, &signer.token("ada", ISSUER)).await, "iss is what auth.issuer says");
    let header = Header { kid: Some("oct".into()), ..Header::default() };
    let key = EncodingKey::from_secret(secret.as_bytes());
    assert!(!believes(&edge, &encode(&header, &claims("ada", "klatch"), &key).unwrap()).await);

    for path in ["moved", "large", "broken", "nothing"] {
        assert!(!believes(&with_keys_at(format!("{base}/{path}")).await, &good).await, "{path}");
    }
}

#[test]
fn an_address_that_others_could_answer_at_is_refused() {
    use klatch_edge::token::{AuthConfig, Verifier};
    let at = |url: &str| Verifier::new(&AuthConfig { jwks_url: Some(url.to_owned()), ..AuthConfig::default() });
    for bad in
        ["http://keys.example.com/jwks", "ftp://localhost/jwks", "keys.example.com", "http://127.0.0.1.example.com"]
    {
        let refused = at(bad).expect_err("not safe").to_string();
        assert!(refused.contains("auth.jwks_url"), "{refused}");
    }
    at("https://keys.example.com/jwks").expect("https is");
    at("http://localhost:8080/jwks").expect("this machine is");
}

#[tokio::test]
async fn an_unknown_key_in_mid_session_is_asked_for_too() {
    let server = NatsServer::start().await;
    let edge = with_accounts(&over_nats(&server).await).await;
    let mut ada = edge.dial(None).await.expect("a first frame may bring the token");
    let signer = Signer::new("k");
    Accounts::start(&server.client().await, &[signer.jwk()]).await;
    let acked: Value = ada.ask("chat.auth", json!({"token": signer.token("ada", ISSUER)})).await.expect("believed");
    assert_eq!(acked["userId"], "ada");
}
