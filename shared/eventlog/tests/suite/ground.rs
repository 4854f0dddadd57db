//! What a test stands on: a log in memory, a real nats-server of its own, or three of them; and short words for what is said
//! there.

use std::time::Duration;

use bytes::Bytes;
use klatch_domain::{Address, Guard, MessageId, RoomId, Seq, UserId};
use klatch_eventlog::memory::Faults;
use klatch_eventlog::{Append, Entry, Grouping, LiveEvent, LiveRoom, Log, Options, Outcome};
use klatch_testkit::{NatsCluster, NatsServer};

/// Makes a test of each function over each log: in memory, on one server, and (with the feature `faults`, for it takes
/// minutes) with three copies on three servers.
macro_rules! over_all {
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
                    super::$name(Ground::jetstream().await).await;
                }
            )*
        }
        #[cfg(feature = "faults")]
        mod three_copies {
            use crate::ground::Ground;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(Ground::cluster().await).await;
                }
            )*
        }
    };
}
pub(crate) use over_all;

/// Nothing in these tests takes so long; what does is broken.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// A log, and what is behind it.
pub(crate) struct Ground {
    pub(crate) log: Log,
    behind: Behind,
}

/// Dropped with the ground: servers are killed then.
enum Behind {
    Memory,
    One(NatsServer),
    Three(NatsCluster),
}

impl Ground {
    pub(crate) fn memory() -> Self {
        Ground::memory_with(options(""))
    }

    pub(crate) fn memory_with(options: Options) -> Self {
        Ground { log: Log::memory_with(options), behind: Behind::Memory }
    }

    pub(crate) async fn jetstream() -> Self {
        Ground::jetstream_with(|options| options).await
    }

    pub(crate) async fn jetstream_with(change: impl FnOnce(Options) -> Options) -> Self {
        let server = NatsServer::start().await;
        let options = change(options(&server.url()));
        Ground { log: Log::open(options).await.unwrap(), behind: Behind::One(server) }
    }

    /// Three servers, three copies.
    pub(crate) async fn cluster() -> Self {
        let cluster = NatsCluster::start().await;
        let open_deadline = Duration::from_secs(30);
        let options = Options { replicas: cluster.size(), open_deadline, ..options(&cluster.url()) };
        Ground { log: Log::open(options).await.unwrap(), behind: Behind::Three(cluster) }
    }

    /// The same log, to which what several people say at once goes in groups; in memory another one.
    pub(crate) async fn grouping(&self) -> Log {
        let grouping = |options| Options { grouping: Grouping::Always, group_min: 4, ..options };
        match self.url() {
            Some(url) => Log::open(grouping(options(&url))).await.unwrap(),
            None => Log::memory_with(grouping(options(""))),
        }
    }

    /// Another one's view of the same log: a connection of its own where there are connections.
    pub(crate) async fn another(&self) -> Log {
        match self.url() {
            Some(url) => Log::open(options(&url)).await.unwrap(),
            None => self.log.clone(),
        }
    }

    pub(crate) fn faults(&self) -> Faults {
        self.log.faults().expect("a log in memory")
    }

    /// Where the servers are, if there are any.
    pub(crate) fn url(&self) -> Option<String> {
        match &self.behind {
            Behind::Memory => None,
            Behind::One(server) => Some(server.url()),
            Behind::Three(cluster) => Some(cluster.url()),
        }
    }

    /// The one server.
    pub(crate) fn server(&mut self) -> &mut NatsServer {
        match &mut self.behind {
            Behind::One(server) => server,
            _ => panic!("there is not one server"),
        }
    }

    /// The three servers.
    #[cfg(feature = "faults")]
    pub(crate) fn cluster_mut(&mut self) -> &mut NatsCluster {
        match &mut self.behind {
            Behind::Three(cluster) => cluster,
            _ => panic!("there are not three servers"),
        }
    }

    /// Kills one of the servers (-9) and starts it again, whichever number that comes to.
    pub(crate) async fn restart(&mut self, number: usize) {
        match &mut self.behind {
            Behind::Memory => panic!("nothing to restart"),
            Behind::One(server) => server.restart().await,
            Behind::Three(cluster) => cluster.node_mut(number % 3).restart().await,
        }
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
