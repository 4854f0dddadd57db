//! The way in: who may upgrade, with what token, from where, and how long they may take.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use klatch_tests::cluster::request;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Scene;
use super::raw_socket::*;

/// The key of every server that runs with `--dev`.
const DEVELOPMENT_KEY: &str = "klatch-development-key-never-use-in-production";
const UPGRADE: [(&str, &str); 4] = [
    ("upgrade", "websocket"),
    ("connection", "Upgrade"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];
const FAR_FUTURE: u64 = 4_000_000_000;

fn token(change: impl FnOnce(&mut Value)) -> String {
    let mut claims = json!({"iss": "klatch-dev", "aud": "klatch", "sub": "mallory", "exp": FAR_FUTURE});
    change(&mut claims);
    signed(&Header::new(Algorithm::HS256), &claims, DEVELOPMENT_KEY.as_bytes())
}

fn signed(header: &Header, claims: &Value, key: &[u8]) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(key)).expect("it can be signed")
}

fn without(claim: &'static str) -> impl FnOnce(&mut Value) {
    move |claims| {
        claims.as_object_mut().expect("an object").remove(claim);
    }
}

/// `alg: none`, unsigned.
fn unsigned() -> String {
    let part = |value: Value| data_encoding::BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let claims = json!({"iss": "klatch-dev", "aud": "klatch", "sub": "mallory", "exp": FAR_FUTURE});
    format!("{}.{}.", part(json!({"alg": "none", "typ": "JWT"})), part(claims))
}

async fn upgrade(address: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    let headers: Vec<_> = UPGRADE.iter().chain(headers).copied().collect();
    request(address, "GET", path, &headers, "").await.expect("an answer").0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_does_not_hold_is_refused_before_the_upgrade() {
    let scene = Scene::open().await;
    let address = scene.address();
    let good = token(|_| ());
    let bearer = format!("Bearer {good}");
    assert_eq!(upgrade(&address, "/chat/ws", &[("authorization", &bearer)]).await, 101, "else the rest proves nothing");
    let claims = json!({"iss": "klatch-dev", "aud": "klatch", "sub": "mallory", "exp": FAR_FUTURE});
    let hs512 = signed(&Header::new(Algorithm::HS512), &claims, DEVELOPMENT_KEY.as_bytes());
    let (head, tail) = good.rsplit_once('.').expect("three parts");
    let forged = format!("{head}.{}", tail.chars().rev().collect::<String>());
    for (what, token) in [
        ("nothing but a word", "hello".to_owned()),
        ("alg: none", unsigned()),
        ("another algorithm than the key's", hs512),
        ("another key", signed(&Header::new(Algorithm::HS256), &claims, b"another key of the same length, or so")),
        ("a signature that is not its own", forged),
        ("another audience", token(|claims| claims["aud"] = json!("elsewhere"))),
        ("no audience", token(without("aud"))),
        ("another issuer", token(|claims| claims["iss"] = json!("elsewhere"))),
        ("no issuer", token(without("iss"))),
        ("no end", token(without("exp"))),
        ("an end in the past", token(|claims| claims["exp"] = json!(1_000_000_000))),
        ("nobody", token(without("sub"))),
        ("a person who is no id", token(|claims| claims["sub"] = json!("a\nb"))),
    ] {
        let bearer = format!("Bearer {token}");
        assert_eq!(upgrade(&address, "/chat/ws", &[("authorization", &bearer)]).await, 401, "{what}");
    }
    scene.goes_on().await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_counts_from_here_only_and_no_token_belongs_into_an_address() {
    let scene = Scene::open().await;
    let address = scene.address();
    let good = token(|_| ());
    let cookie = format!("theme=dark; access_token={good}");
    let own = format!("http://{address}");
    let from = |origin: &'static str| [("cookie", cookie.clone()), ("origin", origin.to_owned())];
    for foreign in ["https://evil.example", "null", "http://127.0.0.1"] {
        let headers = from(foreign);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(upgrade(&address, "/chat/ws", &headers).await, 403, "{foreign}");
    }
    assert_eq!(upgrade(&address, "/chat/ws", &[("cookie", &cookie)]).await, 101, "no origin: no browser");
    assert_eq!(upgrade(&address, "/chat/ws", &[("cookie", &cookie), ("origin", &own)]).await, 101, "its own page");
    for name in ["token", "access_token"] {
        assert_eq!(upgrade(&address, &format!("/chat/ws?{name}={good}"), &[]).await, 400, "{name}");
    }
    scene.goes_on().await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_brings_no_token_in_time_and_whose_token_ends_is_let_go_with_the_code_that_says_so() {
    let scene = Scene::open().await;
    let mut silent = RawSocket::open(&scene.address(), None).await;
    let mut early = RawSocket::open(&scene.address(), None).await;
    early.send(&frame(FIN | TEXT, br#"{"event":"chat.rooms","id":"7"}"#)).await;
    let answer = early.json().await;
    assert_eq!((answer["id"].as_str(), answer["data"]["code"].as_str()), (Some("7"), Some("not_authenticated")));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let brief = token(|claims| claims["exp"] = json!(now + 2));
    let mut expiring = RawSocket::open(&scene.address(), Some(&brief)).await;
    assert_eq!(silent.close_code().await, 4100, "no token in time");
    assert_eq!(early.close_code().await, 4100, "no token in time, for all its talking");
    assert_eq!(expiring.close_code().await, 4101, "its token ended");
    scene.goes_on().await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_is_cut_off() {
    const BOUND: Duration = Duration::from_secs(15);
    let scene = Scene::open().await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut tcp = TcpStream::connect(scene.address()).await.expect("the edge listens");
        tcp.write_all(b"GET /chat/ws HTTP/1.1\r\nhost: x\r\nx-slow: ").await.expect("it takes the beginning");
        slow.push(tcp);
    }
    scene.goes_on().await;
    for mut tcp in slow {
        let mut answer = Vec::new();
        let reading = tokio::time::timeout(BOUND, tcp.read_to_end(&mut answer)).await;
        assert!(reading.is_ok(), "it is still held open");
    }
    // A head without end, as fast as it can be sent.
    let mut tcp = TcpStream::connect(scene.address()).await.expect("the edge listens");
    tcp.write_all(b"GET /chat/ws HTTP/1.1\r\nhost: x\r\n").await.expect("it takes the beginning");
    let endless = async { while tcp.write_all(b"x-more: and more and more and more\r\n").await.is_ok() {} };
    assert!(tokio::time::timeout(BOUND, endless).await.is_ok(), "it takes a head without end");
    scene.goes_on().await;
    scene.close().await;
}
