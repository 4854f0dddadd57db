//! Somebody who signs tokens, and publishes keys: accounts as edges meet them, without the accounts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_nats::{Client, HeaderMap};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use futures_util::StreamExt;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use klatch_eventlog::subject;
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "the-accounts";

/// A pair of keys.
pub(crate) struct Signer {
    pub(crate) kid: String,
    /// The public half, as it is published.
    pub(crate) x: String,
    pkcs8: Vec<u8>,
}

impl Signer {
    pub(crate) fn new(kid: &str) -> Signer {
        let pair = Ed25519KeyPair::generate().expect("a pair");
        let pkcs8 = pair.to_pkcs8v1().expect("a document").as_ref().to_vec();
        Signer { kid: kid.to_owned(), x: BASE64URL_NOPAD.encode(pair.public_key().as_ref()), pkcs8 }
    }

    pub(crate) fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": self.x, "alg": "EdDSA", "use": "sig", "kid": self.kid})
    }

    /// A token that holds until 2100.
    pub(crate) fn token(&self, user: &str, issuer: &str) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &claims(user, issuer), &EncodingKey::from_ed_der(&self.pkcs8)).expect("signed")
    }
}

/// What a token says that holds until 2100.
pub(crate) fn claims(user: &str, issuer: &str) -> Value {
    json!({"sub": user, "name": user, "exp": 4_102_444_800_u64, "iss": issuer, "aud": "klatch"})
}

/// Answers what edges ask of accounts; the keys are what they are at the moment.
#[derive(Clone)]
pub(crate) struct Accounts {
    keys: Arc<Mutex<Vec<Value>>>,
    /// How often the keys were asked for.
    pub(crate) asked: Arc<AtomicUsize>,
    /// What else was asked: the request's name, and its body.
    pub(crate) requests: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Accounts {
    /// Begins to answer.
    pub(crate) async fn start(client: &Client, keys: &[Value]) -> Accounts {
        let accounts =
            Accounts { keys: Arc::new(Mutex::new(keys.to_vec())), asked: Arc::default(), requests: Arc::default() };
        let mut asked = client.subscribe(subject::account("*")).await.expect("subscribed");
        client.flush().await.expect("flushed");
        let (answering, client) = (accounts.clone(), client.clone());
        tokio::spawn(async move {
            while let Some(message) = asked.next().await {
                let name = message.subject.rsplit('.').next().unwrap_or_default().to_owned();
                let body = serde_json::from_slice(&message.payload).unwrap_or_default();
                let (headers, answer) = answering.answer(&name, body);
                let reply = message.reply.expect("it is a request");
                client.publish_with_headers(reply, headers, answer.to_string().into()).await.expect("published");
            }
        });
        accounts
    }

    pub(crate) fn publish(&self, keys: &[Value]) {
        *self.keys.lock().unwrap() = keys.to_vec();
    }

    fn answer(&self, name: &str, body: Value) -> (HeaderMap, Value) {
        let mut headers = HeaderMap::new();
        if name == "jwks" {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let keys = self.keys.lock().unwrap().clone();
            return (headers, json!({"issuer": ISSUER, "audience": "klatch", "keys": keys}));
        }
        self.requests.lock().unwrap().push((name.to_owned(), body.clone()));
        let mut refuse = |code: &str| {
            headers.insert("Nats-Service-Error-Code", code);
            headers.insert("Nats-Service-Error", "no");
            headers.insert("Klatch-Retry-After-Ms", "1500");
            Value::Null
        };
        let user = json!({"userId": "ada", "username": "ada", "email": "ada@example.com"});
        let answer = match name {
            "register" => json!({"username": body["username"]}),
            "verify" => json!({"userId": "ada"}),
            "login" | "refresh" if body["password"] == "too often" => refuse("rate_limited"),
            "login" | "refresh" if body["password"] == "wrong" => refuse("not_authenticated"),
            "login" | "refresh" => json!({"token": "a.b.c", "refreshToken": "r.s", "expiresIn": 900, "user": user}),
            "me" if body["asker"] == "ada" => user,
            "me" => refuse("not_found"),
            "people" => json!({"users": [{"userId": "ada", "username": "ada"}]}),
            _ => Value::Null,
        };
        (headers, answer)
    }
}
