//! One stretch of folding: the views are opened and held against the log, then a thread folds what a task follows, until
//! the projector stops or a doubt comes up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use klatch_domain::{Epoch, Position, Seq};
use klatch_eventlog::{FollowError, FollowMarks, Log, Marked, Stored};
use klatch_wire::query::Phase;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::board::{Beginning, Board};
use crate::config::Config;
use crate::fold::Fold;
use crate::numbers::Numbers;
use crate::rebuild::{self, Doubt};
use crate::store::checkpoint::Checkpoint;
use crate::store::digest::Digest;
use crate::store::{Damage, Store, guarded};

/// Pieces of work that wait for the fold's thread.
const WORK_WAITING_MAX: usize = 8;
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
    Marks { marks: Vec<Marked>, position: Seq },
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
    let thread = Thread { fold, queue, board: Arc::clone(board), numbers: numbers.clone(), config: config.clone() };
    let mut done = match thread.start() {
        Ok(done) => done,
        Err(error) => return Ended::Unavailable(format!("no thread to fold on: {error}")),
    };
    let feeding = feed(config, log, from, marks_from, work);
    let ended = tokio::select! {
        // The thread ends by itself only by damage.
        folded = &mut done => return folded.unwrap_or(Err(Damage::Panicked("the fold is gone".into()))).map_or_else(Ended::from, |()| Ended::Stopped),
        damage = board.damaged() => Ended::from(damage),
        ended = feeding => ended,
        () = stop.cancelled() => Ended::Stopped,
    };
    // The feeding is dropped, and the queue's other end with it: the thread works off what waits there and ends.
    match (ended, done.await) {
        (Ended::Stopped, Ok(Err(damage))) => Ended::from(damage),
        (ended, _) => ended,
    }
}

async fn open(config: &Config, log: &Log, board: &Board, why: Option<String>) -> Result<Fold, Ended> {
    let unavailable = |error: klatch_eventlog::ReadError| Ended::Unavailable(error.to_string());
    let epoch = log.refresh_epoch().await.map_err(unavailable)?;
    let end = log.last_seq().await.map_err(unavailable)?;
    let (dir, cache_bytes, hot_pages_bytes) = (config.dir.clone(), config.cache_bytes, config.hot_pages_bytes);
    let opened = tokio::task::spawn_blocking(move || {
        let store = Store::open(&dir, cache_bytes)?;
        guarded(|| Ok((Checkpoint::read(&store)?, store)))
    });
    let gone = |error: tokio::task::JoinError| Ended::Unavailable(error.to_string());
    let (checkpoint, store) = opened.await.map_err(gone)?.map_err(Ended::from)?;
    if let Some(checkpoint) = &checkpoint
        && let Some(doubt) = rebuild::assess(log, checkpoint).await.map_err(unavailable)?
    {
        return Err(Ended::Doubt(doubt));
    }
    let is_new = checkpoint.is_none();
    let fold = tokio::task::spawn_blocking(move || guarded(|| Fold::open(store, epoch, hot_pages_bytes)));
    let fold = fold.await.map_err(gone)?.map_err(Ended::from)?;
    let position = Position { epoch, seq: fold.checkpoint().seq };
    let rebuilding = is_new.then(|| why.unwrap_or_else(|| "there are no views yet".to_owned()));
    tracing::info!(seq = %position.seq, %end, %epoch, rebuilding = rebuilding.is_some(), "folds");
    board.begin(Beginning { store: fold.store().clone(), position, digest: fold.digest(), end, rebuilding });
    Ok(fold)
}

/// Follows the log and hands on what it gives, until it can't.
async fn feed(config: &Config, log: &Log, from: Position, marks_from: Seq, work: mpsc::Sender<Work>) -> Ended {
    let mut events = log.follow(from.seq);
    let mut marks = log.follow_marks(marks_from);
    let mut flush = tokio::time::interval(Duration::from_millis(config.flush_ms.max(10)));
    flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let next = tokio::select! {
            batch = events.next_batch(config.batch_events_max.max(1)) => match batch {
                Ok(batch) => Work::Events { events: batch.events, position: batch.position, caught_up: batch.caught_up },
                Err(error) => return lost(log, from.epoch, error).await,
            },
            next = next_marks(log, &mut marks, config.batch_events_max.max(1)) => next,
            _ = flush.tick() => Work::Flush,
        };
        if work.send(next).await.is_err() {
            // The thread is gone: how, its own end says.
            std::future::pending::<()>().await;
        }
    }
}

async fn next_marks(log: &Log, marks: &mut FollowMarks, max: usize) -> Work {
    match marks.next_batch(max).await {
        Ok(batch) => Work::Marks { marks: batch.marks, position: batch.position },
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

struct Thread {
    fold: Fold,
    queue: mpsc::Receiver<Work>,
    board: Arc<Board>,
    numbers: Numbers,
    config: Config,
}

impl Thread {
    fn start(self) -> std::io::Result<oneshot::Receiver<Result<(), Damage>>> {
        let (ended, done) = oneshot::channel();
        std::thread::Builder::new().name("klatch-fold".into()).spawn(move || {
            // Nobody waiting any more is no fault of the fold.
            let _ = ended.send(guarded(|| self.run()));
        })?;
        Ok(done)
    }

    fn run(mut self) -> Result<(), Damage> {
        let mut told = Instant::now();
        let mut left = None;
        while let Some(work) = left.take().or_else(|| self.queue.blocking_recv()) {
            match work {
                Work::Events { events, position, caught_up } => {
                    left = self.fold_events(events, position, caught_up)?;
                    self.tell_progress(&mut told);
                }
                Work::Marks { marks, position } => self.fold.fold_marks(&marks, position)?,
                Work::RestartMarks => self.fold.restart_marks()?,
                Work::Flush => self.fold.flush()?,
            }
        }
        self.fold.flush()
    }

    /// Folds these events, and those that wait behind them, into one batch; gives back other work that it met.
    fn fold_events(&mut self, events: Vec<Stored>, position: Seq, caught_up: bool) -> Result<Option<Work>, Damage> {
        let begun = Instant::now();
        let undecodable = self.fold.checkpoint().undecodable;
        let (mut batch, mut position, mut caught_up, mut left) = (events, position, caught_up, None);
        while batch.len() < self.config.batch_events_max {
            match self.queue.try_recv() {
                Ok(Work::Events { events, position: to, caught_up: all }) => {
                    batch.extend(events);
                    (position, caught_up) = (to, all);
                }
                Ok(other) => {
                    left = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        for stored in &batch {
            self.fold.fold(stored)?;
        }
        let committed = self.fold.commit(batch.last())?;
        self.numbers.events.inc_by(batch.len() as u64);
        self.numbers.undecodable.inc_by(committed.checkpoint.undecodable - undecodable);
        self.numbers.position.set(i64::try_from(position.0).unwrap_or(i64::MAX));
        self.numbers.batch_seconds.observe(begun.elapsed().as_secs_f64());
        self.board.folded(self.fold.store(), committed, position, caught_up);
        Ok(left)
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

/// The digest of a log folded afresh up to `seq`, going on from `fold`.
pub(crate) async fn fold_up_to(log: &Log, mut fold: Fold, seq: Seq) -> Result<(Fold, Digest), FollowError> {
    let mut events = log.follow(fold.checkpoint().seq);
    loop {
        let batch = events.next_batch(512).await?;
        let is_through = batch.caught_up || batch.position >= seq;
        let wanted: Vec<Stored> = batch.events.into_iter().filter(|stored| stored.seq <= seq).collect();
        let folded = tokio::task::spawn_blocking(move || {
            wanted.iter().try_for_each(|stored| fold.fold(stored))?;
            fold.commit(wanted.last())?;
            Ok::<_, Damage>(fold)
        });
        fold = match folded.await {
            Ok(Ok(fold)) => fold,
            // Into a fresh folder: a full disk, at worst.
            Ok(Err(_)) | Err(_) => return Err(FollowError::Closed),
        };
        if is_through {
            let digest = fold.digest();
            return Ok((fold, digest));
        }
    }
}
