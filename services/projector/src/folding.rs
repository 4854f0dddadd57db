//! One stretch of folding: the views are opened and held against the log, then a thread folds what a task follows, until
//! the projector stops or a doubt comes up.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use klatch_domain::{Epoch, Position, Seq};
use klatch_eventlog::{FollowBatch, FollowError, FollowMarks, Log, MarkBatch, Stored};
use klatch_service::traces;
use klatch_wire::query::Phase;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::board::{Beginning, Board};
use crate::config::Config;
use crate::fold::Fold;
use crate::numbers::Numbers;
use crate::rebuild::{self, Doubt};
use crate::store::checkpoint::Checkpoint;
use crate::store::digest::Digest;
use crate::store::{Damage, Store, guarded};
use crate::verify::VerifyError;
use crate::workshop::Workshop;

/// Pieces of work that wait for the fold's thread.
const WORK_WAITING_MAX: usize = 16;
/// What is folded is stored after so many events or bytes of them at the latest. Each batch writes the newest page of
/// each of its rooms whole, and sled writes the pages beside it in its node again: of a log of 1,000 equally busy rooms,
/// storing costs 4.6 µs an event in batches of 32,768 events and 3.3 µs in batches of 131,072 (medians of three, processor
/// time, release build). So batches are as large as the fold is behind.
const COMMIT_EVENTS_MAX: usize = 131_072;
const COMMIT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// … and after so long, unless a query waits for it: then at once. Who is alone with few events a second would store each
/// by itself, page and node around it; a crash costs nothing but to fold these again.
const COMMIT_EVERY: Duration = Duration::from_millis(100);
/// A rebuild, whose views nobody reads yet, only has its progress to show.
const COMMIT_EVERY_REBUILDING: Duration = Duration::from_secs(2);
/// Events that a fresh fold, for a comparison, takes from the log at once.
const FRESH_BATCH_EVENTS: usize = 512;
/// Events of one batch that show in their traces: a batch that is larger catches up with what is long over.
const SPANS_MAX: usize = 64;
/// Between log lines about how far a rebuild is.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// How a stretch of folding ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The projector was told to stop, and everything is on the disk.
    Stopped,
    /// The views can't be gone on with.
    Doubt(Doubt),
    /// The log can't be read now, or the disk refuses; the views are as good as they were.
    Unavailable(String),
}

impl From<Damage> for Ended {
    fn from(damage: Damage) -> Self {
        match damage {
            Damage::Disk(why) => Ended::Unavailable(why),
            damage => Ended::Doubt(Doubt::Damaged(damage)),
        }
    }
}

/// What the fold's thread is given.
#[derive(Debug)]
enum Work {
    Events { events: Vec<Stored>, position: Seq, caught_up: bool },
    Marks(MarkBatch),
    RestartMarks,
    Flush,
}

/// Opens the views and folds until something ends it. `why` is what emptied the folder, if something did.
pub(crate) async fn fold_on(
    config: &Config,
    log: &Log,
    board: &Arc<Board>,
    numbers: &Numbers,
    why: Option<String>,
    stop: &CancellationToken,
) -> Ended {
    let opened = tokio::select! {
        opened = open(config, log, board, why) => opened,
        () = stop.cancelled() => return Ended::Stopped,
    };
    let fold = match opened {
        Ok(fold) => fold,
        Err(ended) => return ended,
    };
    let from = Position { epoch: fold.checkpoint().epoch, seq: fold.checkpoint().seq };
    let marks_from = fold.marks_position();
    let (work, queue) = mpsc::channel(WORK_WAITING_MAX);
    let thread = Thread { fold, queue, board: Arc::clone(board), numbers: numbers.clone() };
    let mut done = match thread.start(config.workshop) {
        Ok(done) => done,
        Err(error) => return Ended::Unavailable(format!("no thread to fold on: {error}")),
    };
    let feeding = feed(config, log, from, marks_from, work);
    let ended = tokio::select! {
        // The thread ends by itself only by damage.
        folded = &mut done => return folded.map_or_else(Ended::from, |()| Ended::Stopped),
        damage = board.damaged() => Ended::from(damage),
        ended = feeding => ended,
        () = stop.cancelled() => Ended::Stopped,
    };
    // The feeding is dropped, and the queue's other end with it: the thread works off what waits there and ends.
    match (ended, done.await) {
        (Ended::Stopped, Err(damage)) => Ended::from(damage),
        (ended, _) => ended,
    }
}

async fn open(config: &Config, log: &Log, board: &Board, why: Option<String>) -> Result<Fold, Ended> {
    let unavailable = |error: klatch_eventlog::ReadError| Ended::Unavailable(error.to_string());
    let epoch = log.refresh_epoch().await.map_err(unavailable)?;
    let end = log.last_seq().await.map_err(unavailable)?;
    let (dir, cache_bytes, hot_pages_bytes) = (config.dir.clone(), config.cache_bytes, config.hot_pages_bytes);
    let opened = config.workshop.blocking(move || {
        let store = Store::open(&dir, cache_bytes)?;
        guarded(|| Ok((Checkpoint::read(&store)?, store)))
    });
    let (checkpoint, store) = opened.await.map_err(Ended::Unavailable)?.map_err(Ended::from)?;
    if let Some(checkpoint) = &checkpoint
        && let Some(doubt) = rebuild::assess(log, checkpoint).await.map_err(unavailable)?
    {
        return Err(Ended::Doubt(doubt));
    }
    let is_new = checkpoint.is_none();
    let fold = config.workshop.blocking(move || guarded(|| Fold::open(store, epoch, hot_pages_bytes)));
    let fold = fold.await.map_err(Ended::Unavailable)?.map_err(Ended::from)?.working_in(config.workshop);
    let position = Position { epoch, seq: fold.checkpoint().seq };
    let rebuilding = is_new.then(|| why.unwrap_or_else(|| "there are no views yet".to_owned()));
    tracing::info!(seq = %position.seq, %end, %epoch, rebuilding = rebuilding.is_some(), "folds");
    let store = fold.store().clone();
    let Checkpoint { folded, undecodable, .. } = *fold.checkpoint();
    let (digest, marks) = (fold.digest(), fold.marks_position());
    board.begin(Beginning { store, position, marks, digest, folded, undecodable, end, rebuilding });
    Ok(fold)
}

/// Follows the log and hands on what it gives, until it can't. Three loops side by side: none interrupts another in what
/// it waits for.
async fn feed(config: &Config, log: &Log, from: Position, marks_from: Seq, work: mpsc::Sender<Work>) -> Ended {
    let max = config.batch_events_max.max(1);
    let hand_on = async |next: Work| {
        if work.send(next).await.is_err() {
            // The thread is gone: how, its own end says.
            std::future::pending::<()>().await;
        }
    };
    let events = async {
        let mut events = log.follow(from.seq);
        loop {
            match events.next_batch(max).await {
                Ok(FollowBatch { events, position, caught_up }) => {
                    hand_on(Work::Events { events, position, caught_up }).await;
                }
                Err(error) => return lost(log, from.epoch, error).await,
            }
        }
    };
    let marks = async {
        let mut marks = log.follow_marks(marks_from);
        loop {
            hand_on(next_marks(log, &mut marks, max).await).await;
        }
    };
    let flushes = async {
        let mut flush = tokio::time::interval(Duration::from_millis(config.flush_ms.max(10)));
        flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            flush.tick().await;
            hand_on(Work::Flush).await;
        }
    };
    tokio::select! {
        ended = events => ended,
        ended = marks => ended,
        ended = flushes => ended,
    }
}

async fn next_marks(log: &Log, marks: &mut FollowMarks, max: usize) -> Work {
    match marks.next_batch(max).await {
        Ok(batch) => Work::Marks(batch),
        Err(FollowError::EpochChanged) => {
            // Another stream of marks, or another epoch of events, which the other follower tells of. Marks only grow.
            *marks = log.follow_marks(Seq::ZERO);
            Work::RestartMarks
        }
        Err(FollowError::Closed) => std::future::pending().await,
    }
}

/// What it means that the follower lost the stream.
async fn lost(log: &Log, was: Epoch, error: FollowError) -> Ended {
    match log.refresh_epoch().await {
        Ok(now) if now == was => Ended::Doubt(Doubt::PastEnd),
        Ok(now) => Ended::Doubt(Doubt::OtherEpoch { was, now }),
        Err(why) => Ended::Unavailable(format!("{error}: {why}")),
    }
}

/// The fold at work, to its end.
type Folding = Pin<Box<dyn Future<Output = Result<(), Damage>> + Send>>;

struct Thread {
    fold: Fold,
    queue: mpsc::Receiver<Work>,
    board: Arc<Board>,
    numbers: Numbers,
}

/// What was folded since the last commit.
#[derive(Debug)]
struct Pending {
    since: Instant,
    events: usize,
    bytes: usize,
    /// Their parts of the messages' traces: they end when this is stored.
    spans: Vec<Span>,
    /// The last of them.
    last: Option<Stored>,
    position: Seq,
    caught_up: bool,
}

impl Pending {
    fn nothing(position: Seq) -> Pending {
        Pending {
            since: Instant::now(),
            events: 0,
            bytes: 0,
            spans: Vec::new(),
            last: None,
            position,
            caught_up: false,
        }
    }

    /// Whether to commit before more is folded. `readable`: somebody may wait for it.
    fn is_due(&self, readable: bool, end: Seq) -> bool {
        let is_large = self.events >= COMMIT_EVENTS_MAX || self.bytes >= COMMIT_BYTES_MAX;
        let is_through = !readable && (self.caught_up || self.position >= end);
        is_large || is_through || self.due_at(readable) <= Instant::now()
    }

    /// When to commit at the latest.
    fn due_at(&self, readable: bool) -> Instant {
        self.since + if readable { COMMIT_EVERY } else { COMMIT_EVERY_REBUILDING }
    }
}

impl Thread {
    /// Begins to work: what is given back ends with the work, and where it works here, is the work.
    fn start(self, workshop: Workshop) -> std::io::Result<Folding> {
        if workshop == Workshop::Here {
            let run = AssertUnwindSafe(self.run()).catch_unwind();
            return Ok(Box::pin(run.map(|ran| ran.unwrap_or_else(|panic| Err(Damage::from_panic(panic.as_ref()))))));
        }
        let (ended, done) = oneshot::channel();
        let tokio = tokio::runtime::Handle::current();
        std::thread::Builder::new().name("klatch-fold".into()).spawn(move || {
            // Nobody waiting any more is no fault of the fold.
            let _ = ended.send(guarded(|| tokio.block_on(self.run())));
        })?;
        let gone = || Err(Damage::Panicked("the fold is gone".into()));
        Ok(Box::pin(done.map(move |done| done.unwrap_or_else(|_| gone()))))
    }

    async fn run(mut self) -> Result<(), Damage> {
        let mut told = Instant::now();
        let mut pending: Option<Pending> = None;
        let mut queries = self.board.watch_waiting();
        loop {
            let (readable, end) = self.board.outlook();
            // With something folded that a query waits for, an empty queue is the moment to store it.
            let is_wanted = readable && *queries.borrow_and_update() > 0 && self.queue.is_empty();
            if let Some(due) = pending.take_if(|pending| is_wanted || pending.is_due(readable, end)) {
                self.commit(due)?;
                self.tell_progress(&mut told);
                continue;
            }
            let due = async {
                match &pending {
                    Some(pending) => tokio::select! {
                        () = tokio::time::sleep_until(pending.due_at(readable)) => {}
                        _ = queries.changed() => {}
                    },
                    None => std::future::pending().await,
                }
            };
            let work = tokio::select! {
                biased;
                work = self.queue.recv() => work,
                () = due => continue,
            };
            match work {
                Some(Work::Events { events, position, caught_up }) => {
                    let pending = pending.get_or_insert_with(|| Pending::nothing(position));
                    self.fold_events(events, pending)?;
                    (pending.position, pending.caught_up) = (position, caught_up);
                    self.board.has_at_hand(position);
                }
                Some(Work::Marks(batch)) => {
                    self.fold.fold_marks(&batch.marks, &batch.seen, batch.position)?;
                    self.board.marked(self.fold.marks_position());
                }
                Some(Work::RestartMarks) => {
                    self.fold.restart_marks()?;
                    self.board.marked(self.fold.marks_position());
                }
                Some(Work::Flush) => self.fold.flush_behind()?,
                None => break,
            }
        }
        pending.map_or(Ok(()), |pending| self.commit(pending))?;
        self.fold.flush()
    }

    fn fold_events(&mut self, events: Vec<Stored>, pending: &mut Pending) -> Result<(), Damage> {
        for stored in &events {
            pending.bytes += stored.payload.len();
            self.fold.fold(stored)?;
            if pending.spans.len() < SPANS_MAX {
                pending.spans.extend(fold_of(stored));
            }
        }
        pending.events += events.len();
        pending.last = events.into_iter().last().or(pending.last.take());
        Ok(())
    }

    fn commit(&mut self, pending: Pending) -> Result<(), Damage> {
        let undecodable = self.board.state().undecodable;
        let committed = self.fold.commit(pending.last.as_ref())?;
        self.numbers.batch_events.observe(pending.events as f64);
        self.numbers.events.inc_by(pending.events as u64);
        self.numbers.undecodable.inc_by(committed.checkpoint.undecodable.saturating_sub(undecodable));
        self.numbers.position.set(i64::try_from(pending.position.0).unwrap_or(i64::MAX));
        self.numbers.batch_seconds.observe(pending.since.elapsed().as_secs_f64());
        self.board.folded(self.fold.store(), committed, pending.position, pending.caught_up);
        Ok(())
    }

    fn tell_progress(&self, told: &mut Instant) {
        if told.elapsed() < PROGRESS_EVERY {
            return;
        }
        *told = Instant::now();
        let state = self.board.state();
        if let Phase::Rebuilding { percent, .. } | Phase::CatchingUp { percent } = state.phase {
            tracing::info!(percent, seq = %state.seq, end = %state.end, "folding");
        }
    }
}

/// From the fold of an event until it is stored and can be read.
fn fold_of(stored: &Stored) -> Option<Span> {
    let trace = stored.trace.filter(|trace| trace.is_sampled())?;
    let span =
        tracing::trace_span!(target: traces::TARGET, "projector.fold", otel.kind = "consumer", seq = stored.seq.0);
    traces::put_behind(&span, Some(trace));
    Some(span)
}

/// The digest of a log folded afresh up to `seq`, going on from `fold`.
pub(crate) async fn fold_up_to(log: &Log, mut fold: Fold, seq: Seq) -> Result<(Fold, Digest), VerifyError> {
    let mut events = log.follow(fold.checkpoint().seq);
    let mut uncommitted = 0;
    loop {
        let batch = events.next_batch(FRESH_BATCH_EVENTS).await?;
        let is_through = batch.caught_up || batch.position >= seq;
        let wanted: Vec<Stored> = batch.events.into_iter().filter(|stored| stored.seq <= seq).collect();
        uncommitted += wanted.len();
        let is_due = is_through || uncommitted >= COMMIT_EVENTS_MAX;
        let folded = tokio::task::spawn_blocking(move || {
            wanted.iter().try_for_each(|stored| fold.fold(stored))?;
            if is_due {
                fold.commit(wanted.last())?;
            }
            Ok::<_, Damage>(fold)
        });
        fold = folded.await.map_err(|error| Damage::Panicked(error.to_string()))??;
        if is_due {
            uncommitted = 0;
        }
        if is_through {
            let digest = fold.digest();
            return Ok((fold, digest));
        }
    }
}
