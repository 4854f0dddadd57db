//! An operator with nothing but NATS's own tools can read the log and find the services.

use std::time::Duration;

use futures_util::StreamExt;
use klatch_tests::checker::name::Room;
use klatch_tests::cluster::{Cluster, seed};
use serde_json::{Value, json};

async fn ask(client: &async_nats::Client, subject: &str, body: Value) -> Value {
    let answer = client.request(subject.to_owned(), body.to_string().into()).await;
    let answer = answer.unwrap_or_else(|error| panic!("{subject}: {error}"));
    serde_json::from_slice(&answer.payload).expect("NATS answers in JSON")
}

/// What came on the inbox of a request that many may answer.
async fn ask_all(client: &async_nats::Client, subject: &str) -> Vec<Value> {
    const QUIET: Duration = Duration::from_secs(2);
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.expect("an inbox");
    client.publish_with_reply(subject.to_owned(), inbox, "".into()).await.expect("asked");
    let mut all = Vec::new();
    while let Ok(Some(answer)) = tokio::time::timeout(QUIET, answers.next()).await {
        all.push(serde_json::from_slice(&answer.payload).expect("NATS answers in JSON"));
    }
    all
}

/// The headers of a message as the JetStream API gives it: `NATS/1.0\r\nName: value\r\n…`, in base64.
fn headers(message: &Value) -> Vec<(String, String)> {
    let bytes = message["hdrs"].as_str().map(decode).unwrap_or_default();
    let text = String::from_utf8(bytes).expect("headers are text");
    text.lines().filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.into(), value.into())).collect()
}

fn decode(text: &str) -> Vec<u8> {
    data_encoding::BASE64.decode(text.as_bytes()).expect("the API writes base64")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_shows_readable_json_with_sensible_headers() {
    let cluster = Cluster::start(seed()).await;
    let ada = cluster.device(0, "ada").await;
    let room = Room::from("a room.with > everything");
    ada.joined(&room, None).await;
    let (message, at) = ada.say(&room, "Hello, “world” 🦀").await;

    let client = cluster.broker.client().await;
    let info = ask(&client, "$JS.API.STREAM.INFO.CHAT_EVENTS", json!({"subjects_filter": ">"})).await;
    assert_eq!(info["config"]["storage"], "file", "{info}");
    assert_eq!(info["config"]["max_age"], 0, "{info}");
    let subjects: Vec<&String> = info["state"]["subjects"].as_object().expect("subjects").keys().collect();
    assert_eq!(subjects.len(), 3, "info, member, timeline: {subjects:?}");
    assert!(
        subjects.iter().all(|subject| subject.contains(".room.a=20room=2Ewith=20=3E=20everything.")),
        "{subjects:?}"
    );

    let stored = ask(&client, "$JS.API.STREAM.MSG.GET.CHAT_EVENTS", json!({"seq": at.seq.0})).await;
    let stored = &stored["message"];
    let payload: Value =
        serde_json::from_slice(&decode(stored["data"].as_str().expect("data"))).expect("readable JSON");
    assert_eq!(payload["event"], "chat.message");
    assert_eq!(payload["v"], 1);
    assert_eq!(payload["data"]["message"], "Hello, “world” 🦀");
    assert_eq!(payload["data"]["messageId"], message.0);
    let headers = headers(stored);
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(header("Nats-Msg-Id"), Some(message.0.as_str()), "{headers:?}");
    assert!(header("Nats-Expected-Last-Subject-Sequence").is_some(), "its guard: {headers:?}");
    let guard = header("Nats-Expected-Last-Subject-Sequence-Subject").expect("the guard's subject");
    assert!(guard.ends_with(".member.ada"), "{guard}");
    assert!(headers.iter().all(|(name, _)| name.starts_with("Nats-") || name.starts_with("Klatch-")), "{headers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_projector_is_found_as_a_micro_service() {
    let cluster = Cluster::start(seed()).await;
    let client = cluster.broker.client().await;
    let found = ask_all(&client, "$SRV.PING").await;
    let projectors: Vec<_> = found.iter().filter(|service| service["name"] == "klatch-projector").collect();
    assert_eq!(projectors.len(), 1, "{found:?}");
    let info = ask_all(&client, "$SRV.INFO.klatch-projector").await;
    let endpoints = info[0]["endpoints"].as_array().expect("endpoints");
    let subjects: Vec<_> = endpoints.iter().filter_map(|endpoint| endpoint["subject"].as_str()).collect();
    for name in ["history", "rooms", "members", "digest", "status"] {
        assert!(subjects.contains(&format!("chat.query.{name}").as_str()), "{name}: {subjects:?}");
    }
}
