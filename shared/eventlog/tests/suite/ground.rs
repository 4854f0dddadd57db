//! What a test stands on: a log in memory, or a real nats-server of its own; and short words for what is said there.

use std::time::Duration;

use bytes::Bytes;
use klatch_domain::{Address, Guard, MessageId, RoomId, Seq, UserId};
use klatch_eventlog::memory::Faults;
use klatch_eventlog::{Append, Entry, LiveEvent, LiveRoom, Log, Options, Outcome};
use klatch_testkit::NatsServer;

/// Makes a test of each function over each log.
macro_rules! over_both {
    ($($name:ident),* $(,)?) => {
        mod memory {
            use crate::ground::Ground;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(Ground::memory()).await;
                }
            )*
        }
        mod jetstream {
            use crate::ground::Ground;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(Ground::jetstream_of_any_size().await).await;
                }
            )*
        }
    };
}
pub(crate) use over_both;

/// Nothing in these tests takes so long; what does is broken.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// A log, and what is behind it.
pub(crate) struct Ground {
    pub(crate) log: Log,
    pub(crate) servers: Vec<NatsServer>,
}

impl Ground {
    pub(crate) fn memory() -> Self {
        Ground::memory_with(options(""))
    }

    pub(crate) fn memory_with(options: Options) -> Self {
        Ground { log: Log::memory_with(options), servers: Vec::new() }
    }

    pub(crate) async fn jetstream() -> Self {
        Ground::jetstream_with(|options| options).await
    }

    pub(crate) async fn jetstream_with(change: impl FnOnce(Options) -> Options) -> Self {
        let server = NatsServer::start().await;
        let options = change(options(&server.url()));
        Ground { log: Log::open(options).await.unwrap(), servers: vec![server] }
    }

    /// One server; or three with three copies, where `KLATCH_SUITE_COPIES=3` asks for the long run.
    pub(crate) async fn jetstream_of_any_size() -> Self {
        match std::env::var("KLATCH_SUITE_COPIES").as_deref() {
            Ok("3") => Ground::cluster().await,
            _ => Ground::jetstream().await,
        }
    }

    /// Three servers, three copies.
    pub(crate) async fn cluster() -> Self {
        let routes: Vec<String> =
            (0..3).map(|_| format!("nats-route://127.0.0.1:{}", klatch_testkit::free_port())).collect();
        let mut servers = Vec::new();
        for route in &routes {
            let listen = route.strip_prefix("nats-route://").unwrap();
            let cluster = format!("cluster {{ name: klatch, listen: \"{listen}\", routes: {routes:?} }}");
            servers.push(NatsServer::builder().extra_config(&cluster).start().await);
        }
        let urls: Vec<String> = servers.iter().map(NatsServer::url).collect();
        let options = Options { replicas: 3, open_deadline: Duration::from_secs(30), ..options(&urls.join(",")) };
        Ground { log: Log::open(options).await.unwrap(), servers }
    }

    /// Another one's view of the same log: a connection of its own where there are connections.
    pub(crate) async fn another(&self) -> Log {
        if self.servers.is_empty() {
            return self.log.clone();
        }
        let urls: Vec<String> = self.servers.iter().map(NatsServer::url).collect();
        Log::open(options(&urls.join(","))).await.unwrap()
    }

    pub(crate) fn faults(&self) -> Faults {
        self.log.faults().expect("a log in memory")
    }

    pub(crate) fn server(&mut self) -> &mut NatsServer {
        &mut self.servers[0]
    }
}

/// The limits of production, but rooms are compared more often, so that a test needn't wait for it; and patience for a
/// machine that is busy with other tests.
pub(crate) fn options(servers: &str) -> Options {
    Options {
        servers: servers.to_owned(),
        name: "suite".to_owned(),
        live_check_every: Duration::from_millis(500),
        append_deadline: Duration::from_secs(60),
        read_deadline: Duration::from_secs(20),
        ..Options::default()
    }
}

pub(crate) fn room(id: &str) -> RoomId {
    RoomId::parse(id).unwrap()
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

pub(crate) fn id(id: &str) -> MessageId {
    MessageId::parse(id).unwrap()
}

pub(crate) fn timeline(room: &RoomId) -> Address {
    Address::Timeline(room.clone())
}

pub(crate) fn member(room: &RoomId, user: &UserId) -> Address {
    Address::Member(room.clone(), user.clone())
}

pub(crate) fn info(room: &RoomId) -> Address {
    Address::Info(room.clone())
}

/// An event that says no more than these words.
pub(crate) fn entry(address: Address, words: &str) -> Entry {
    Entry { address, payload: Bytes::from(format!("{{\"event\":{words:?}}}")), guard: None, id: None }
}

pub(crate) trait EntryExt {
    /// Only if that address still has that last sequence.
    fn if_last(self, address: Address, expected: Seq) -> Self;
    /// Only if its own address still has that last sequence.
    fn if_own(self, expected: Seq) -> Self;
    fn under(self, id: &str) -> Self;
}

impl EntryExt for Entry {
    fn if_last(self, address: Address, expected: Seq) -> Self {
        Entry { guard: Some(Guard { address, expected }), ..self }
    }

    fn if_own(self, expected: Seq) -> Self {
        let own = self.address.clone();
        self.if_last(own, expected)
    }

    fn under(self, key: &str) -> Self {
        Entry { id: Some(id(key)), ..self }
    }
}

pub(crate) fn by(author: &UserId, entries: Vec<Entry>) -> Append {
    Append { author: author.clone(), entries }
}

/// Appends one event unguarded. Where the broker is restarted meanwhile, its answer may be lost; then it is found out.
pub(crate) async fn say(log: &Log, room: &RoomId, words: &str) -> Seq {
    match log.append(by(&user("ada"), vec![entry(timeline(room), words)])).await.unwrap() {
        Outcome::Appended { seq } | Outcome::Duplicate { seq } => seq,
        Outcome::StandingChanged => panic!("there was no guard"),
    }
}

pub(crate) fn appended(outcome: Outcome) -> Seq {
    match outcome {
        Outcome::Appended { seq } => seq,
        other => panic!("not appended: {other:?}"),
    }
}

pub(crate) fn words(payload: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(payload).unwrap();
    value["event"].as_str().unwrap().to_owned()
}

/// The next event, under a bound.
pub(crate) async fn next(live: &mut LiveRoom) -> LiveEvent {
    tokio::time::timeout(BOUND, live.next()).await.expect("something live within the bound")
}

/// The next timeline event: sequence, predecessor, words.
pub(crate) async fn next_timeline(live: &mut LiveRoom) -> (Seq, Seq, String) {
    loop {
        match next(live).await {
            LiveEvent::Timeline { seq, prev, payload, .. } => return (seq, prev, words(&payload)),
            LiveEvent::Lost(why) => panic!("lost: {why:?}"),
            _ => {}
        }
    }
}
