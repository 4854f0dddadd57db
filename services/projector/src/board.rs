//! Where everybody in the projector looks: what it is about, how far it is, and the views to read.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use klatch_domain::{Epoch, Position, Seq};
use klatch_service::Condition;
use klatch_wire::Code;
use klatch_wire::query::Phase;
use tokio::sync::watch;

use crate::fold::Committed;
use crate::store::digest::Digest;
use crate::store::{Damage, Store};
use crate::views::Failure;

/// The board. Written by the loop that runs the fold and by the fold; read by queries and the eraser.
#[derive(Debug)]
pub(crate) struct Board {
    state: watch::Sender<State>,
    digests: Mutex<VecDeque<(Seq, Digest)>>,
    digests_kept: usize,
    /// How far events are folded, stored or not.
    at_hand: AtomicU64,
    /// Queries that wait for more events to be folded.
    waiting: watch::Sender<usize>,
    /// The views that a query found damaged, by their generation.
    damaged: watch::Sender<Option<(u64, Damage)>>,
    ready: Condition,
}

/// What stands on the board.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// What the projector is about.
    pub(crate) phase: Phase,
    /// The stream's life that the views are of.
    pub(crate) epoch: Epoch,
    /// Everything up to here is folded.
    pub(crate) seq: Seq,
    /// The marks up to here are folded: a sequence of their own stream.
    pub(crate) marks: Seq,
    /// Where the stream ended when this fold began.
    pub(crate) end: Seq,
    /// Events folded since the views were begun.
    pub(crate) folded: u64,
    /// Those that could not be decoded.
    pub(crate) undecodable: u64,
    /// Counts orders for the eraser, so that it wakes.
    pub(crate) erase_jobs: u64,
    /// The views, as long as they may be read.
    pub(crate) store: Option<Store>,
    /// Which views these are, of those opened since the start.
    pub(crate) generation: u64,
}

/// Where a fold begins.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// Its views.
    pub(crate) store: Store,
    /// What they were folded up to.
    pub(crate) position: Position,
    /// What the marks were folded up to.
    pub(crate) marks: Seq,
    /// The digest there.
    pub(crate) digest: Digest,
    /// Events folded into them so far.
    pub(crate) folded: u64,
    /// Events among them that could not be decoded.
    pub(crate) undecodable: u64,
    /// Where the stream ends.
    pub(crate) end: Seq,
    /// Why the views are made from nothing, if they are.
    pub(crate) rebuilding: Option<String>,
}

impl Board {
    /// A board that says "starting".
    pub(crate) fn new(epoch: Epoch, digests_kept: usize, ready: Condition) -> Board {
        let state = State {
            phase: Phase::Starting,
            epoch,
            seq: Seq::ZERO,
            marks: Seq::ZERO,
            end: Seq::ZERO,
            folded: 0,
            undecodable: 0,
            erase_jobs: 0,
            store: None,
            generation: 0,
        };
        Board {
            state: watch::Sender::new(state),
            digests: Mutex::default(),
            digests_kept,
            at_hand: AtomicU64::new(0),
            waiting: watch::Sender::new(0),
            damaged: watch::Sender::new(None),
            ready,
        }
    }

    /// What stands there now.
    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Whether the views may be read, and where the stream ended when this fold began. Asked for every few events, so
    /// nothing is copied for it.
    pub(crate) fn outlook(&self) -> (bool, Seq) {
        let state = self.state.borrow();
        (state.store.is_some(), state.end)
    }

    /// To wait for changes.
    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Events up to here are folded, and will be stored: at once, where a query waits.
    pub(crate) fn has_at_hand(&self, position: Seq) {
        self.at_hand.store(position.0, Ordering::Release);
    }

    /// How many queries wait for more events to be folded.
    pub(crate) fn watch_waiting(&self) -> watch::Receiver<usize> {
        self.waiting.subscribe()
    }

    /// A fold begins: from a checkpoint its views may be read at once; from nothing only when it is through.
    pub(crate) fn begin(&self, begun: Beginning) {
        let Beginning { store, position, marks, digest, folded, undecodable, end, rebuilding } = begun;
        self.at_hand.store(0, Ordering::Release);
        let mut digests = self.lock_digests();
        digests.clear();
        digests.push_back((position.seq, digest));
        drop(digests);
        self.change(|state| {
            state.generation += 1;
            state.epoch = position.epoch;
            state.seq = position.seq;
            state.marks = marks;
            state.end = end;
            state.folded = folded;
            state.undecodable = undecodable;
            state.store = rebuilding.is_none().then_some(store);
            state.phase = match rebuilding {
                Some(reason) => Phase::Rebuilding { percent: 0, reason },
                None => Phase::CatchingUp { percent: percent(position.seq, end) },
            };
        });
    }

    /// A batch is stored; everything up to `position` was in it or before it.
    pub(crate) fn folded(&self, store: &Store, committed: Committed, position: Seq, caught_up: bool) {
        let mut digests = self.lock_digests();
        digests.extend(committed.digests);
        let spare = digests.len().saturating_sub(self.digests_kept.max(1));
        digests.drain(..spare);
        drop(digests);
        self.change(|state| {
            state.seq = state.seq.max(position).max(committed.checkpoint.seq);
            if caught_up {
                // What was erased at the stream's end never comes.
                state.seq = state.seq.max(state.end);
            }
            state.folded = committed.checkpoint.folded;
            state.undecodable = committed.checkpoint.undecodable;
            state.erase_jobs += committed.erase_jobs;
            let is_through = state.seq >= state.end;
            match &mut state.phase {
                Phase::Live => {}
                _ if is_through => {
                    state.phase = Phase::Live;
                    state.store = Some(store.clone());
                }
                Phase::Rebuilding { percent: done, .. } | Phase::CatchingUp { percent: done } => {
                    *done = percent(state.seq, state.end);
                }
                Phase::Starting | Phase::Waiting { .. } => {}
            }
        });
    }

    /// The marks are folded up to here; less than before where their stream is another one now.
    pub(crate) fn marked(&self, position: Seq) {
        self.change(|state| state.marks = position);
    }

    /// Nothing may be read for now, for this reason.
    pub(crate) fn wait(&self, reason: String) {
        self.change(|state| {
            state.store = None;
            state.phase = Phase::Waiting { reason };
        });
    }

    /// Says that the views of this generation are damaged.
    pub(crate) fn report(&self, generation: u64, damage: Damage) {
        self.damaged.send_replace(Some((generation, damage)));
    }

    /// Waits until somebody finds the present views damaged.
    pub(crate) async fn damaged(&self) -> Damage {
        let mut damaged = self.damaged.subscribe();
        loop {
            let generation = self.state.borrow().generation;
            if let Some((of, damage)) = &*damaged.borrow_and_update()
                && *of == generation
            {
                return damage.clone();
            }
            // Never ends by a closed channel: `self` holds the sender.
            let _ = damaged.changed().await;
        }
    }

    /// The newest digest at or before a sequence; none where that lies further back than digests are kept.
    pub(crate) fn digest_at(&self, seq: Seq) -> Option<Digest> {
        let digests = self.lock_digests();
        let after = digests.partition_point(|(at, _)| *at <= seq);
        Some(digests.get(after.checked_sub(1)?)?.1)
    }

    fn lock_digests(&self) -> std::sync::MutexGuard<'_, VecDeque<(Seq, Digest)>> {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(|state| {
            let before = state.phase.clone();
            change(state);
            if state.phase != before {
                self.tell(state);
            }
        });
    }

    fn tell(&self, state: &State) {
        match &state.phase {
            Phase::Live => self.ready.ready(),
            Phase::Starting => self.ready.not_ready("starting"),
            Phase::Rebuilding { percent, reason } => self.ready.not_ready(format!("rebuilding {percent} % ({reason})")),
            Phase::CatchingUp { percent } => self.ready.not_ready(format!("catching up {percent} %")),
            Phase::Waiting { reason } => self.ready.not_ready(reason.clone()),
        }
    }
}

fn percent(seq: Seq, end: Seq) -> u8 {
    let percent = u128::from(seq.0) * 100 / u128::from(end.0.max(1));
    percent.min(100) as u8
}

/// How far the views must be for somebody.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AtLeast {
    /// Folded up to here.
    pub(crate) seq: Seq,
    /// With the marks up to here, in the sequences of their own stream.
    pub(crate) mark: Seq,
}

/// A query that waits, until it is dropped.
struct Waiting<'a>(&'a Board);

impl Waiting<'_> {
    fn on(board: &Board) -> Waiting<'_> {
        board.waiting.send_modify(|waiting| *waiting += 1);
        Waiting(board)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| *waiting -= 1);
    }
}

/// The views, as far as somebody needs them: waits for that a while, and whoever folds stores at once what it has.
/// What is at hand when it comes it has to see in any case: it may have been acknowledged to the asker through another edge.
pub(crate) async fn folded_to(board: &Board, needed: AtLeast, patience: Duration) -> Result<State, Failure> {
    let needed = AtLeast { seq: needed.seq.max(Seq(board.at_hand.load(Ordering::Acquire))), ..needed };
    let mut state = board.watch();
    let is_there = |state: &State| state.store.is_some() && state.seq >= needed.seq && state.marks >= needed.mark;
    let settled = |state: &State| state.store.is_none() || is_there(state);
    let (is_settled, lacks_events) = {
        let state = state.borrow_and_update();
        (settled(&state), state.seq < needed.seq)
    };
    if !is_settled {
        // Marks are stored as they come; only for events something is held back.
        let _waiting = lacks_events.then(|| Waiting::on(board));
        let _ = tokio::time::timeout(patience, state.wait_for(settled)).await;
    }
    let state = board.state();
    let why = match &state.phase {
        Phase::Rebuilding { percent, .. } => format!("the history is being rebuilt: {percent} %"),
        Phase::Starting => "the projector is starting".to_owned(),
        // The reason names files: that is for the log and the operator, not for who asks.
        Phase::Waiting { .. } => "the projector waits for its log or its disk".to_owned(),
        Phase::CatchingUp { .. } | Phase::Live if is_there(&state) => return Ok(state),
        Phase::CatchingUp { .. } | Phase::Live if state.seq < needed.seq => {
            format!("folded up to {}, not {} yet", state.seq, needed.seq)
        }
        Phase::CatchingUp { .. } | Phase::Live => {
            format!("marks are folded up to {}, not {} yet", state.marks, needed.mark)
        }
    };
    Err(Failure::refused(Code::Unavailable, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::checkpoint::Checkpoint;
    use crate::tests::scene::EPOCH;
    use klatch_service::Health;

    fn board(digests_kept: usize) -> (Board, Health) {
        let health = Health::new();
        let ready = health.condition("projector", "not begun");
        (Board::new(EPOCH, digests_kept, ready), health)
    }

    fn digest(n: u64) -> Digest {
        Digest::of_row(&[&n.to_le_bytes()])
    }

    fn commit(board: &Board, store: &Store, seqs: &[u64], caught_up: bool) {
        let last = Seq(*seqs.last().unwrap());
        let checkpoint = Checkpoint { seq: last, ..Checkpoint::beginning(EPOCH) };
        let digests = seqs.iter().map(|seq| (Seq(*seq), digest(*seq))).collect();
        board.folded(store, Committed { checkpoint, digests, erase_jobs: 0 }, last, caught_up);
    }

    fn begin(board: &Board, store: &Store, end: u64, rebuilding: bool) {
        let position = Position { epoch: EPOCH, seq: Seq::ZERO };
        let rebuilding = rebuilding.then(|| "a test".to_owned());
        board.begin(Beginning {
            store: store.clone(),
            position,
            marks: Seq::ZERO,
            digest: Digest::default(),
            folded: 0,
            undecodable: 0,
            end: Seq(end),
            rebuilding,
        });
    }

    fn seq(seq: u64) -> AtLeast {
        AtLeast { seq: Seq(seq), mark: Seq::ZERO }
    }

    #[tokio::test]
    async fn who_needs_a_mark_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 1 << 20).unwrap();
        let (board, _health) = board(3);
        begin(&board, &store, 0, false);
        commit(&board, &store, &[1], true);
        let needed = AtLeast { seq: Seq(1), mark: Seq(7) };
        let refused = folded_to(&board, needed, Duration::ZERO).await.unwrap_err();
        assert_eq!(refused, Failure::refused(Code::Unavailable, "marks are folded up to 0, not 7 yet"));
        let marking = async {
            assert_eq!(*board.watch_waiting().borrow(), 0, "no event is to be stored sooner for it");
            board.marked(Seq(7));
        };
        let (state, ()) = tokio::join!(folded_to(&board, needed, Duration::from_secs(5)), marking);
        assert_eq!(state.unwrap().marks, Seq(7));
    }

    #[tokio::test]
    async fn who_needs_an_event_is_counted_while_they_wait() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 1 << 20).unwrap();
        let (board, _health) = board(3);
        begin(&board, &store, 0, false);
        let waiting = || *board.watch_waiting().borrow();
        let folding = async {
            assert_eq!(waiting(), 1);
            commit(&board, &store, &[1], true);
        };
        let (state, ()) = tokio::join!(folded_to(&board, seq(1), Duration::from_secs(5)), folding);
        assert_eq!(state.unwrap().seq, Seq(1));
        folded_to(&board, seq(9), Duration::ZERO).await.unwrap_err();
        assert_eq!(waiting(), 0, "who has given up waits no more");
        board.has_at_hand(Seq(2));
        let storing = async {
            assert_eq!(waiting(), 1, "what is at hand is stored for whoever comes");
            commit(&board, &store, &[2], true);
        };
        let (state, ()) = tokio::join!(folded_to(&board, seq(0), Duration::from_secs(5)), storing);
        assert_eq!(state.unwrap().seq, Seq(2));
    }

    #[test]
    fn a_digest_is_known_between_events_and_as_far_back_as_digests_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 1 << 20).unwrap();
        let (board, _health) = board(3);
        begin(&board, &store, 0, true);
        assert_eq!(board.digest_at(Seq(5)), Some(Digest::default()));
        commit(&board, &store, &[2, 4], false);
        commit(&board, &store, &[9, 10], false);
        let known = [(3, None), (4, Some(4)), (8, Some(4)), (9, Some(9)), (99, Some(10))];
        for (at, expected) in known {
            assert_eq!(board.digest_at(Seq(at)), expected.map(digest), "at {at}");
        }
    }

    #[tokio::test]
    async fn views_that_are_made_anew_are_read_only_when_they_are_whole() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 1 << 20).unwrap();
        let (board, health) = board(3);
        begin(&board, &store, 100, true);
        commit(&board, &store, &[45], false);
        assert_eq!(health.report().reasons(), ["projector: rebuilding 45 % (a test)"]);
        let refused = folded_to(&board, seq(1), Duration::from_secs(5)).await.unwrap_err();
        let expected = Failure::refused(Code::Unavailable, "the history is being rebuilt: 45 %");
        assert_eq!(refused, expected);
        // The last message of the stream was erased: nothing comes for it.
        commit(&board, &store, &[98], true);
        assert!(health.report().ready);
        assert_eq!(folded_to(&board, seq(100), Duration::ZERO).await.unwrap().seq, Seq(100));
    }

    #[tokio::test]
    async fn damage_counts_against_the_views_it_was_found_in() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 1 << 20).unwrap();
        let (board, _health) = board(3);
        begin(&board, &store, 0, false);
        board.report(1, Damage::Malformed("old"));
        begin(&board, &store, 0, false);
        assert!(tokio::time::timeout(Duration::from_millis(20), board.damaged()).await.is_err());
        board.report(2, Damage::Malformed("new"));
        assert_eq!(board.damaged().await, Damage::Malformed("new"));
    }
}
