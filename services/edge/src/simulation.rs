//! An edge that a simulation drives: the real hub, sessions, rooms and outboxes over a log in memory, with a way in that is
//! no socket. What a client says goes in as text, what it would read comes out as text, as slowly as it likes. It can be
//! killed at any moment.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use klatch_domain::{Timestamp, UserId};
use klatch_eventlog::Log;
use klatch_service::{Health, Metrics};
use klatch_wire::CloseCode;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::{Client, Tongue};
use crate::config::Config;
use crate::hub::Hub;
use crate::outbox::{Frame, Outbox};
use crate::session::Session;
use crate::token::{BadKeys, Person, Verifier};
use crate::voice::Voice;
use crate::{facts, metrics, presence};

/// An edge, running.
#[derive(Debug)]
pub struct Simulated {
    hub: Arc<Hub>,
    tasks: TaskTracker,
    end: CancellationToken,
}

/// The client's end of a connection. Dropping it is to be gone without a word.
#[derive(Debug)]
pub struct Line {
    /// What the client says.
    pub say: mpsc::UnboundedSender<String>,
    /// What it reads, one frame each; at the end there is no more.
    pub hear: mpsc::Receiver<String>,
}

impl Simulated {
    /// Starts an edge over a log in memory.
    pub fn start(config: Config, log: Log) -> Result<Simulated, BadKeys> {
        let verifier = Verifier::new(&config.auth)?;
        let metrics = metrics::Metrics::new(&Metrics::new());
        let hub = Arc::new(Hub::new(config, log, verifier, Health::new(), metrics));
        let (tasks, end) = (TaskTracker::new(), CancellationToken::new());
        let upkeep = hub.clone();
        tasks.spawn(end.clone().run_until_cancelled_owned(async move {
            tokio::join!(
                presence::keep(upkeep.clone()),
                upkeep.announcements.run(&upkeep.log, &upkeep.edge),
                facts::follow(upkeep.clone()),
            );
        }));
        Ok(Simulated { hub, tasks, end })
    }

    /// Connects somebody, whose token holds for ever. They take a frame every `pace` at most; frames that are not taken
    /// wait in the outbox.
    pub fn connect(&self, user: &UserId, pace: Duration) -> Line {
        let (say, said) = mpsc::unbounded_channel();
        let (tell, hear) = mpsc::channel(1);
        let expires = Timestamp::from_ms(i64::MAX);
        let person = Person { user_id: user.clone(), username: user.to_string(), avatar: None, expires };
        let serving = serve(self.hub.clone(), person, said, tell, pace);
        self.tasks.spawn(self.end.clone().run_until_cancelled_owned(serving));
        Line { say, hear }
    }

    /// Kills it (-9): nobody hears a goodbye, and what was under way stays as it is.
    pub async fn kill(self) {
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// One connection, as `socket` serves it: one request after the other, the next when the last answer is out.
async fn serve(
    hub: Arc<Hub>,
    person: Person,
    mut said: mpsc::UnboundedReceiver<String>,
    tell: mpsc::Sender<String>,
    pace: Duration,
) {
    let outbox = Arc::new(Outbox::new(hub.config.limits.queue_bytes_max));
    let mut session = Session::new(hub.clone(), outbox.clone(), Voice::NATIVE);
    let user = person.user_id.clone();
    if session.admit(person, None).is_err() {
        return;
    }
    session.welcome();
    let mut client = Client::Native(session);
    let work = async {
        while let Some(text) = said.recv().await {
            match Tongue::Native.read(&text) {
                Ok(word) => client.handle(word).await,
                Err(unheard) => outbox.answer(Tongue::Native.refusal(&unheard)),
            }
            outbox.emptied().await;
        }
    };
    tokio::select! {
        biased;
        () = write(&outbox, &tell, pace) => {}
        () = work => {}
        () = tell.closed() => {}
    }
    drop(client);
    hub.left(&user).await;
}

/// Hands on what is queued until the session is to close.
async fn write(outbox: &Outbox, tell: &mpsc::Sender<String>, pace: Duration) {
    let mut writing = VecDeque::new();
    loop {
        outbox.take(&mut writing);
        while let Some(item) = writing.pop_front() {
            if outbox.closing() == Some(CloseCode::SlowReader) {
                return;
            }
            let counted = if item.counted { item.frame.len() } else { 0 };
            if !pace.is_zero() {
                tokio::time::sleep(pace).await;
            }
            let Frame::WebSocket(bytes) = item.frame else { continue };
            if tell.send(payload(&bytes).to_owned()).await.is_err() {
                return;
            }
            outbox.written(counted, usize::from(!item.counted));
        }
        if outbox.closing().is_some() {
            return;
        }
        outbox.woken().await;
    }
}

/// The text in a frame of the server's, which is whole and not masked.
fn payload(frame: &[u8]) -> &str {
    let header = match frame.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    std::str::from_utf8(frame.get(header..).unwrap_or_default()).unwrap_or_default()
}
