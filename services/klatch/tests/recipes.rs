//! The recipes of docs/nats.md, read from the page itself: each is run with the nats command where there is one, else by the
//! request that stands under it. And what a restore is followed by.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use futures_util::StreamExt;
use klatch_domain::message::{MessageSent, MessageType};
use klatch_domain::{Event, MessageId, RoomId, Timestamp, UserId};
use klatch_eventlog::{Append, Entry, Log, Options};
use klatch_service::tether;
use klatch_testkit::{NatsServer, eventually};
use serde_json::{Value, json};

const BOUND: Duration = Duration::from_secs(60);
const KLATCH: &str = env!("CARGO_BIN_EXE_klatch");

/// A recipe of the page.
#[derive(Debug)]
struct Recipe {
    command: String,
    api: String,
}

fn recipes() -> Vec<Recipe> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/nats.md");
    let page = std::fs::read_to_string(page).expect("docs/nats.md");
    let blocks = page.split("```sh\n").skip(1);
    let recipe = |block: &str| {
        let (command, rest) = block.split_once("```\n").expect("a block ends");
        let api = rest.strip_prefix("<!-- api: ").and_then(|rest| rest.split_once(" -->"));
        let (api, _) = api.unwrap_or_else(|| panic!("{command} names no request that does the same"));
        Recipe { command: command.to_owned(), api: api.to_owned() }
    };
    blocks.map(recipe).collect()
}

async fn open(nats: &NatsServer) -> Log {
    Log::open(Options { servers: nats.url(), ..Options::default() }).await.expect("a log")
}

async fn say(log: &Log, id: &str) {
    let event = Event::MessageSent(MessageSent {
        room_id: RoomId::parse("lobby").expect("an id"),
        message_id: MessageId::parse(id).expect("an id"),
        user_id: UserId::parse("ada").expect("an id"),
        username: "Ada".to_owned(),
        avatar: None,
        message: "Hello!".to_owned(),
        message_type: MessageType::Text,
        timestamp: Timestamp::from_ms(1),
        reply_to: None,
        attachments: Vec::new(),
        mentions: Vec::new(),
    });
    let entry = Entry { address: event.address(), payload: event.encode().into(), guard: None, id: None };
    log.append(Append { author: UserId::system(), entries: vec![entry] }).await.expect("stored");
}

/// A projector that is killed when dropped.
struct Projector(Child);

impl Projector {
    fn start(url: &str, data: &Path) -> Projector {
        let mut command = tether::command(KLATCH);
        command.args(["projector", "--nats", url, "--data"]).arg(data);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Projector(tether::spawn(command).expect("klatch starts"))
    }
}

impl Drop for Projector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn request(client: &Client, subject: &str, body: Vec<u8>) -> Result<Value, String> {
    let answer = client.request(subject.to_owned(), body.into()).await.map_err(|error| error.to_string())?;
    let answer: Value = serde_json::from_slice(&answer.payload).map_err(|error| format!("{subject}: {error}"))?;
    match answer.get("error") {
        Some(error) => Err(format!("{subject}: {error}")),
        None => Ok(answer),
    }
}

/// What a snapshot gives (JetStream API, `$JS.API.STREAM.SNAPSHOT`).
struct Backup {
    about: Value,
    chunks: Vec<Bytes>,
}

async fn backup(client: &Client, stream: &str) -> Backup {
    let inbox = client.new_inbox();
    let mut chunks = client.subscribe(inbox.clone()).await.expect("subscribed");
    let asked = json!({ "deliver_subject": inbox, "no_consumers": true }).to_string().into_bytes();
    let about = request(client, &format!("$JS.API.STREAM.SNAPSHOT.{stream}"), asked).await.expect("a snapshot");
    let mut taken = Vec::new();
    loop {
        let chunk = tokio::time::timeout(BOUND, chunks.next()).await.expect("a chunk").expect("subscribed");
        if chunk.payload.is_empty() {
            return Backup { about, chunks: taken };
        }
        if let Some(reply) = chunk.reply {
            client.publish(reply, Bytes::new()).await.expect("connected");
        }
        taken.push(chunk.payload);
    }
}

async fn restore(client: &Client, stream: &str, backup: &Backup) {
    let asked = json!({ "config": backup.about["config"], "state": backup.about["state"] }).to_string().into_bytes();
    let begun = request(client, &format!("$JS.API.STREAM.RESTORE.{stream}"), asked).await.expect("it begins");
    let to = begun["deliver_subject"].as_str().expect("where to").to_owned();
    for chunk in &backup.chunks {
        client.request(to.clone(), chunk.clone()).await.expect("a chunk is taken");
    }
    request(client, &to, Vec::new()).await.expect("restored");
}

async fn by_api(client: &Client, log: &Log, api: &str) -> Result<(), String> {
    let (verb, rest) = api.split_once(' ').ok_or("a verb and more")?;
    match verb {
        "request" => {
            let (subject, body) = rest.split_once(' ').ok_or("a subject and a body")?;
            request(client, subject, body.as_bytes().to_vec()).await.map(drop)
        }
        "subscribe" => {
            let mut heard = client.subscribe(rest.to_owned()).await.map_err(|error| error.to_string())?;
            // A round trip: only an answer says that the server has the subscription.
            request(client, "$JS.API.INFO", Vec::new()).await?;
            say(log, "live").await;
            tokio::time::timeout(BOUND, heard.next()).await.map_err(|_| "nothing was heard")?;
            Ok(())
        }
        "backup" => {
            let taken = backup(client, rest).await;
            if taken.chunks.is_empty() { Err("an empty backup".to_owned()) } else { Ok(()) }
        }
        // Tested whole below: it needs a stream that is gone.
        "restore" => Ok(()),
        other => Err(format!("{other} is no verb")),
    }
}

#[tokio::test]
async fn every_recipe_of_the_page_works() {
    let (nats, data) = (NatsServer::start().await, tempfile::tempdir().expect("a temporary folder"));
    let (log, client) = (open(&nats).await, nats.client().await);
    say(&log, "first").await;
    let _projector = Projector::start(&nats.url(), data.path());
    eventually(BOUND, "the projector", || request(&client, "chat.query.status", b"{}".to_vec())).await;
    let has_command = Command::new("nats").arg("--version").output().is_ok();
    let recipes = recipes();
    assert!(recipes.len() >= 10, "{recipes:?}");
    for recipe in recipes {
        // A tail waits for what is said while it runs, and a restore for a stream that is gone.
        let by_command = has_command && !["subscribe", "restore"].iter().any(|verb| recipe.api.starts_with(verb));
        if by_command {
            let mut command = Command::new("sh");
            command.args(["-c", &recipe.command]).env("NATS_URL", nats.url()).current_dir(data.path());
            let ran = command.output().expect("sh");
            assert!(ran.status.success(), "{}: {}", recipe.command, String::from_utf8_lossy(&ran.stderr));
        }
        by_api(&client, &log, &recipe.api).await.unwrap_or_else(|why| panic!("{}: {why}", recipe.command));
    }
}

#[tokio::test]
async fn a_restored_log_keeps_its_epoch_until_it_is_renewed() {
    let nats = NatsServer::start().await;
    let client = nats.client().await;
    let before = open(&nats).await;
    say(&before, "kept").await;
    let (epoch, kept) = (before.epoch(), before.last_seq().await.expect("read"));
    let taken = backup(&client, "CHAT_EVENTS").await;
    say(&before, "lost").await;
    drop(before);
    request(&client, "$JS.API.STREAM.DELETE.CHAT_EVENTS", Vec::new()).await.expect("deleted");
    restore(&client, "CHAT_EVENTS", &taken).await;

    let restored = open(&nats).await;
    assert_eq!(restored.last_seq().await.expect("read"), kept);
    assert_eq!(restored.epoch(), epoch, "which is why it must be renewed");
    let renewed = Command::new(KLATCH).args(["epoch", "renew", "--nats", &nats.url()]).output().expect("klatch starts");
    assert!(renewed.status.success(), "{}", String::from_utf8_lossy(&renewed.stderr));
    let now = restored.refresh_epoch().await.expect("read");
    assert_ne!(now, epoch);
    assert_eq!(String::from_utf8_lossy(&renewed.stdout).trim(), now.to_string());
}
