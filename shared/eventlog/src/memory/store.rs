//! One stream in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use klatch_domain::{MessageId, Seq, Timestamp};
use tokio::time::Instant;

use crate::broker::{Record, Write, WriteError};
use crate::streams::Stream;
use crate::subject;

#[derive(Debug)]
pub(super) struct Store {
    records: BTreeMap<Seq, Record>,
    /// The sequences of each literal subject.
    subjects: HashMap<String, BTreeSet<Seq>>,
    ids: HashMap<MessageId, (Seq, Instant)>,
    last_seq: Seq,
    newest_only: bool,
    duplicate_window: Duration,
}

impl Store {
    pub(super) fn new(stream: Stream) -> Self {
        let config = stream.config();
        Store {
            records: BTreeMap::new(),
            subjects: HashMap::new(),
            ids: HashMap::new(),
            last_seq: Seq::ZERO,
            newest_only: config.max_messages_per_subject == 1,
            duplicate_window: config.duplicate_window,
        }
    }

    pub(super) fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// Whether the writes can be stored; the sequence of an earlier one, where a single write's id is known.
    pub(super) fn check(&self, writes: &[Write]) -> Result<Option<Seq>, WriteError> {
        if let [one] = writes {
            self.check_guard(one)?;
            return Ok(one.id.as_ref().and_then(|id| self.find_id(id)));
        }
        let mut written = HashSet::new();
        let mut ids = HashSet::new();
        for write in writes {
            if let Some(id) = &write.id
                && (self.find_id(id).is_some() || !ids.insert(id))
            {
                return Err(WriteError::KnownId);
            }
            if let Some((guarded, _)) = &write.guard
                && written.contains(guarded.as_str())
            {
                return Err(WriteError::Busy);
            }
            self.check_guard(write)?;
            written.insert(write.subject.as_str());
        }
        Ok(None)
    }

    fn check_guard(&self, write: &Write) -> Result<(), WriteError> {
        match &write.guard {
            Some((guarded, expected)) if self.last_of(guarded) != *expected => Err(WriteError::Guard),
            _ => Ok(()),
        }
    }

    fn last_of(&self, subject: &str) -> Seq {
        self.subjects.get(subject).and_then(BTreeSet::last).copied().unwrap_or(Seq::ZERO)
    }

    pub(super) fn find_id(&self, id: &MessageId) -> Option<Seq> {
        let (seq, at) = self.ids.get(id)?;
        (at.elapsed() < self.duplicate_window).then_some(*seq)
    }

    /// As if the duplicate window had passed.
    pub(super) fn forget_ids(&mut self) {
        self.ids.clear();
    }

    pub(super) fn put(&mut self, write: &Write, at: Timestamp) -> Record {
        let prev = self.last_of(&write.subject);
        self.last_seq = self.last_seq.next();
        let record = Record {
            subject: write.subject.as_str().into(),
            seq: self.last_seq,
            prev,
            at,
            id: write.id.clone(),
            trace: write.trace,
            removal: write.tombstone,
            payload: write.payload.clone(),
        };
        if self.newest_only {
            self.remove(prev);
        }
        if let Some(id) = &write.id {
            self.ids.insert(id.clone(), (self.last_seq, Instant::now()));
        }
        self.subjects.entry(write.subject.clone()).or_default().insert(self.last_seq);
        self.records.insert(self.last_seq, record.clone());
        record
    }

    pub(super) fn remove(&mut self, seq: Seq) -> bool {
        let Some(record) = self.records.remove(&seq) else { return false };
        if let Some(seqs) = self.subjects.get_mut(record.subject.as_str()) {
            seqs.remove(&seq);
            if seqs.is_empty() {
                self.subjects.remove(record.subject.as_str());
            }
        }
        true
    }

    /// As if nothing had been stored after that.
    pub(super) fn go_back_to(&mut self, last: Seq) {
        self.remove_where(|record| record.seq > last);
        self.ids.retain(|_, (seq, _)| *seq <= last);
        self.last_seq = last;
    }

    pub(super) fn remove_where(&mut self, gone: impl Fn(&Record) -> bool) {
        let seqs: Vec<Seq> = self.records.values().filter(|record| gone(record)).map(|record| record.seq).collect();
        for seq in seqs {
            self.remove(seq);
        }
    }

    /// Removes the message if it is still there; says whether its subject is empty now.
    pub(super) fn expire(&mut self, subject: &str, seq: Seq) -> bool {
        self.remove(seq) && self.last_of(subject) == Seq::ZERO
    }

    pub(super) fn at(&self, seq: Seq) -> Option<Record> {
        self.records.get(&seq).cloned()
    }

    pub(super) fn last(&self, subject: &str) -> Option<Record> {
        self.at(self.last_of(subject))
    }

    /// Everything of a subject (wildcards allowed) from a sequence on, oldest first.
    pub(super) fn from<'a>(&'a self, pattern: &'a str, from: Seq) -> Box<dyn Iterator<Item = &'a Record> + 'a> {
        if pattern.contains(['*', '>']) {
            let all = self.records.range(from..).map(|(_, record)| record);
            return Box::new(all.filter(move |record| subject::matches(pattern, &record.subject)));
        }
        let seqs = self.subjects.get(pattern).into_iter().flat_map(move |seqs| seqs.range(from..));
        Box::new(seqs.filter_map(|seq| self.records.get(seq)))
    }
}
