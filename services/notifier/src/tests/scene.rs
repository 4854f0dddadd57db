//! A broker, a log on it, people who say things, and notifiers.

use std::time::Duration;

use klatch_domain::member::{Cause, Membership, Role, Standing};
use klatch_domain::message::{MessageSent, MessageType};
use klatch_domain::{Event, MessageId, RoomId, Seq, Timestamp, UserId};
use klatch_eventlog::{Append, Entry, Log, Options, Outcome};
use klatch_service::{Health, Metrics};
use klatch_testkit::{NatsServer, eventually};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::receiver::Receiver;
use crate::{Config, RunError, SigningSecret, Webhook};

/// Everything here takes milliseconds; a loaded machine gets time.
pub(super) const BOUND: Duration = Duration::from_secs(30);

pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(super) const OTHER_SECRET: &str = "whsec_5v3zKoYYc1vlQmgBOaDUIhyo0f7xqQ8hqLVhSXcXkWU=";

pub(super) fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

pub(super) fn room(id: &str) -> RoomId {
    RoomId::parse(id).unwrap()
}

pub(super) struct House {
    pub(super) nats: NatsServer,
    pub(super) log: Log,
}

impl House {
    pub(super) async fn new() -> House {
        let nats = NatsServer::start().await;
        let log = open(&nats).await;
        House { nats, log }
    }

    /// Appends an event, unguarded.
    pub(super) async fn append(&self, event: &Event, id: Option<MessageId>) -> Seq {
        let entry = Entry { address: event.address(), payload: event.encode().into(), guard: None, id };
        match self.log.append(Append { author: UserId::system(), entries: vec![entry] }).await.unwrap() {
            Outcome::Appended { seq } | Outcome::Duplicate { seq } => seq,
            Outcome::StandingChanged => panic!("nothing is guarded"),
        }
    }

    /// Somebody says something; its sequence.
    pub(super) async fn say(&self, room: &RoomId, sender: &str, id: &str, text: &str) -> Seq {
        let sent = said(room, sender, id, text);
        self.append(&Event::MessageSent(sent), Some(MessageId::parse(id).unwrap())).await
    }

    /// So many messages are said; their ids.
    pub(super) async fn say_many(&self, prefix: &str, count: usize) -> Vec<String> {
        let ids: Vec<String> = (0..count).map(|number| format!("{prefix}{number}")).collect();
        for id in &ids {
            self.say(&room("r"), "ada", id, "hello").await;
        }
        ids
    }

    /// The two become the people of their direct room.
    pub(super) async fn direct(&self, one: &str, other: &str) -> RoomId {
        let room_id = RoomId::direct(&user(one), &user(other));
        for id in [one, other] {
            let membership = Membership {
                room_id: room_id.clone(),
                user_id: user(id),
                username: id.to_owned(),
                avatar: None,
                standing: Standing::Joined,
                role: Role::Member,
                muted: None,
                cause: Cause::Created,
                timestamp: Timestamp::from_ms(1),
            };
            self.append(&Event::Member(membership), None).await;
        }
        room_id
    }

    /// Starts a notifier on a connection of its own, and waits until it takes events.
    pub(super) async fn notifier(&self, config: &Config) -> Notifier {
        let health = Health::new();
        let ready = health.condition("notifier", "not begun");
        let (stop, metrics) = (CancellationToken::new(), Metrics::new());
        let (config, log, token, numbers) = (config.clone(), open(&self.nats).await, stop.clone(), metrics.clone());
        let task = tokio::spawn(async move { crate::run(config, log, token, ready, &numbers).await });
        let notifier = Notifier { stop, metrics, task };
        eventually(BOUND, "the notifier to be ready", || async {
            let report = health.report();
            if report.ready { Ok(()) } else { Err(format!("{:?}", report.reasons())) }
        })
        .await;
        notifier
    }

    pub(super) async fn stream(&self, name: &str) -> async_nats::jetstream::stream::Stream {
        async_nats::jetstream::new(self.nats.client().await).get_stream(name).await.unwrap()
    }

    /// Waits until no job waits any more.
    pub(super) async fn no_jobs_left(&self) {
        let mut stream = self.stream("CHAT_PUSH").await;
        let mut left = async || stream.info().await.unwrap().state.messages;
        let deadline = tokio::time::Instant::now() + BOUND;
        while left().await > 0 {
            assert!(tokio::time::Instant::now() < deadline, "jobs are left");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub(super) fn said(room: &RoomId, sender: &str, id: &str, text: &str) -> MessageSent {
    MessageSent {
        room_id: room.clone(),
        message_id: MessageId::parse(id).unwrap(),
        user_id: user(sender),
        username: sender.to_owned(),
        avatar: None,
        message: text.to_owned(),
        message_type: MessageType::Text,
        timestamp: Timestamp::from_ms(1_697_280_000_000),
        reply_to: None,
        attachments: Vec::new(),
        mentions: Vec::new(),
    }
}

async fn open(nats: &NatsServer) -> Log {
    Log::open(Options { servers: nats.url(), ..Options::default() }).await.unwrap()
}

/// A notifier at work.
pub(super) struct Notifier {
    stop: CancellationToken,
    pub(super) metrics: Metrics,
    task: JoinHandle<Result<(), RunError>>,
}

impl Notifier {
    /// In good order.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(BOUND, self.task).await.unwrap().unwrap().unwrap();
    }

    /// As `kill -9` would: nothing more is done, at whatever point it is.
    pub(super) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Waits until a number is as it should be.
    pub(super) async fn counts(&self, line: &str, wanted: u64) {
        eventually(BOUND, line, || async {
            let number = self.number(line);
            if number == wanted { Ok(()) } else { Err(number) }
        })
        .await;
    }

    pub(super) fn number(&self, line: &str) -> u64 {
        let text = self.metrics.encode();
        let found = text.lines().find_map(|found| found.strip_prefix(&format!("klatch_notifier_{line} ")));
        found.unwrap_or_else(|| panic!("no {line} in {text}")).parse().unwrap()
    }
}

/// Quick in everything, allowed to reach loopback, with these webhooks.
pub(super) fn config(webhooks: &[(&str, &Receiver)]) -> Config {
    let webhook = |(name, receiver): &(&str, &Receiver)| Webhook {
        name: klatch_eventlog::WebhookName::parse(name).unwrap(),
        url: receiver.url().parse().unwrap(),
        secrets: vec![SigningSecret::parse(SECRET).unwrap()],
        events: crate::EventType::all(),
    };
    let mut config = Config {
        webhooks: webhooks.iter().map(webhook).collect(),
        webhook_retry_ms: vec![10, 20, 50, 100],
        webhook_tries_max: 1_000,
        events_again_ms: 1_000,
        drain_ms_max: 200,
        ..Config::default()
    };
    config.outgoing.allow_http = true;
    config.outgoing.allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
    config.outgoing.request_ms_max = 500;
    config
}
