//! One WebSocket after its upgrade: one task, one loop. It reads what the client sends, lets the session work on one
//! frame at a time, writes what the outbox holds in one call per wake-up, and keeps the connection's clocks.
//!
//! Every branch of the loop is cancel-safe: sockets are waited for by readiness alone, a session's work is a boxed
//! future that stays until it is done, and frames are parsed only when whole. While nothing happens, a connection
//! holds no buffer.

pub(crate) mod frame;
pub(crate) mod read;
mod write;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use klatch_domain::Timestamp;
use klatch_wire::CloseCode;
use klatch_wire::native::server::Goodbye;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFuture;

use crate::client::{Client, Tongue, Unheard, Word};
use crate::hub::Hub;
use crate::outbox::{Item, Outbox};
use crate::people::Rate;
use crate::transport::Transport;
use read::{Incoming, Progress, Reader};
use write::Writer;

/// After our close frame the client's last bytes are read and thrown away for so long at most: a socket closed with
/// unread input sends RST, which can eat the close frame.
const LINGER: Duration = Duration::from_secs(1);
/// Clients of a draining server come back within so many milliseconds, each at its own moment.
const RECONNECT_SPREAD_MS: u64 = 2_000;

/// Alarms for a token's end are set so far ahead at most; then again.
const EXPIRY_LOOK_AHEAD_MS: i64 = 3_600_000;

type Work = Pin<Box<dyn Future<Output = Box<Client>> + Send>>;

/// Who is working: the client's side of us is at rest, or in a future that gives it back.
enum Worker {
    Idle(Box<Client>),
    Busy(Work),
    /// Between the two; never seen by the loop.
    Moving,
}

/// A client's connection, from its upgrade to its end.
pub(crate) struct Connection {
    hub: Arc<Hub>,
    transport: Transport,
    outbox: Arc<Outbox>,
    reader: Reader,
    writer: Writer,
    rate: Rate,
    waiting: VecDeque<Word>,
    tongue: Tongue,
    clocks: Clocks,
    worker: Worker,
    ending: Ending,
    _slot: OwnedSemaphorePermit,
}

/// Whether the connection is to end once what the client has sent is worked off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It goes on.
    No,
    /// The client's close frame came: it is answered with this code.
    Answer(CloseCode),
    /// The server stops.
    Goodbye,
    /// The client is gone.
    Gone,
}

/// Something that a connection waits for has come.
enum Step {
    /// The session has worked off its frame.
    Worked(Box<Client>),
    /// Something is to be written, or the session is to close.
    Queued,
    /// The socket has room again.
    Writable,
    /// The client has sent something.
    Readable,
    /// The socket is of no more use.
    Broken,
    /// The server stops.
    Draining,
    /// One of the clocks may have run out.
    Alarm,
}

/// The moments that a connection's alarms count from.
struct Clocks {
    opened_at: Instant,
    heard_at: Instant,
    pinged_at: Instant,
    /// When the token ends; none before there is one.
    expires: Option<Timestamp>,
    /// When an ending waits no longer for what the client has sent.
    ends: Option<Instant>,
}

/// A connection that was upgraded.
#[derive(Debug)]
pub(crate) struct Upgraded {
    /// The connection.
    pub transport: Transport,
    /// What came behind the upgrade request.
    pub leftover: Bytes,
    /// Its place among those that the edge may have.
    pub slot: OwnedSemaphorePermit,
}

/// Serves a connection to its end.
///
/// Its task is this future, most of the time idle, and as large as the largest thing that it ever waits for. So what only
/// the end needs is boxed when it comes (3 of 17 KiB were the append that says when somebody was last seen), and what only
/// the upgrade needs lives in another task.
pub(crate) async fn serve(mut connection: Box<Connection>) {
    connection.hub.metrics.connections.inc();
    connection.run().await;
    Box::pin(connection.end_well()).await;
}

impl Connection {
    /// A connection whose client is `client`, spoken to in `tongue`, through `outbox`.
    pub(crate) fn new(
        hub: Arc<Hub>,
        Upgraded { transport, leftover, slot }: Upgraded,
        outbox: Arc<Outbox>,
        tongue: Tongue,
        client: Box<Client>,
    ) -> Box<Self> {
        let now = Instant::now();
        let limits = &hub.config.limits;
        let reader = Reader::new(limits);
        let mut connection = Box::new(Connection {
            reader: if tongue.bears_binary() { reader.tell_of_binary() } else { reader },
            writer: Writer::new(Duration::from_millis(hub.config.write_ms_max)),
            rate: Rate::new(limits.frames_per_second, limits.frames_burst),
            waiting: VecDeque::new(),
            tongue,
            clocks: Clocks { opened_at: now, heard_at: now, pinged_at: now, expires: client.expires(), ends: None },
            worker: Worker::Idle(client),
            ending: Ending::No,
            outbox,
            transport,
            hub,
            _slot: slot,
        });
        connection.hear(|reader, _, each| reader.feed(&leftover, each).map(|()| Progress::Drained));
        connection
    }

    /// Runs until the connection is to end: the outbox then says with which code, or the client is gone.
    async fn run(&mut self) {
        let hub = self.hub.clone();
        let mut alarm = std::pin::pin!(tokio::time::sleep_until(self.next_alarm()));
        let mut draining = std::pin::pin!(hub.draining.cancelled());
        loop {
            // First what is to be written: the next request is begun only when the last answer is out.
            let flushed = self.writer.flush(&self.transport, &self.outbox);
            let is_broken = flushed.is_err();
            if let Ok(frames @ 1..) = flushed {
                hub.metrics.frames_out.inc_by(frames);
            }
            self.start_work();
            if self.is_at_rest() {
                self.end();
            }
            let is_over = self.ending == Ending::Gone && self.is_at_rest();
            if is_over || (is_broken && self.ending != Ending::Gone) || self.outbox.closing().is_some() {
                return;
            }
            let backlog = self.waiting.len().max(self.outbox.unwritten_answers());
            let may_read = self.ending == Ending::No && backlog < hub.config.limits.requests_waiting_max;
            match poll_fn(|cx| self.poll_step(cx, may_read, alarm.as_mut(), draining.as_mut())).await {
                Step::Worked(client) => {
                    self.clocks.expires = client.expires();
                    self.worker = Worker::Idle(client);
                    self.set_earlier(alarm.as_mut());
                }
                Step::Queued => {}
                Step::Writable => self.writer.unblock(),
                Step::Readable => {
                    self.hear(|reader, tcp, each| reader.read(tcp, each));
                    self.set_earlier(alarm.as_mut());
                }
                Step::Broken => return,
                Step::Draining => {
                    self.begin_ending(Ending::Goodbye);
                    self.set_earlier(alarm.as_mut());
                }
                Step::Alarm => {
                    self.ring();
                    alarm.as_mut().reset(self.next_alarm());
                }
            }
        }
    }

    /// What happens next; while nothing does, everything that can has the task's waker.
    ///
    /// By hand, since `select!` keeps a future for each of its branches in the task (2.2 KiB of them, idle), and takes
    /// each out of a list of waiters and puts it back whenever the task wakes up.
    fn poll_step(
        &mut self,
        cx: &mut Context<'_>,
        may_read: bool,
        alarm: Pin<&mut Sleep>,
        draining: Pin<&mut WaitForCancellationFuture<'_>>,
    ) -> Poll<Step> {
        if let Worker::Busy(work) = &mut self.worker
            && let Poll::Ready(client) = work.as_mut().poll(cx)
        {
            return Poll::Ready(Step::Worked(client));
        }
        if self.outbox.poll_woken(cx).is_ready() {
            return Poll::Ready(Step::Queued);
        }
        if self.writer.is_blocked()
            && let Poll::Ready(room) = self.transport.poll_write_ready(cx)
        {
            return Poll::Ready(room.map_or(Step::Broken, |()| Step::Writable));
        }
        if may_read && let Poll::Ready(bytes) = self.transport.poll_read_ready(cx) {
            return Poll::Ready(bytes.map_or(Step::Broken, |()| Step::Readable));
        }
        if self.ending == Ending::No && draining.poll(cx).is_ready() {
            return Poll::Ready(Step::Draining);
        }
        alarm.poll(cx).map(|()| Step::Alarm)
    }

    /// Takes what has come from the client.
    fn hear(
        &mut self,
        read: impl FnOnce(&mut Reader, &Transport, &mut dyn FnMut(Incoming<'_>)) -> Result<Progress, CloseCode>,
    ) {
        let Connection { hub, transport, outbox, reader, rate, waiting, tongue, .. } = self;
        let mut answer_close = None;
        let heard = read(reader, transport, &mut |incoming| match incoming {
            Incoming::Text(text) => match admit(*tongue, text, rate) {
                Ok(word) => waiting.push_back(word),
                Err(unheard) => {
                    hub.metrics.refused(unheard.failure.code);
                    outbox.answer(tongue.refusal(&unheard));
                }
            },
            Incoming::Binary => outbox.answer(tongue.refusal(&Unheard::binary())),
            Incoming::Ping(payload) => outbox.push(Item::live(frame::pong(payload).into())),
            Incoming::Close(code) => answer_close = Some(code),
        });
        self.clocks.heard_at = Instant::now();
        match heard {
            Ok(Progress::Gone) => self.begin_ending(Ending::Gone),
            Ok(Progress::Drained | Progress::More) => {}
            Err(code) => self.outbox.close(code),
        }
        if let Some(code) = answer_close {
            self.begin_ending(Ending::Answer(code));
        }
    }

    fn begin_ending(&mut self, ending: Ending) {
        self.ending = ending;
        self.clocks.ends = Some(Instant::now() + self.hub.close_within());
    }

    /// Whether all that the client has sent is worked off.
    fn is_at_rest(&self) -> bool {
        self.waiting.is_empty() && matches!(self.worker, Worker::Idle(_))
    }

    /// Goes on to the close frame, if the connection is to end.
    fn end(&mut self) {
        match self.ending {
            Ending::No | Ending::Gone => {}
            Ending::Answer(code) => self.outbox.close(code),
            Ending::Goodbye => self.say_goodbye(),
        }
    }

    /// Lets the session work on the next frame, once the last one is done and its answer is on the way.
    fn start_work(&mut self) {
        if !matches!(self.worker, Worker::Idle(_)) || self.outbox.unwritten_answers() > 0 {
            return;
        }
        let Some(word) = self.waiting.pop_front() else {
            self.waiting = VecDeque::new();
            return;
        };
        if let Worker::Idle(mut client) = std::mem::replace(&mut self.worker, Worker::Moving) {
            self.hub.metrics.frames_in.inc();
            self.worker = Worker::Busy(Box::pin(async move {
                client.handle(word).await;
                client
            }));
        }
    }

    fn next_alarm(&self) -> Instant {
        let limits = &self.hub.config.limits;
        let quiet = self.clocks.heard_at.max(self.clocks.pinged_at) + Duration::from_millis(limits.ping_ms);
        let idle = self.clocks.heard_at + Duration::from_millis(limits.idle_ms_max);
        let token = match self.clocks.expires {
            None if !self.tongue.signs_in() => idle,
            None => self.clocks.opened_at + Duration::from_millis(limits.auth_ms_max),
            Some(at) => {
                let left = at.as_ms().saturating_sub(self.hub.now().as_ms()).clamp(0, EXPIRY_LOOK_AHEAD_MS);
                Instant::now() + Duration::from_millis(left as u64)
            }
        };
        let next = quiet.min(idle).min(token).min(self.clocks.ends.unwrap_or(idle));
        self.writer.stalled_at().map_or(next, |stalled| next.min(stalled))
    }

    fn set_earlier(&self, alarm: Pin<&mut Sleep>) {
        let next = self.next_alarm();
        if next < alarm.deadline() {
            alarm.reset(next);
        }
    }

    /// One of the clocks may have run out.
    fn ring(&mut self) {
        let (hub, now) = (self.hub.clone(), Instant::now());
        let limits = &hub.config.limits;
        let since_heard = now.duration_since(self.clocks.heard_at);
        if self.clocks.ends.is_some_and(|ends| now >= ends) {
            self.waiting.clear();
            self.say_goodbye();
        } else if since_heard >= Duration::from_millis(limits.idle_ms_max) {
            self.outbox.close(CloseCode::Idle);
        } else if self.writer.stalled_at().is_some_and(|stalled| now >= stalled) {
            self.outbox.close(CloseCode::SlowReader);
        }
        match self.clocks.expires {
            None if self.tongue.signs_in()
                && now.duration_since(self.clocks.opened_at) >= Duration::from_millis(limits.auth_ms_max) =>
            {
                self.outbox.close(CloseCode::AuthTimeout);
            }
            Some(at) if at <= self.hub.now() => self.outbox.close(CloseCode::TokenExpired),
            _ => {}
        }
        let ping = Duration::from_millis(limits.ping_ms);
        if since_heard >= ping && now.duration_since(self.clocks.pinged_at) >= ping {
            self.clocks.pinged_at = now;
            self.outbox.push(Item::live(frame::ping().into()));
        }
    }

    fn say_goodbye(&self) {
        let goodbye = Goodbye {
            reason: "this server stops; another one goes on".to_owned(),
            reconnect_after_ms: rand::random_range(0..RECONNECT_SPREAD_MS),
            resume: true,
        };
        if let Some(frame) = self.tongue.goodbye(&goodbye) {
            self.outbox.push(Item::live(frame.into()));
        }
        self.outbox.close(CloseCode::GoingAway);
    }

    /// Closes, carries out what the client sent before it went, and keeps when it was last seen.
    async fn end_well(mut self: Box<Self>) {
        self.close().await;
        let client = match self.worker {
            Worker::Idle(client) => Some(client),
            Worker::Busy(work) => Some(work.await),
            Worker::Moving => None,
        };
        if let Some(user) = client.and_then(|client| client.user().cloned()) {
            self.hub.left(&user).await;
        }
        self.hub.metrics.connections.dec();
    }

    /// Writes what is to be written, the close frame last, and waits until the client has had a chance to read it.
    async fn close(&mut self) {
        let Some(code) = self.outbox.closing() else { return };
        self.hub.metrics.closed(code);
        let finish = async {
            // Who reads too slowly would not get to the end of the queue: the close frame overtakes it.
            self.writer.finish(&self.transport, &self.outbox, code, code == CloseCode::SlowReader).await?;
            self.transport.shut_down()
        };
        if tokio::time::timeout(self.hub.close_within(), finish).await.is_ok_and(|result| result.is_ok()) {
            let _ = tokio::time::timeout(LINGER, read::discard(&self.transport)).await;
        }
    }
}

/// A word to work on, within the rate; or why not.
fn admit(tongue: Tongue, text: &str, rate: &Rate) -> Result<Word, Unheard> {
    let word = tongue.read(text);
    match (rate.take("frames"), word) {
        (Ok(()), word) => word,
        (Err(failure), Ok(word)) => Err(word.refused(failure)),
        (Err(failure), Err(unheard)) => Err(unheard.because(failure)),
    }
}
