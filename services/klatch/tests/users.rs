//! Who may do what at the broker: the users of `nats/users.conf`, on a real nats-server with that very file.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerError};
use bytes::Bytes;
use klatch_domain::message::{MessageSent, MessageType};
use klatch_domain::{Event as ChatEvent, MessageId, RoomId, Seq, Timestamp, UserId};
use klatch_eventlog::{
    Append, AppendError, Consumer, Credentials, EdgeId, Entry, EraseError, Log, Missing, OpenError, Options, Outcome,
    QueryError, Stream, WebhookName,
};
use klatch_testkit::{NatsServer, eventually, password_of};

const BOUND: Duration = Duration::from_secs(60);

const USERS: [&str; 7] = ["edge", "projector", "eraser", "accounts", "notifier", "operator", "listener"];

/// Something to do at the broker.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Publish(&'static str),
    Subscribe(&'static str),
}
use Deed::{Publish, Subscribe};

/// What it means, how it is done, who may. Everybody else may not.
const TABLE: &[(&str, Deed, &[&str])] = &[
    ("append an event", Publish("chat.event.43.room.general.timeline"), &["edge"]),
    ("forge a live message", Publish("chat.live.43.room.general.timeline"), &[]),
    ("forge a live standing", Publish("chat.live.43.room.general.member.ada"), &[]),
    ("forge a live room", Publish("chat.live.43.room.general.info"), &[]),
    ("forge a live mark", Publish("chat.live.43.room.general.mark.ada"), &[]),
    ("forge a live attachment", Publish("chat.live.43.room.general.presence.ada.e1"), &[]),
    ("forge a live lease", Publish("chat.live.lease.e1"), &[]),
    ("tell that somebody types", Publish("chat.live.43.room.general.typing.ada"), &["edge"]),
    ("signal a call to a room", Publish("chat.live.43.room.general.signal.ada"), &["edge"]),
    ("signal a call to a person", Publish("chat.user.07.ada.signal"), &["edge"]),
    ("close somebody's sockets", Publish("chat.user.07.ada.control"), &["edge"]),
    ("move a mark", Publish("chat.mark.43.room.general.mark.ada"), &["edge"]),
    ("say who is attached", Publish("chat.presence.43.room.general.presence.ada.e1"), &["edge"]),
    ("hold a lease", Publish("chat.presence.lease.e1"), &["edge"]),
    ("ask for history", Publish("chat.query.history"), &["edge", "operator"]),
    ("ask the accounts", Publish("chat.account.login"), &["edge"]),
    ("leave a job for a webhook", Publish("chat.push.webhook.crm"), &["notifier"]),
    ("lay a job with the dead letters", Publish("chat.dead.webhook.crm"), &["notifier"]),
    ("tell other systems", Publish("chat.notify.message.sent"), &["notifier"]),
    ("write an account", Publish("$KV.CHAT_ACCOUNTS.account.ada"), &["accounts"]),
    ("publish anything else", Publish("elsewhere"), &[]),
    // Reading.
    (
        "look at the log",
        Publish("$JS.API.STREAM.INFO.CHAT_EVENTS"),
        &["edge", "projector", "eraser", "notifier", "operator"],
    ),
    (
        "read an event",
        Publish("$JS.API.STREAM.MSG.GET.CHAT_EVENTS"),
        &["edge", "projector", "eraser", "notifier", "operator"],
    ),
    ("read many events", Publish("$JS.API.DIRECT.GET.CHAT_EVENTS"), &["edge", "notifier", "operator"]),
    ("read a mark", Publish("$JS.API.STREAM.MSG.GET.CHAT_MARKS"), &["edge", "operator"]),
    ("read who is attached", Publish("$JS.API.DIRECT.GET.CHAT_PRESENCE"), &["edge", "projector", "operator"]),
    ("read a job", Publish("$JS.API.STREAM.MSG.GET.CHAT_PUSH"), &["operator"]),
    ("look at the accounts", Publish("$JS.API.STREAM.INFO.KV_CHAT_ACCOUNTS"), &["accounts", "operator"]),
    ("read an account", Publish("$JS.API.STREAM.MSG.GET.KV_CHAT_ACCOUNTS"), &["accounts", "operator"]),
    ("read many accounts", Publish("$JS.API.DIRECT.GET.KV_CHAT_ACCOUNTS"), &["operator"]),
    // What `klatch doctor` asks besides.
    ("look at what JetStream uses", Publish("$JS.API.INFO"), &["operator"]),
    ("look at the dead letters", Publish("$JS.API.STREAM.INFO.CHAT_DEAD"), &["projector", "notifier", "operator"]),
    ("list a stream's consumers", Publish("$JS.API.CONSUMER.NAMES.CHAT_PUSH"), &["operator"]),
    ("look at a consumer", Publish("$JS.API.CONSUMER.INFO.CHAT_EVENTS.notifier"), &["notifier", "operator"]),
    ("ask each projector how far it is", Publish("$SRV.STATS.klatch-projector"), &["operator"]),
    ("ask who one is", Publish("$SYS.REQ.USER.INFO"), &["operator"]),
    // Removing and changing.
    ("erase an event", Publish("$JS.API.STREAM.MSG.DELETE.CHAT_EVENTS"), &["eraser"]),
    ("empty the log", Publish("$JS.API.STREAM.PURGE.CHAT_EVENTS"), &[]),
    ("forget a dead edge", Publish("$JS.API.STREAM.PURGE.CHAT_PRESENCE"), &["projector", "operator"]),
    ("empty the accounts", Publish("$JS.API.STREAM.PURGE.KV_CHAT_ACCOUNTS"), &["operator"]),
    ("delete the log", Publish("$JS.API.STREAM.DELETE.CHAT_EVENTS"), &["operator"]),
    ("change the log", Publish("$JS.API.STREAM.UPDATE.CHAT_EVENTS"), &["projector", "operator"]),
    ("change the marks", Publish("$JS.API.STREAM.UPDATE.CHAT_MARKS"), &["operator"]),
    ("change the accounts", Publish("$JS.API.STREAM.UPDATE.KV_CHAT_ACCOUNTS"), &["operator"]),
    ("create the log", Publish("$JS.API.STREAM.CREATE.CHAT_EVENTS"), &["projector", "operator"]),
    ("create the presence", Publish("$JS.API.STREAM.CREATE.CHAT_PRESENCE"), &["projector", "operator"]),
    ("create the accounts", Publish("$JS.API.STREAM.CREATE.KV_CHAT_ACCOUNTS"), &["accounts", "operator"]),
    ("create another stream", Publish("$JS.API.STREAM.CREATE.COPY_OF_ALL"), &["operator"]),
    ("make a backup", Publish("$JS.API.STREAM.SNAPSHOT.CHAT_EVENTS"), &["operator"]),
    ("restore a backup", Publish("$JS.API.STREAM.RESTORE.CHAT_EVENTS"), &["operator"]),
    ("make a leader step down", Publish("$JS.API.STREAM.LEADER.STEPDOWN.CHAT_EVENTS"), &["operator"]),
    // Consumers.
    ("follow the log", Publish("$JS.API.CONSUMER.CREATE.CHAT_EVENTS"), &["projector", "operator"]),
    ("follow the marks", Publish("$JS.API.CONSUMER.CREATE.CHAT_MARKS"), &["projector", "operator"]),
    ("follow the presence", Publish("$JS.API.CONSUMER.CREATE.CHAT_PRESENCE"), &["operator"]),
    ("follow the accounts", Publish("$JS.API.CONSUMER.CREATE.KV_CHAT_ACCOUNTS"), &["accounts", "operator"]),
    ("leave a consumer on the log", Publish("$JS.API.CONSUMER.CREATE.CHAT_EVENTS.mine.chat.event.>"), &["operator"]),
    (
        "make the notifier's consumer",
        Publish("$JS.API.CONSUMER.CREATE.CHAT_EVENTS.notifier.chat.event.*.room.*.timeline"),
        &["notifier", "operator"],
    ),
    (
        "make a webhook's consumer",
        Publish("$JS.API.CONSUMER.CREATE.CHAT_PUSH.webhook-crm.chat.push.webhook.crm"),
        &["notifier", "operator"],
    ),
    ("delete the notifier's consumer", Publish("$JS.API.CONSUMER.DELETE.CHAT_EVENTS.notifier"), &["operator"]),
    (
        "take the notifier's events",
        Publish("$JS.API.CONSUMER.MSG.NEXT.CHAT_EVENTS.notifier"),
        &["notifier", "operator"],
    ),
    ("take a webhook's jobs", Publish("$JS.API.CONSUMER.MSG.NEXT.CHAT_PUSH.webhook-crm"), &["notifier", "operator"]),
    ("acknowledge the notifier's events", Publish("$JS.ACK.CHAT_EVENTS.notifier.1.1.1.1.0"), &["notifier", "operator"]),
    (
        "acknowledge what a projector follows",
        Publish("$JS.ACK.CHAT_EVENTS.a1b2c3d4.1.1.1.1.0"),
        &["projector", "operator"],
    ),
    ("acknowledge a job", Publish("$JS.ACK.CHAT_PUSH.webhook-crm.1.1.1.1.0"), &["notifier", "operator"]),
    // Hearing.
    ("hear everything", Subscribe(">"), &[]),
    ("hear a room", Subscribe("chat.live.43.room.general.>"), &["edge", "operator"]),
    ("hear leases", Subscribe("chat.live.lease.*"), &["edge", "projector", "operator"]),
    ("hear appends", Subscribe("chat.event.>"), &["operator"]),
    ("hear what people are told alone", Subscribe("chat.user.07.>"), &["edge"]),
    ("hear queries", Subscribe("chat.query.history"), &["projector"]),
    ("hear a census", Subscribe("chat.query.census"), &["edge", "projector"]),
    ("hear passwords", Subscribe("chat.account.login"), &["accounts"]),
    ("hear what is told to other systems", Subscribe("chat.notify.>"), &["operator", "listener"]),
    ("hear accounts being written", Subscribe("$KV.CHAT_ACCOUNTS.>"), &[]),
    ("hear requests to JetStream", Subscribe("$JS.API.>"), &[]),
    ("hear JetStream's advisories", Subscribe("$JS.EVENT.ADVISORY.>"), &["operator"]),
    ("show itself as a service", Subscribe("$SRV.PING"), &["projector", "accounts"]),
    ("hear every inbox", Subscribe("_INBOX.>"), &["operator"]),
    ("hear the edges' inboxes", Subscribe("_INBOX_edge.>"), &["edge"]),
    ("hear one inbox of an edge", Subscribe("_INBOX_edge.x.y"), &["edge"]),
    ("hear the projector's inboxes", Subscribe("_INBOX_projector.>"), &["projector"]),
    ("hear the eraser's inboxes", Subscribe("_INBOX_eraser.>"), &["eraser"]),
    ("hear the accounts' inboxes", Subscribe("_INBOX_accounts.>"), &["accounts"]),
    ("hear the notifier's inboxes", Subscribe("_INBOX_notifier.>"), &["notifier"]),
    ("hear the operator's inboxes", Subscribe("_INBOX_operator.>"), &["operator"]),
];

/// A connection as one user, and what the server refused it.
struct Guest {
    client: Client,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Guest {
    async fn enter(server: &NatsServer, user: &str) -> Guest {
        let refused: Arc<Mutex<Vec<String>>> = Arc::default();
        let book = Arc::clone(&refused);
        let options = ConnectOptions::with_user_and_password(user.to_owned(), password_of(user))
            .custom_inbox_prefix(format!("_INBOX_{user}"))
            .event_callback(move |event| {
                if let Event::ServerError(ServerError::Other(said)) = event {
                    book.lock().expect("no panic").push(said);
                }
                async {}
            });
        Guest { client: options.connect(server.url()).await.expect("the user is let in"), refused }
    }

    async fn tries(&self, deed: Deed) {
        match deed {
            Publish(subject) => self.client.publish(subject, Bytes::new()).await.expect("queued"),
            // Dropped at once: what counts is that it was asked for.
            Subscribe(subject) => drop(self.client.subscribe(subject).await.expect("queued")),
        }
    }

    /// What was refused of all that was tried before: the server goes through it in order.
    async fn refused(&self) -> Vec<String> {
        self.client.publish("the.end", Bytes::new()).await.expect("queued");
        eventually(BOUND, "the last refusal", || async {
            let refused = self.refused.lock().expect("no panic").clone();
            if refused.iter().any(|said| said.contains("\"the.end\"")) { Ok(refused) } else { Err(refused.len()) }
        })
        .await
    }
}

#[tokio::test]
async fn each_user_may_do_what_the_table_says_and_nothing_else() {
    let server = NatsServer::builder().users().start().await;
    for user in USERS {
        let guest = Guest::enter(&server, user).await;
        for (_, deed, _) in TABLE {
            guest.tries(*deed).await;
        }
        let refused = guest.refused().await;
        for (meaning, deed, may) in TABLE {
            let (verb, subject) = match deed {
                Publish(subject) => ("Publish", subject),
                Subscribe(subject) => ("Subscription", subject),
            };
            let said = format!("Permissions Violation for {verb} to \"{subject}\"");
            assert_eq!(!refused.contains(&said), may.contains(&user), "{user}: {meaning} ({subject})");
        }
    }
}

#[tokio::test]
async fn nobody_is_let_in_without_a_password() {
    let server = NatsServer::builder().users().start().await;
    assert!(async_nats::connect(server.url()).await.is_err());
    for user in USERS {
        let wrong = ConnectOptions::with_user_and_password(user.to_owned(), String::new());
        assert!(wrong.connect(server.url()).await.is_err(), "{user}");
    }
}

fn options(server: &NatsServer, user: &str, streams: &[Stream], missing: Missing) -> Options {
    Options {
        servers: server.url(),
        name: user.to_owned(),
        credentials: Some(Credentials::UserPassword { user: user.to_owned(), password: password_of(user) }),
        inbox_prefix: Some(format!("_INBOX_{user}")),
        streams: streams.to_vec(),
        missing,
        open_deadline: BOUND,
        read_patience: Duration::from_millis(500),
        read_deadline: Duration::from_secs(2),
        append_patience: Duration::from_millis(500),
        append_deadline: Duration::from_secs(2),
        ..Options::default()
    }
}

const EDGES: [Stream; 3] = [Stream::Events, Stream::Marks, Stream::Presence];
const NOTIFIERS: [Stream; 3] = [Stream::Events, Stream::Push, Stream::Dead];

fn said(id: &str) -> Append {
    let event = ChatEvent::MessageSent(MessageSent {
        room_id: RoomId::parse("general").expect("an id"),
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
    Append { author: UserId::system(), entries: vec![entry] }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_does_its_work_under_its_own_user() {
    let server = NatsServer::builder().users().start().await;
    // Who may not create waits.
    let waiting = tokio::spawn(Log::open(options(&server, "edge", &EDGES, Missing::Await)));
    let projector = Log::open(options(&server, "projector", &Stream::ALL, Missing::Create)).await.expect("created");
    let edge = waiting.await.expect("no panic").expect("there by now");
    let eraser = Log::open(options(&server, "eraser", &[Stream::Events], Missing::Await)).await.expect("found");
    let notifier = Log::open(options(&server, "notifier", &NOTIFIERS, Missing::Await)).await.expect("found");

    let (room, ada, me) =
        (RoomId::parse("general").expect("an id"), UserId::parse("ada").expect("an id"), EdgeId::fresh());
    let mut live = edge.live_room(&room).await.expect("heard");
    let Ok(Outcome::Appended { seq }) = edge.append(said("m1")).await else { panic!("not appended") };
    edge.append(said("m2")).await.expect("appended");
    tokio::time::timeout(BOUND, live.next()).await.expect("told");
    edge.typing(&room, &ada, Bytes::from_static(b"{}")).await;
    edge.renew_lease(&me, Duration::from_secs(10)).await.expect("held");
    edge.attach(&room, &ada, &me, "Ada").await.expect("attached");
    edge.mark(&room, &ada, klatch_eventlog::Marks { delivered: seq, read: seq }).await.expect("marked");
    assert_eq!(edge.timeline(&room, Seq::ZERO, Seq(u64::MAX), 10, 1 << 20).await.expect("read").events.len(), 2);
    assert_eq!(edge.live_edges().await.expect("read").len(), 1);

    let batch = projector.follow(Seq::ZERO).next_batch(8).await.expect("followed");
    assert!(!batch.events.is_empty());
    assert!(!projector.follow_marks(Seq::ZERO).next_batch(8).await.expect("followed").marks.is_empty());
    projector.renew_epoch().await.expect("renewed");
    projector.forget_edge(&me).await.expect("forgotten");

    let crm = WebhookName::parse("crm").expect("a name");
    for consumer in [Consumer::Notifier { after: Some(Seq::ZERO) }, Consumer::Webhook(crm.clone())] {
        notifier.consumer(&consumer, Duration::from_secs(30)).await.expect("made");
    }
    let id = MessageId::parse("m1").expect("an id");
    notifier.put_job(&crm, &id, None, Bytes::from_static(b"{}")).await.expect("put");
    notifier.bury_job(&crm, &id, Bytes::from_static(b"{}")).await.expect("buried");
    notifier.tell_sent(&id, None, Bytes::from_static(b"{}")).await.expect("told");
    assert_eq!(notifier.people(&room).await.expect("read"), Vec::new());

    eraser.erase(seq).await.expect("erased");
    assert!(edge.get(seq).await.expect("read").is_none());
    assert!(!server.log().contains("Violation"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_denied_is_told_as_that_and_not_as_a_missing_answer() {
    let server = NatsServer::builder().users().start().await;
    let denied = |subject: &str| format!("our NATS user may not publish to {subject}");
    let projector = Log::open(options(&server, "projector", &Stream::ALL, Missing::Create)).await.expect("created");
    let edge = Log::open(options(&server, "edge", &EDGES, Missing::Await)).await.expect("found");

    let Err(AppendError::Unavailable(why)) = projector.append(said("m1")).await else { panic!("appended") };
    assert!(why.starts_with(&denied("chat.event.43.room.general.timeline")), "{why}");
    let Ok(Outcome::Appended { seq }) = edge.append(said("m1")).await else { panic!("not appended") };
    for log in [&edge, &projector] {
        let Err(EraseError::Unavailable(why)) = log.erase(seq).await else { panic!("erased") };
        assert!(why.starts_with(&denied("$JS.API.STREAM.MSG.DELETE.CHAT_EVENTS")), "{why}");
    }
    let why = edge.renew_epoch().await.expect_err("renewed").to_string();
    assert!(why.contains(&denied("$JS.API.STREAM.UPDATE.CHAT_EVENTS")), "{why}");
    let why = edge.forget_edge(&EdgeId::fresh()).await.expect_err("purged").to_string();
    assert!(why.contains(&denied("$JS.API.STREAM.PURGE.CHAT_PRESENCE")), "{why}");
    let asked = projector.request("history", Bytes::from_static(b"{}"), Duration::from_millis(500)).await;
    assert!(matches!(asked, Err(QueryError::Denied(_))), "{asked:?}");
    let made = edge.consumer(&Consumer::Notifier { after: None }, Duration::from_secs(30)).await;
    assert!(matches!(made, Err(OpenError::Denied(_))), "{made:?}");

    // Somebody who may not even look at a stream does not wait for it.
    let opened = Log::open(options(&server, "accounts", &[Stream::Events], Missing::Await)).await;
    let Err(OpenError::Denied(why)) = opened else { panic!("{opened:?}") };
    assert!(why.starts_with(&denied("$JS.API.STREAM.INFO.CHAT_EVENTS")), "{why}");
    let opened = Log::open(Options { credentials: None, ..options(&server, "edge", &EDGES, Missing::Await) }).await;
    assert!(matches!(opened, Err(OpenError::NotTaken { .. })), "{opened:?}");
}

#[tokio::test]
async fn a_service_answers_whom_it_was_asked_by_and_speaks_to_no_inbox_else() {
    use futures_util::StreamExt;
    let server = NatsServer::builder().users().start().await;
    let (edge, projector) = (Guest::enter(&server, "edge").await, Guest::enter(&server, "projector").await);
    let mut queries = projector.client.subscribe("chat.query.history").await.expect("subscribed");
    let answering = tokio::spawn({
        let client = projector.client.clone();
        async move {
            let reply = queries.next().await.expect("a query").reply.expect("a reply's subject");
            client.publish(reply.clone(), Bytes::from_static(b"[]")).await.expect("queued");
            client.publish(reply, Bytes::from_static(b"again")).await.expect("queued");
        }
    });
    let ask = || edge.client.request("chat.query.history", Bytes::new());
    let answer = eventually(BOUND, "an answer", ask).await;
    assert_eq!(answer.payload, "[]");
    answering.await.expect("no panic");
    projector.tries(Publish("_INBOX_edge.guessed.1")).await;
    let refused = projector.refused().await;
    assert_eq!(refused.iter().filter(|said| said.contains("_INBOX_edge.")).count(), 2, "{refused:?}");
}
