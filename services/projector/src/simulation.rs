//! A projector that a simulation drives: the real fold, store, eraser and queries, all on the simulation's one thread, over
//! a log in memory. It can be killed at any moment, between any two writes.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klatch_eventlog::memory::Responder;
use klatch_eventlog::{Log, QueryError};
use klatch_service::{Health, Metrics};
use klatch_wire::Code;
use klatch_wire::query::name;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::board::Board;
use crate::config::Config;
use crate::numbers::Numbers;
use crate::queries::Desk;
use crate::store::{Damage, Store};
use crate::views::Failure;
use crate::workshop::Workshop;
use crate::{departed, eraser, fold_for_ever};

/// A cut that waits for writes which never come is made after so long.
const CUT_WITHIN: Duration = Duration::from_millis(200);

/// A projector, running.
#[derive(Debug)]
pub struct Simulated {
    dir: PathBuf,
    desk: Desk,
    responder: Responder,
    tasks: TaskTracker,
    end: CancellationToken,
}

impl Simulated {
    /// Starts a projector over a log in memory.
    ///
    /// # Panics
    /// Where the log is a real one.
    pub fn start(mut config: Config, log: &Log) -> Simulated {
        config.workshop = Workshop::Here;
        let numbers = Numbers::register(&Metrics::new());
        let board =
            Arc::new(Board::new(log.epoch(), config.digests_kept, Health::new().condition("projector", "starts")));
        let desk = Desk::new(log, &board, &numbers, &config);
        let (tasks, end, shutdown) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        let dir = config.dir.clone();
        keep(&dir);
        tasks.spawn(end.clone().run_until_cancelled_owned(eraser::run(
            log.clone(),
            Arc::clone(&board),
            config.clone(),
            numbers.clone(),
            shutdown.clone(),
        )));
        tasks.spawn(end.clone().run_until_cancelled_owned(departed::forget(log.clone(), shutdown.clone())));
        let (folded, of) = (board, log.clone());
        tasks.spawn(end.clone().run_until_cancelled_owned(async move {
            fold_for_ever(&config, &of, &folded, &numbers, &shutdown).await;
        }));
        let responder = Self::respond(log, &desk, &tasks, &end);
        Simulated { dir, desk, responder, tasks, end }
    }

    /// Answers queries, in tasks of the projector's own: they die with it, and whoever asked waits in vain.
    fn respond(log: &Log, desk: &Desk, tasks: &TaskTracker, end: &CancellationToken) -> Responder {
        let faults = log.faults().expect("a log in memory");
        let (desk, tasks, end) = (desk.clone(), tasks.clone(), end.clone());
        faults.respond(&name::ALL, move |query, body: Bytes| {
            let desk = desk.clone();
            let answer = async move { desk.answer(query, &body).await };
            let answered = tasks.spawn(end.clone().run_until_cancelled_owned(answer));
            async move {
                match answered.await {
                    Ok(Some(answer)) => answer.map(Bytes::from).map_err(refusal),
                    _ => std::future::pending().await,
                }
            }
        })
    }

    /// Asks this very projector, whoever else answers queries.
    pub async fn ask(&self, query: &str, body: &[u8]) -> Result<Bytes, QueryError> {
        self.desk.answer(query, body).await.map(Bytes::from).map_err(refusal)
    }

    /// Kills it (-9), and lays its folder, as the disk has it then, into `found`: with what was flushed, and of what was
    /// written since, where `writes` says so, everything up to that many writes from now.
    ///
    /// What sled's own threads have brought to the disk beyond the last flush would be another thing each time: nothing of it
    /// is found.
    pub async fn kill(self, writes: Option<u32>, found: &Path) -> io::Result<()> {
        if let Some(writes) = writes {
            plan_cut(&self.dir, writes, found);
            let _ = tokio::time::timeout(CUT_WITHIN, async {
                while is_planned(&self.dir) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
            .await;
        }
        self.end.cancel();
        if writes.is_none() || forget_cut(&self.dir) {
            std::fs::rename(kept(&self.dir), found)?;
        }
        forget_kept(&self.dir)?;
        drop(self.responder);
        self.tasks.close();
        self.tasks.wait().await;
        Ok(())
    }
}

fn refusal(failure: Failure) -> QueryError {
    match failure {
        Failure::Refused { code, message } => QueryError::Service { code: code.as_str().to_owned(), message },
        Failure::Damaged(_) => {
            QueryError::Service { code: Code::Unavailable.as_str().to_owned(), message: "damaged".to_owned() }
        }
    }
}

/// What is to be seen of a store after so many writes more.
#[derive(Debug)]
struct Cut {
    writes: u32,
    found: PathBuf,
}

thread_local! {
    /// The cuts to come, by the folder that they are made in.
    static CUTS: RefCell<HashMap<PathBuf, Cut>> = RefCell::default();
}

fn plan_cut(dir: &Path, writes: u32, found: &Path) {
    CUTS.with_borrow_mut(|cuts| cuts.insert(dir.to_owned(), Cut { writes, found: found.to_owned() }));
}

fn is_planned(dir: &Path) -> bool {
    CUTS.with_borrow(|cuts| cuts.contains_key(dir))
}

fn forget_cut(dir: &Path) -> bool {
    CUTS.with_borrow_mut(|cuts| cuts.remove(dir).is_some())
}

/// Something was written in this folder: where a cut is due, it is made. What is written later is not found any more.
pub(crate) fn written(dir: &Path, store: &Store) -> Result<(), Damage> {
    let due = CUTS.with_borrow_mut(|cuts| {
        let cut = cuts.get_mut(dir)?;
        cut.writes = cut.writes.saturating_sub(1);
        if cut.writes == 0 { cuts.remove(dir) } else { None }
    });
    let Some(cut) = due else { return Ok(()) };
    store.flush()?;
    copy(dir, &cut.found).map_err(|error| Damage::Disk(error.to_string()))
}

thread_local! {
    /// The folders of the projectors that run on this thread.
    static KEPT: RefCell<HashSet<PathBuf>> = RefCell::default();
}

/// Where a store lies as its last flush left it.
fn kept(dir: &Path) -> PathBuf {
    dir.with_extension("flushed")
}

/// From now on, what a flush leaves in this folder is kept beside it; at first what is there already.
fn keep(dir: &Path) {
    KEPT.with_borrow_mut(|kept| kept.insert(dir.to_owned()));
    flushed(dir).expect("its folder can be copied");
}

fn forget_kept(dir: &Path) -> io::Result<()> {
    KEPT.with_borrow_mut(|kept| kept.remove(dir));
    remove(&kept(dir))
}

/// Everything in this folder was brought to the disk.
pub(crate) fn flushed(dir: &Path) -> Result<(), Damage> {
    if !KEPT.with_borrow(|kept| kept.contains(dir)) {
        return Ok(());
    }
    let kept = kept(dir);
    let done = remove(&kept).and_then(|()| std::fs::create_dir_all(&kept)).and_then(|()| copy(dir, &kept));
    done.map_err(|error| Damage::Disk(error.to_string()))
}

fn remove(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.metadata()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
