//! The projector: folds the event log into sled and answers queries about rooms, histories, members and what is unread.
//!
//! ```text
//! stream → page   eventlog/follow → folding → fold → views/… → store (one batch, with the checkpoint)
//! query → page    queries → views/… → store
//! deletion → hole fold → an order in the same batch → eraser → eventlog/erase
//! ```
//!
//! Invariants: nothing but a fold writes views, but for the eraser, which strikes off its own orders. The checkpoint lies
//! in the batch that it tells of. No event stops the fold. No query shows what its asker may not read, nor anything after
//! the position at which their standing was read. Everything in the folder can be deleted, and is made anew.

mod board;
mod config;
mod departed;
mod eraser;
mod fold;
mod folding;
mod lag;
mod numbers;
mod queries;
mod rebuild;
#[cfg(feature = "simulation")]
pub mod simulation;
mod store;
#[cfg(test)]
mod tests;
mod verify;
mod views;
mod workshop;

use std::sync::Arc;
use std::time::Duration;

use klatch_eventlog::Log;
use klatch_service::{Condition, Metrics};
use tokio_util::sync::CancellationToken;

pub use config::Config;
pub use rebuild::rebuild;
pub use store::Damage;
pub use store::checkpoint::SCHEMA;
pub use verify::{Verdict, VerifyError, verify};
pub use workshop::Workshop;

use board::Board;
use folding::Ended;
use numbers::Numbers;
use queries::{Desk, Serving};

/// Between tries where the disk or the log refuses, and between rebuilds: doubled each time, up to a minute.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A stretch of folding as long as this makes the next pause short again.
const STEADY: Duration = Duration::from_secs(60);

/// The projector could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The micro service could not be registered.
    #[error("the queries can't be served: {0}")]
    Service(async_nats::Error),
}

/// Runs a projector until `shutdown`: answers queries at once (with its progress, as long as it is not through), folds
/// from its checkpoint, erases what was deleted, and makes the views anew whenever they are in doubt. `ready` says when
/// everything is folded up to where the stream ended at the start, and until then how far it is.
///
/// `erasing` is the same log under a user who may delete messages, which the one of `log` need not; a clone of `log` will do
/// where there are no users.
///
/// What the log or the disk refuse is tried again for ever, more and more slowly; the condition says what.
pub async fn run(
    config: Config,
    log: Log,
    erasing: Log,
    shutdown: CancellationToken,
    ready: Condition,
    metrics: &Metrics,
) -> Result<(), RunError> {
    let numbers = Numbers::register(metrics);
    log.count_into(metrics);
    let board = Arc::new(Board::new(log.epoch(), config.digests_kept, ready));
    let desk = Desk::new(&log, &board, &numbers, &config);
    let serving = match log.client() {
        Some(client) => Some(Serving::start(client, desk).await.map_err(RunError::Service)?),
        // A log in memory has no one who could ask.
        None => None,
    };
    let eraser = eraser::run(erasing, Arc::clone(&board), config.clone(), numbers.clone(), shutdown.clone());
    let eraser = tokio::spawn(eraser);
    let departed = tokio::spawn(departed::forget(log.clone(), shutdown.clone()));
    let lag = lag::watch(log.clone(), Arc::clone(&board), numbers.clone());
    let lag = tokio::spawn(shutdown.clone().run_until_cancelled_owned(lag));
    fold_for_ever(&config, &log, &board, &numbers, &shutdown).await;
    if let Some(serving) = serving {
        serving.stop().await;
    }
    // All end with the shutdown, and with them the last hold of the views; a panic there was told by the panic itself.
    let _ = tokio::join!(eraser, departed, lag);
    Ok(())
}

/// Registers what a projector counts, without running one: for the catalogue.
pub fn register_numbers(registry: &Metrics) {
    Numbers::register(registry);
}

/// One stretch of folding after the other, until the shutdown.
async fn fold_for_ever(
    config: &Config,
    log: &Log,
    board: &Arc<Board>,
    numbers: &Numbers,
    shutdown: &CancellationToken,
) {
    let mut pause = PAUSE;
    let mut why = None;
    loop {
        let begun = tokio::time::Instant::now();
        let ended = folding::fold_on(config, log, board, numbers, why.clone(), shutdown).await;
        if begun.elapsed() > STEADY {
            pause = PAUSE;
        }
        let reason = match ended {
            Ended::Stopped => return,
            Ended::Unavailable(reason) => reason,
            Ended::Doubt(doubt) => {
                tracing::warn!(%doubt, "the views are set aside and made anew");
                numbers.rebuilds.inc();
                why = Some(doubt.to_string());
                match start_over(config, log, board, &doubt).await {
                    // The first rebuild begins at once.
                    Ok(()) if pause == PAUSE => {
                        pause *= 2;
                        continue;
                    }
                    Ok(()) => doubt.to_string(),
                    Err(reason) => reason,
                }
            }
        };
        board.wait(reason.clone());
        tracing::warn!(reason, again_in_ms = pause.as_millis(), "waits");
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
            () = shutdown.cancelled() => return,
        }
    }
}

/// Makes place for new views, and says to everybody that positions are void where the stream went back.
async fn start_over(config: &Config, log: &Log, board: &Board, doubt: &rebuild::Doubt) -> Result<(), String> {
    board.wait(format!("about to rebuild: {doubt}"));
    if doubt.voids_positions() {
        log.renew_epoch().await.map_err(|error| error.to_string())?;
    }
    let (dir, bytes_max) = (config.dir.clone(), config.set_aside_bytes_max);
    let moved = config.workshop.blocking(move || rebuild::set_aside(&dir, bytes_max)).await;
    moved?.map_err(|error| format!("views can't be set aside: {error}"))
}
