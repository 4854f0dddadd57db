//! The eraser: takes out of the log what was deleted, every edit and repeat of it, soon after the deletion.
//!
//! The fold leaves orders in the same batch as the deletion; an order goes when the message is erased. So each is done
//! at least once, whatever dies when. Orders are done from the highest sequence down: an edit goes before its message,
//! because a rebuild in between finds the edit's place only as long as the message is there.

use std::sync::Arc;
use std::time::Duration;

use klatch_domain::{Event, MessageId, RoomId, Seq};
use klatch_eventlog::{EraseError, Log, Stored};
use tokio_util::sync::CancellationToken;

use crate::board::{Board, State};
use crate::config::Config;
use crate::numbers::Numbers;
use crate::rebuild;
use crate::store::{Batch, Damage, Store, guarded, key};

/// Orders done between two looks at the views.
const ORDERS_AT_ONCE: usize = 256;
/// After a failure, doubled each time up to a minute.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// To erase what lies at `seq`, if it is of this message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Order {
    seq: Seq,
    room: RoomId,
    message: MessageId,
}

/// Does orders until it is told to stop.
pub(crate) async fn run(log: Log, board: Arc<Board>, config: Config, numbers: Numbers, stop: CancellationToken) {
    let mut state = board.watch();
    let mut pause = PAUSE;
    loop {
        // Views that are to be made anew must not be held open while waiting: take them, use them, drop them.
        let State { store, generation, erase_jobs, .. } = state.borrow_and_update().clone();
        let had_views = store.is_some();
        let done = tokio::select! {
            done = erase_some(&log, store, &config, &numbers) => done,
            () = stop.cancelled() => return,
        };
        let next = async {
            match done {
                Ok(ORDERS_AT_ONCE) => pause = PAUSE,
                Ok(_) => {
                    pause = PAUSE;
                    let is_new = |state: &State| {
                        let is_same = state.erase_jobs == erase_jobs && state.generation == generation && had_views;
                        state.store.is_some() && !is_same
                    };
                    // Never ends by a closed channel: the board outlives its watchers.
                    let _ = state.wait_for(is_new).await;
                }
                Err(why) => {
                    tracing::warn!(why, "what was deleted could not be erased yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        };
        if stop.run_until_cancelled(next).await.is_none() {
            return;
        }
    }
}

/// Does some orders; says how many there were.
async fn erase_some(log: &Log, store: Option<Store>, config: &Config, numbers: &Numbers) -> Result<usize, String> {
    let Some(store) = store else { return Ok(0) };
    let orders = blocking(config, {
        let store = store.clone();
        move || orders(&store)
    });
    let orders = orders.await?;
    if orders.is_empty() {
        return Ok(0);
    }
    let mut done = Vec::with_capacity(orders.len());
    let mut failed = None;
    let mut erased = 0;
    for order in &orders {
        match erase(log, order).await {
            Ok(was_there) => {
                erased += u64::from(was_there);
                done.push(order.seq);
            }
            Err(why) => {
                failed = Some(why);
                break;
            }
        }
    }
    numbers.erased.inc_by(erased);
    let dir = (erased > 0).then(|| config.dir.clone());
    blocking(config, move || {
        if let Some(dir) = dir
            && let Err(error) = rebuild::forget_set_aside(&dir)
        {
            tracing::warn!(%error, "views that were set aside are still there, and may hold what was erased");
        }
        let mut batch = Batch::default();
        done.iter().for_each(|seq| batch.remove(key::erase_job(*seq)));
        store.apply(batch)
    })
    .await?;
    failed.map_or(Ok(orders.len()), Err)
}

async fn blocking<T: Send + 'static>(
    config: &Config,
    work: impl FnOnce() -> Result<T, Damage> + Send + 'static,
) -> Result<T, String> {
    config.workshop.blocking(move || guarded(work)).await?.map_err(|damage| damage.to_string())
}

/// The newest orders, the highest sequence first.
fn orders(store: &Store) -> Result<Vec<Order>, Damage> {
    let mut orders = Vec::new();
    for entry in store.scan_back(key::ERASE_JOBS, &key::erase_job(Seq(u64::MAX))).take(ORDERS_AT_ONCE) {
        let (key, row) = entry?;
        let order = serde_json::from_slice(&row);
        let (room, message) = order.map_err(|_| Damage::Malformed("an order to erase is none"))?;
        orders.push(Order { seq: key::trailing_seq(&key), room, message });
    }
    Ok(orders)
}

/// How many orders wait, counted up to `max`.
pub(crate) fn waiting(store: &Store, max: usize) -> Result<u64, Damage> {
    let orders = store.scan(key::ERASE_JOBS, key::ERASE_JOBS).take(max);
    orders.map(|entry| entry.map(|_| 1)).sum()
}

/// Erases what lies at the order's sequence; false where nothing of the message does.
///
/// It is looked at before: a deletion's position comes from another life of the log where that was renumbered.
async fn erase(log: &Log, order: &Order) -> Result<bool, String> {
    let there = log.get(order.seq).await.map_err(|error| error.to_string())?;
    let Some(there) = there else { return Ok(false) };
    if !is_of(&there, order) {
        tracing::warn!(seq = %order.seq, message = %order.message, "not erased: something else lies there");
        return Ok(false);
    }
    match log.erase(order.seq).await {
        Ok(()) => Ok(true),
        Err(EraseError::Unavailable(why) | EraseError::Refused(why)) => Err(why),
    }
}

fn is_of(there: &Stored, order: &Order) -> bool {
    match there.event() {
        Ok(Event::MessageSent(sent) | Event::SystemSaid(sent)) => {
            sent.room_id == order.room && sent.message_id == order.message
        }
        Ok(Event::MessageEdited(edit)) => edit.room_id == order.room && edit.message_id == order.message,
        _ => false,
    }
}
