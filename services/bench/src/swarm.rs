//! Many clients at once. What comes to them is counted, not kept; it costs this process a read and a look at a few bytes
//! a frame.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::error::Error;
use crate::frames::{self, Kind, Scanner};
use crate::target::{Person, Target};

/// Connections that are being opened at once.
const OPENING: usize = 64;
/// Read at once; on the stack, and only while something is there to read.
const READ_BYTES: usize = 16 * 1024;
/// Nothing that is waited for here takes so long, unless it was lost.
const COUNTED_WITHIN: Duration = Duration::from_secs(120);

/// What came to all of them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    live: Count,
    acks: Count,
    errors: AtomicU64,
    closed: AtomicU64,
}

/// A number that can be waited for.
#[derive(Debug, Default)]
struct Count {
    seen: AtomicU64,
    /// Who waits is woken when so many were seen.
    wanted: AtomicU64,
    reached: Notify,
}

impl Count {
    fn add(&self, more: u64) {
        let seen = self.seen.fetch_add(more, Ordering::SeqCst) + more;
        let wanted = self.wanted.load(Ordering::SeqCst);
        if wanted > 0 && seen >= wanted {
            self.reached.notify_one();
        }
    }

    async fn reach(&self, wanted: u64) {
        // One order for all four: else this could miss the last that was seen, and it that somebody waits.
        self.wanted.store(wanted, Ordering::SeqCst);
        while self.seen.load(Ordering::SeqCst) < wanted {
            self.reached.notified().await;
        }
        self.wanted.store(0, Ordering::Release);
    }
}

impl Tally {
    /// Live frames that came so far, to all of them together.
    pub(crate) fn live(&self) -> u64 {
        self.live.seen.load(Ordering::Acquire)
    }

    /// Acks that came so far.
    pub(crate) fn acks(&self) -> u64 {
        self.acks.seen.load(Ordering::Acquire)
    }

    /// Connections that the server has ended.
    pub(crate) fn closed(&self) -> u64 {
        self.closed.load(Ordering::Acquire)
    }

    /// Waits until so many live frames have come.
    pub(crate) async fn until_live(&self, wanted: u64) -> Result<(), Error> {
        self.bounded("deliveries", wanted, &self.live).await
    }

    /// Waits until so many acks have come.
    pub(crate) async fn until_acks(&self, wanted: u64) -> Result<(), Error> {
        self.bounded("acknowledgements", wanted, &self.acks).await
    }

    async fn bounded(&self, what: &str, wanted: u64, count: &Count) -> Result<(), Error> {
        let reached = tokio::time::timeout(COUNTED_WITHIN, count.reach(wanted)).await;
        reached.map_err(|_| Error::Late {
            what: format!("{wanted} {what}"),
            within: COUNTED_WITHIN,
            last_seen: format!(
                "{} live, {} acks, {} errors, {} closed",
                self.live(),
                self.acks(),
                self.errors.load(Ordering::Acquire),
                self.closed()
            ),
        })
    }
}

/// Clients that stay. Dropping this ends their connections.
#[derive(Debug)]
pub(crate) struct Swarm {
    members: Vec<Member>,
    tally: Arc<Tally>,
    readers: JoinSet<()>,
}

#[derive(Debug)]
struct Member {
    person: Person,
    tcp: Arc<TcpStream>,
}

/// What clients do once they are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attach {
    /// They join their room.
    Joined,
    /// They send, and hear nothing but the answers.
    SendingOnly,
}

impl Swarm {
    /// Connects all of them, a few dozen at once.
    pub(crate) async fn connect(target: &Target, people: Vec<Person>, attach: Attach) -> Result<Swarm, Error> {
        let tally = Arc::new(Tally::default());
        let mut readers = JoinSet::new();
        let mut opened = futures_util::stream::iter(people)
            .map(|person| async move {
                let socket = match attach {
                    Attach::Joined => target.join(&person, None).await?,
                    Attach::SendingOnly => target.open(&person, None).await?,
                };
                Ok::<_, Error>((person, socket))
            })
            .buffer_unordered(OPENING);
        let mut members = Vec::new();
        while let Some((person, socket)) = opened.try_next().await? {
            let (tcp, already) = socket.into_parts();
            let tcp = Arc::new(tcp);
            readers.spawn(count(tcp.clone(), already, tally.clone()));
            members.push(Member { person, tcp });
        }
        members.sort_by_key(|member| member.person.number);
        Ok(Swarm { members, tally, readers })
    }

    /// What came to them.
    pub(crate) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Who the client at `index` is, in the order of their numbers.
    pub(crate) fn person(&self, index: usize) -> &Person {
        &self.members[index].person
    }

    /// Sends frames through the client at `index`.
    pub(crate) async fn send(&self, index: usize, mut frames: &[u8]) -> Result<(), Error> {
        let tcp = &self.members[index].tcp;
        while !frames.is_empty() {
            match tcp.try_write(frames) {
                Ok(written) => frames = &frames[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tcp.writable().await.map_err(Error::socket("sending"))?;
                }
                Err(error) => return Err(Error::socket("sending")(error)),
            }
        }
        Ok(())
    }

    /// Everybody of `senders` says `text` once, as near to at the same moment as one process can; returns once each of
    /// `hearers` for each of them has heard it. How long that took.
    pub(crate) async fn wave(
        &self,
        target: &Target,
        senders: impl Iterator<Item = usize>,
        hearers: u64,
        text: &str,
    ) -> Result<Duration, Error> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let said: Vec<(usize, Vec<u8>)> =
            senders.map(|index| (index, target.say(self.person(index), &id, text))).collect();
        let wanted = self.tally.live() + said.len() as u64 * hearers;
        let begun = Instant::now();
        for (index, frame) in &said {
            self.send(*index, frame).await?;
        }
        self.tally.until_live(wanted).await?;
        Ok(begun.elapsed())
    }

    /// Everybody says `each` things, one after the other, as fast as they are acknowledged; with all of them that many
    /// are in flight. How long it took.
    pub(crate) async fn pour(&self, target: &Target, each: usize, text: &str) -> Result<Duration, Error> {
        let wanted = self.tally.acks() + (self.len() * each) as u64;
        // The server takes one request of a connection at a time: what waits in the socket costs it nothing, and the next
        // is there when it has answered.
        let said: Vec<Vec<u8>> = self
            .members
            .iter()
            .map(|member| {
                let frames = (0..each).map(|_| {
                    let id = uuid::Uuid::new_v4().simple().to_string();
                    target.say(&member.person, &id, text)
                });
                frames.collect::<Vec<_>>().concat()
            })
            .collect();
        let begun = Instant::now();
        let sending = futures_util::stream::iter(said.iter().enumerate().map(Ok::<_, Error>))
            .try_for_each_concurrent(None, |(index, frames)| self.send(index, frames));
        let (sent, counted) = tokio::join!(sending, self.tally.until_acks(wanted));
        sent.and(counted)?;
        Ok(begun.elapsed())
    }

    /// Ends all connections and waits until their readers are gone.
    pub(crate) async fn leave(mut self) {
        self.readers.shutdown().await;
    }
}

/// Counts what comes to one client until its connection ends, and answers pings.
async fn count(tcp: Arc<TcpStream>, already: Vec<u8>, tally: Arc<Tally>) {
    let mut scanner = Scanner::default();
    let mut must_pong = scan(&mut scanner, &already, &tally);
    drop(already);
    loop {
        if std::mem::take(&mut must_pong) {
            // A full socket buffer takes none; then the next ping will do.
            let _ = tcp.try_write(&frames::PONG);
        }
        if tcp.readable().await.is_err() {
            break;
        }
        let mut buffer = [0; READ_BYTES];
        match tcp.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => must_pong = scan(&mut scanner, &buffer[..read], &tally),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    tally.closed.fetch_add(1, Ordering::AcqRel);
}

/// Whether a pong is due.
fn scan(scanner: &mut Scanner, bytes: &[u8], tally: &Tally) -> bool {
    let (mut live, mut acks, mut must_pong) = (0, 0, false);
    scanner.feed(bytes, |kind| match kind {
        Kind::Live => live += 1,
        Kind::Ack => acks += 1,
        Kind::Error => {
            tally.errors.fetch_add(1, Ordering::AcqRel);
        }
        Kind::Ping => must_pong = true,
        Kind::Other | Kind::Close => {}
    });
    if live > 0 {
        tally.live.add(live);
    }
    if acks > 0 {
        tally.acks.add(acks);
    }
    must_pong
}
