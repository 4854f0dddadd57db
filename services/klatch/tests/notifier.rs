//! The notifier as an operator runs it: within `klatch up`, and as processes of their own that die at any moment.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt;
use klatch_domain::message::{MessageSent, MessageType};
use klatch_domain::{Event, MessageId, RoomId, Timestamp, UserId};
use klatch_eventlog::{Append, Entry, Log, Options, subject};
use klatch_service::tether;
use klatch_testkit::{NatsServer, eventually, free_port};
use serde_json::Value;

const BOUND: Duration = Duration::from_secs(60);
const KLATCH: &str = env!("CARGO_BIN_EXE_klatch");

/// Takes what is posted to it.
struct Receiver {
    port: u16,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let bodies: Arc<Mutex<Vec<Value>>> = Arc::default();
        let book = Arc::clone(&bodies);
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let book = Arc::clone(&book);
                std::thread::spawn(move || {
                    while let Some(body) = take(&connection) {
                        book.lock().expect("no panic").push(body);
                    }
                });
            }
        });
        Receiver { port, bodies }
    }

    fn ids(&self) -> HashSet<String> {
        let bodies = self.bodies.lock().expect("no panic");
        bodies.iter().map(|body| body["data"]["messageId"].as_str().expect("an id").to_owned()).collect()
    }
}

/// One request, answered; none where the connection is over.
fn take(connection: &TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(connection);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut connection = connection;
    connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
    serde_json::from_slice(&body).ok()
}

/// A klatch that is killed when dropped.
struct Klatch(Child);

impl Klatch {
    fn start(arguments: &[&str], receiver: &Receiver) -> Klatch {
        let webhooks = format!(
            r#"[{{ name = "crm", url = "http://127.0.0.1:{}/hook", secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] }}]"#,
            receiver.port
        );
        let mut command = tether::command(KLATCH);
        command
            .args(arguments)
            .env("KLATCH_NOTIFIER__WEBHOOKS", webhooks)
            .env("KLATCH_NOTIFIER__OUTGOING__ALLOW_HTTP", "true")
            .env("KLATCH_NOTIFIER__OUTGOING__ALLOW_NETWORKS", r#"["127.0.0.0/8"]"#)
            .env("KLATCH_NOTIFIER__OUTGOING__REQUEST_MS_MAX", "500")
            .env("KLATCH_NOTIFIER__EVENTS_AGAIN_MS", "1000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Klatch(tether::spawn(command).expect("klatch starts"))
    }
}

impl Drop for Klatch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn heard(hearing: &mut Subscriber) -> Value {
    let message = tokio::time::timeout(BOUND, hearing.next()).await.expect("something is told").expect("subscribed");
    serde_json::from_slice(&message.payload).expect("JSON")
}

#[tokio::test]
async fn up_tells_of_a_message_on_nats_and_by_webhook() {
    let (nats, receiver, port) = (NatsServer::start().await, Receiver::start(), free_port());
    let client = nats.client().await;
    let mut hearing = client.subscribe(subject::MESSAGE_SENT).await.expect("subscribed");
    let data = tempfile::tempdir().expect("a temporary folder");
    let (url, listen) = (nats.url(), format!("127.0.0.1:{port}"));
    let folder = data.path().display().to_string();
    let _up = Klatch::start(&["up", "--dev", "--nats", &url, "--listen", &listen, "--data", &folder], &receiver);
    eventually(BOUND, "klatch to be ready", || async {
        let asked = Command::new(KLATCH).args(["health", "--url", &format!("http://{listen}")]).output();
        let asked = asked.expect("klatch starts");
        if asked.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&asked.stdout).into_owned()) }
    })
    .await;
    let socket = format!("ws://{listen}/chat/ws");
    let sent = Command::new(KLATCH)
        .args(["send", "--dev", "--user", "ada", "--room", "lobby", "--url", &socket, "Hello!"])
        .output()
        .expect("klatch starts");
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));

    let told = heard(&mut hearing).await;
    assert_eq!((&told["eventType"], &told["data"]["message"]), (&"message.sent".into(), &"Hello!".into()));
    eventually(BOUND, "the webhook to be told", || async {
        let bodies = receiver.bodies.lock().expect("no panic").clone();
        if bodies == [told.clone()] { Ok(()) } else { Err(format!("{bodies:?}")) }
    })
    .await;
}

#[tokio::test]
async fn notifiers_that_are_killed_at_any_moment_lose_nothing() {
    let (nats, receiver) = (NatsServer::start().await, Receiver::start());
    let log = Log::open(Options { servers: nats.url(), ..Options::default() }).await.expect("a log");
    let url = nats.url();
    let arguments = ["notifier", "--nats", &url];
    let mut said = HashSet::new();
    for round in 0..5_usize {
        let _notifier = Klatch::start(&arguments, &receiver);
        if round == 0 {
            // At its very first start it begins with what is said from then on.
            let jetstream = async_nats::jetstream::new(nats.client().await);
            eventually(BOUND, "the consumer", || async {
                let stream = jetstream.get_stream("CHAT_EVENTS").await.map_err(|error| error.to_string())?;
                stream.consumer_info("notifier").await.map_err(|error| error.to_string())
            })
            .await;
        }
        let before = receiver.ids().len();
        for number in 0..40 {
            said.insert(say(&log, &format!("r{round}-{number}")).await);
        }
        // Killed in the middle of telling, of putting jobs, of delivering: a little later in each round.
        eventually(BOUND, "some of it", || async {
            let taken = receiver.ids().len();
            if taken > before + round { Ok(()) } else { Err(taken) }
        })
        .await;
    }
    let _two = [Klatch::start(&arguments, &receiver), Klatch::start(&arguments, &receiver)];
    eventually(BOUND, "everything that was said", || async {
        let missing = said.difference(&receiver.ids()).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} of {} missing", said.len())) }
    })
    .await;
}

async fn say(log: &Log, id: &str) -> String {
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
    id.to_owned()
}
