//! Events in, batches out: the one writer of the views.
//!
//! [`Fold::fold`] takes events one by one and changes only memory; [`Fold::commit`] stores all that came since, and the
//! checkpoint with it, in one batch. How events are cut into batches can't show in what the views say. No event stops
//! the fold: one that can't be decoded is counted and passed over.

use std::thread::JoinHandle;

use klatch_domain::{Epoch, Event, MessageId, RoomId, Seq};
use klatch_eventlog::{Marked, Sabotage, Seen, Stored};

use crate::store::changes::Changes;
use crate::store::checkpoint::{Checkpoint, Fingerprint, MarksCheckpoint};
use crate::store::digest::Digest;
use crate::store::index::Index;
use crate::store::pages::Pages;
use crate::store::{Batch, Damage, Store, guarded, key};
use crate::views::{history, members, rooms, seen, unread};
use crate::workshop::Workshop;

/// After so many bytes in batches a flush is due, else sled's memory grows with what is not on the disk yet.
const UNFLUSHED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What a fold step works on.
#[derive(Debug)]
pub(crate) struct Working {
    /// Small rows.
    pub(crate) changes: Changes,
    /// Pages of history.
    pub(crate) pages: Pages,
    /// Ids seen.
    pub(crate) index: Index,
    /// The digest of all rows so far.
    pub(crate) digest: Digest,
    erase_jobs: u64,
}

impl Working {
    /// Orders the eraser to take what lies at `seq` out of the log, if it is of this message.
    pub(crate) fn erase(&mut self, room: &RoomId, message: &MessageId, seq: Seq) {
        let job = serde_json::to_vec(&(room, message)).expect("ids are strings");
        self.changes.put(key::erase_job(seq), job);
        self.erase_jobs += 1;
    }
}

/// What a commit brought.
#[derive(Debug)]
pub(crate) struct Committed {
    /// Where the fold stands now.
    pub(crate) checkpoint: Checkpoint,
    /// The digest after each event of the batch.
    pub(crate) digests: Vec<(Seq, Digest)>,
    /// Orders for the eraser in this batch.
    pub(crate) erase_jobs: u64,
}

/// The fold. It blocks: it lives on a thread of its own.
#[derive(Debug)]
pub(crate) struct Fold {
    store: Store,
    working: Working,
    checkpoint: Checkpoint,
    marks: MarksCheckpoint,
    digests: Vec<(Seq, Digest)>,
    unflushed_bytes: usize,
    flushing: Option<JoinHandle<Result<(), Damage>>>,
    /// Said once: a log full of events from a newer version would fill the disk with complaints.
    has_complained: bool,
    workshop: Workshop,
}

impl Fold {
    /// Goes on from what is in the store; in a fresh one, from the beginning of `epoch`.
    pub(crate) fn open(store: Store, epoch: Epoch, hot_pages_bytes: usize) -> Result<Fold, Damage> {
        let checkpoint = Checkpoint::read(&store)?.unwrap_or_else(|| Checkpoint::beginning(epoch));
        let working = Working {
            changes: Changes::new(store.clone()),
            pages: Pages::new(store.clone(), hot_pages_bytes),
            index: Index::open(&store)?,
            digest: Digest::from_bytes(&checkpoint.digest),
            erase_jobs: 0,
        };
        let marks = MarksCheckpoint::read(&store)?;
        Ok(Fold {
            store,
            working,
            checkpoint,
            marks,
            digests: Vec::new(),
            unflushed_bytes: 0,
            flushing: None,
            has_complained: false,
            workshop: Workshop::Threads,
        })
    }

    /// The same, whose flushes are made there.
    pub(crate) fn working_in(mut self, workshop: Workshop) -> Fold {
        self.workshop = workshop;
        self
    }

    /// What it folds into.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Where it stands, with everything folded but perhaps not stored.
    pub(crate) fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Where the marks stand in their own stream.
    pub(crate) fn marks_position(&self) -> Seq {
        self.marks.seq
    }

    /// The digest of everything folded.
    pub(crate) fn digest(&self) -> Digest {
        self.working.digest
    }

    /// Folds one event. One at or before the checkpoint was folded already, and changes nothing.
    pub(crate) fn fold(&mut self, stored: &Stored) -> Result<(), Damage> {
        if stored.seq <= self.checkpoint.seq {
            return Ok(());
        }
        match self.decode(stored) {
            Some(Event::Member(member)) => members::fold(&mut self.working, stored.seq, &member)?,
            Some(Event::Room(info)) => rooms::fold(&mut self.working, stored.seq, &info)?,
            Some(event) => history::fold(&mut self.working, stored, &event)?,
            None => self.checkpoint.undecodable += 1,
        }
        self.checkpoint.seq = stored.seq;
        self.checkpoint.folded += 1;
        self.digests.push((stored.seq, self.working.digest));
        Ok(())
    }

    fn decode(&mut self, stored: &Stored) -> Option<Event> {
        let why = match stored.event() {
            Ok(event) if event.address() == stored.address => return Some(event),
            Ok(event) => format!("says that it belongs to {:?}", event.address()),
            Err(undecodable) => undecodable.to_string(),
        };
        if !std::mem::replace(&mut self.has_complained, true) {
            let (seq, address) = (stored.seq, &stored.address);
            tracing::warn!(%seq, ?address, why, "passed over an event; further ones are only counted");
        }
        None
    }

    /// Stores everything folded since the last commit, `last` being the last event of it.
    pub(crate) fn commit(&mut self, last: Option<&Stored>) -> Result<Committed, Damage> {
        let mut batch = Batch::default();
        if let Some(last) = last.filter(|last| last.seq == self.checkpoint.seq) {
            self.checkpoint.mark = Some(Fingerprint::of(last));
        }
        self.checkpoint.digest = self.working.digest.to_bytes();
        self.working.pages.write(&mut batch);
        self.working.index.write(&mut batch);
        self.working.changes.drain_into(&mut batch);
        if Sabotage::CheckpointOutsideBatch.is_on() {
            let mut before = Batch::default();
            before.put(key::CHECKPOINT.to_vec(), &self.checkpoint.encode());
            self.apply(before)?;
        }
        batch.put(key::CHECKPOINT.to_vec(), &self.checkpoint.encode());
        self.apply(batch)?;
        Ok(Committed {
            checkpoint: self.checkpoint.clone(),
            digests: std::mem::take(&mut self.digests),
            erase_jobs: std::mem::take(&mut self.working.erase_jobs),
        })
    }

    /// Folds marks, and who was last connected when, up to `position` of their own stream, and stores them.
    pub(crate) fn fold_marks(&mut self, marked: &[Marked], seen: &[Seen], position: Seq) -> Result<(), Damage> {
        let mut batch = Batch::default();
        unread::fold(&self.store, &mut batch, marked)?;
        seen::fold(&self.store, &mut batch, seen)?;
        self.marks.seq = self.marks.seq.max(position);
        batch.put(key::MARKS_CHECKPOINT.to_vec(), &self.marks.encode());
        self.apply(batch)
    }

    /// Forgets how far the marks were folded: their stream is another one now.
    pub(crate) fn restart_marks(&mut self) -> Result<(), Damage> {
        self.marks = MarksCheckpoint::default();
        let mut batch = Batch::default();
        batch.put(key::MARKS_CHECKPOINT.to_vec(), &self.marks.encode());
        self.apply(batch)
    }

    fn apply(&mut self, batch: Batch) -> Result<(), Damage> {
        self.unflushed_bytes += batch.bytes();
        self.store.apply(batch)?;
        if self.unflushed_bytes > UNFLUSHED_BYTES_MAX {
            // Where the disk is slower than the fold, this waits for it.
            self.settle_flush()?;
            self.flush_behind()?;
        }
        Ok(())
    }

    /// Begins to bring what was stored to the disk, unless that is under way; folding goes on meanwhile. What a crash
    /// takes before it is done is folded again.
    pub(crate) fn flush_behind(&mut self) -> Result<(), Damage> {
        let is_under_way = self.flushing.as_ref().is_some_and(|flushing| !flushing.is_finished());
        if self.unflushed_bytes == 0 || is_under_way {
            return Ok(());
        }
        self.settle_flush()?;
        if self.workshop == Workshop::Here {
            return self.flush();
        }
        let store = self.store.clone();
        let thread = std::thread::Builder::new().name("klatch-flush".into());
        let flushing = thread.spawn(move || guarded(|| store.flush()));
        self.flushing = Some(flushing.map_err(|error| Damage::Disk(format!("no thread to flush on: {error}")))?);
        self.unflushed_bytes = 0;
        Ok(())
    }

    /// Brings everything to the disk.
    pub(crate) fn flush(&mut self) -> Result<(), Damage> {
        self.settle_flush()?;
        self.unflushed_bytes = 0;
        self.store.flush()
    }

    fn settle_flush(&mut self) -> Result<(), Damage> {
        let Some(flushing) = self.flushing.take() else { return Ok(()) };
        flushing.join().unwrap_or_else(|panic| Err(Damage::from_panic(panic.as_ref())))
    }
}

impl Drop for Fold {
    /// The flush under way holds the files open; whoever opens them next must not meet it.
    fn drop(&mut self) {
        let _ = self.settle_flush();
    }
}
