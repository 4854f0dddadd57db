//! Which events the fold has seen, by id, and where each message lies: to find what an edit names, and to drop repeats.
//!
//! One row a message would cost the fold two thirds of its speed (sled, measured), so this is a small log-structured
//! index: the newest entries in memory and in append-only rows, and from [`RUN_ENTRIES`] on a *run*, sorted, in chunks,
//! with a Bloom filter. An id's entry is found by the first 128 bits of a SHA-256 over room and id.
//!
//! A repeat is known for [`REPEATS_KNOWN_MS`] of the stream's own time; a message is found for ever. A run keeps its
//! filter in memory as long as repeats of its entries are looked for: about 1.3 bytes an event of the last seven days.

use std::collections::HashMap;

use klatch_domain::{MessageId, RoomId, Seq, Timestamp};
use sha2::{Digest as _, Sha256};

use super::{Batch, Damage, Store, key};

/// For how long after an event the same id is taken for a repeat of it: seven days of the stream's own time.
pub(crate) const REPEATS_KNOWN_MS: i64 = 7 * 24 * 60 * 60 * 1000;

const RUN_ENTRIES: usize = 65_536;
const CHUNK_ENTRIES: usize = 256;
const ENTRY_BYTES: usize = 32;

/// A room's event id, shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct IdKey([u8; 16]);

impl IdKey {
    /// Of an id in a room.
    pub(crate) fn of(room: &RoomId, id: &MessageId) -> IdKey {
        let mut hash = Sha256::new();
        hash.update([room.as_str().len() as u8]);
        hash.update(room.as_str());
        hash.update(id.as_str());
        let hash: [u8; 32] = hash.finalize().into();
        IdKey(*hash.first_chunk().expect("32 bytes begin with 16"))
    }
}

/// Where an event lies, and when it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its sequence.
    pub(crate) seq: Seq,
    /// The stream's own time.
    pub(crate) at: Timestamp,
}

impl Seen {
    /// Whether the same id at `now` is a repeat.
    pub(crate) fn is_repeated_at(&self, now: Timestamp) -> bool {
        now.as_ms() - self.at.as_ms() <= REPEATS_KNOWN_MS
    }
}

/// The index. What it is given lies in memory until [`write`](Index::write) puts it into a batch.
#[derive(Debug)]
pub(crate) struct Index {
    by_key: HashMap<IdKey, Seen>,
    /// In the order they came.
    entries: Vec<(IdKey, Seen)>,
    /// How many of `entries` are in full, stored rows.
    stored: usize,
    /// Oldest first; a run's number is its place.
    runs: Vec<Run>,
    run_entries: usize,
}

#[derive(Debug)]
struct Run {
    newest: Timestamp,
    /// Only as long as repeats of its entries are looked for.
    filter: Option<Filter>,
}

impl Index {
    /// The index as it is stored.
    pub(crate) fn open(store: &Store) -> Result<Index, Damage> {
        let mut index = Index {
            by_key: HashMap::new(),
            entries: Vec::new(),
            stored: 0,
            runs: Vec::new(),
            run_entries: RUN_ENTRIES,
        };
        for row in store.scan(key::INDEX_RUNS, key::INDEX_RUNS) {
            let (_, row) = row?;
            let newest = row.first_chunk::<8>().ok_or(Damage::Malformed("a run has no head"))?;
            let newest = Timestamp::from_ms(i64::from_le_bytes(*newest));
            index.runs.push(Run { newest, filter: Some(Filter::decode(&row[8..])) });
        }
        for row in store.scan(key::INDEX_RECENT, key::INDEX_RECENT) {
            let (_, row) = row?;
            for entry in entries_of(&row)? {
                let (key, seen) = decode_entry(entry);
                index.insert(key, seen);
            }
        }
        index.stored = index.entries.len();
        Ok(index)
    }

    /// Where an id was seen last.
    pub(crate) fn find(&self, store: &Store, key: IdKey) -> Result<Option<Seen>, Damage> {
        self.find_since(store, key, Timestamp::from_ms(0))
    }

    /// Where the event lies that an event of this id at `now` repeats.
    pub(crate) fn find_repeated(&mut self, store: &Store, key: IdKey, now: Timestamp) -> Result<Option<Seen>, Damage> {
        let since = Timestamp::from_ms(now.as_ms() - REPEATS_KNOWN_MS);
        // Nobody looks for repeats there any more; an hour's grace for clocks that go back.
        let released = self.runs.iter_mut().filter(|run| run.newest.as_ms() < since.as_ms() - 3_600_000);
        released.for_each(|run| run.filter = None);
        let seen = self.find_since(store, key, since)?;
        Ok(seen.filter(|seen| seen.is_repeated_at(now)))
    }

    fn find_since(&self, store: &Store, key: IdKey, since: Timestamp) -> Result<Option<Seen>, Damage> {
        if let Some(seen) = self.by_key.get(&key) {
            return Ok(Some(*seen));
        }
        for (number, run) in self.runs.iter().enumerate().rev() {
            if run.newest < since || run.filter.as_ref().is_some_and(|filter| !filter.may_hold(key)) {
                continue;
            }
            if let Some(seen) = find_in_run(store, number as u32, key)? {
                return Ok(Some(seen));
            }
        }
        Ok(None)
    }

    /// Remembers where an id was seen; an earlier place is forgotten.
    pub(crate) fn insert(&mut self, key: IdKey, seen: Seen) {
        self.by_key.insert(key, seen);
        self.entries.push((key, seen));
    }

    /// Puts what is new into the batch: as rows of recent entries, or as a run once there are enough.
    pub(crate) fn write(&mut self, batch: &mut Batch) {
        if self.entries.len() >= self.run_entries {
            return self.write_run(batch);
        }
        let first = self.stored / CHUNK_ENTRIES;
        for (ordinal, chunk) in self.entries.chunks(CHUNK_ENTRIES).enumerate().skip(first) {
            if ordinal * CHUNK_ENTRIES + chunk.len() > self.stored {
                batch.put(key::index_recent(ordinal as u32), &encode(chunk));
            }
        }
        self.stored = self.entries.len();
    }

    fn write_run(&mut self, batch: &mut Batch) {
        for ordinal in 0..self.stored.div_ceil(CHUNK_ENTRIES) {
            batch.remove(key::index_recent(ordinal as u32));
        }
        let number = self.runs.len() as u32;
        let mut sorted: Vec<(IdKey, Seen)> = self.by_key.drain().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        let mut filter = Filter::for_entries(sorted.len());
        sorted.iter().for_each(|(key, _)| filter.add(*key));
        for chunk in sorted.chunks(CHUNK_ENTRIES) {
            batch.put(key::index_chunk(number, &chunk[0].0.0), &encode(chunk));
        }
        let newest = sorted.iter().map(|(_, seen)| seen.at).max().unwrap_or_default();
        let head = [&newest.as_ms().to_le_bytes()[..], &filter.bits].concat();
        batch.put(key::index_run(number), &head);
        self.runs.push(Run { newest, filter: Some(filter) });
        self.entries.clear();
        self.stored = 0;
    }
}

fn find_in_run(store: &Store, run: u32, key: IdKey) -> Result<Option<Seen>, Damage> {
    let chunk = store.last_at_or_before(&key::index_chunks(run), &key::index_chunk(run, &key.0))?;
    let Some((_, chunk)) = chunk else { return Ok(None) };
    let entries = entries_of(&chunk)?;
    let found = entries.binary_search_by(|entry| entry[..16].cmp(&key.0));
    Ok(found.ok().map(|at| decode_entry(&entries[at]).1))
}

fn encode(entries: &[(IdKey, Seen)]) -> Vec<u8> {
    let mut to = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    for (key, seen) in entries {
        to.extend_from_slice(&key.0);
        to.extend_from_slice(&seen.seq.0.to_le_bytes());
        to.extend_from_slice(&seen.at.as_ms().to_le_bytes());
    }
    to
}

fn entries_of(row: &[u8]) -> Result<&[[u8; ENTRY_BYTES]], Damage> {
    match row.as_chunks() {
        (entries, []) => Ok(entries),
        _ => Err(Damage::Malformed("a row of the index holds half an entry")),
    }
}

fn decode_entry(entry: &[u8; ENTRY_BYTES]) -> (IdKey, Seen) {
    let (key, rest) = entry.split_first_chunk::<16>().expect("32 bytes begin with 16");
    let (seq, at) = rest.split_first_chunk::<8>().expect("16 bytes begin with 8");
    let at = at.first_chunk::<8>().map_or(0, |at| i64::from_le_bytes(*at));
    (IdKey(*key), Seen { seq: Seq(u64::from_le_bytes(*seq)), at: Timestamp::from_ms(at) })
}

/// A Bloom filter with ten bits an entry and six probes: about 0.8 % of strangers pass.
#[derive(Debug)]
struct Filter {
    bits: Vec<u8>,
}

impl Filter {
    const PROBES: u64 = 6;

    fn for_entries(entries: usize) -> Filter {
        Filter { bits: vec![0; (entries * 10).div_ceil(8).max(8)] }
    }

    fn decode(bits: &[u8]) -> Filter {
        Filter { bits: bits.to_vec() }
    }

    fn probes(&self, key: IdKey) -> impl Iterator<Item = (usize, u8)> + use<> {
        // The key is a hash already: its halves are two independent ones (Kirsch and Mitzenmacher, 2006).
        let bits = self.bits.len() as u64 * 8;
        let ([one, two], _) = key.0.as_chunks::<8>() else { unreachable!("16 bytes are two halves") };
        let (one, two) = (u64::from_le_bytes(*one), u64::from_le_bytes(*two) | 1);
        (0..Self::PROBES).map(move |n| {
            let bit = one.wrapping_add(n.wrapping_mul(two)) % bits;
            ((bit / 8) as usize, 1 << (bit % 8))
        })
    }

    fn add(&mut self, key: IdKey) {
        for (byte, bit) in self.probes(key) {
            self.bits[byte] |= bit;
        }
    }

    fn may_hold(&self, key: IdKey) -> bool {
        !self.bits.is_empty() && self.probes(key).all(|(byte, bit)| self.bits[byte] & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * 60 * 60 * 1000;

    fn key(n: u64) -> IdKey {
        IdKey::of(&RoomId::parse("r").unwrap(), &MessageId::parse(n.to_string()).unwrap())
    }

    fn seen(n: u64, at_ms: i64) -> Seen {
        Seen { seq: Seq(n), at: Timestamp::from_ms(at_ms) }
    }

    /// Inserts `0..ids` at a minute each, in batches of 100, into runs of 1,000.
    fn filled(store: &Store, ids: u64) -> Index {
        let mut index = Index::open(store).unwrap();
        index.run_entries = 1000;
        for n in 0..ids {
            index.insert(key(n), seen(n, n as i64 * 60_000));
            if n % 100 == 99 {
                let mut batch = Batch::default();
                index.write(&mut batch);
                store.apply(batch).unwrap();
            }
        }
        index
    }

    #[test]
    fn every_id_is_found_in_memory_in_rows_and_in_runs_also_after_opening_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 1 << 20).unwrap();
        let index = filled(&store, 3_500);
        assert_eq!((index.runs.len(), index.entries.len()), (3, 500));
        let again = Index::open(&store).unwrap();
        assert_eq!((again.runs.len(), again.entries.len(), again.stored), (3, 500, 500));
        for index in [index, again] {
            for n in 0..3_500 {
                assert_eq!(index.find(&store, key(n)).unwrap(), Some(seen(n, n as i64 * 60_000)));
            }
            for n in 3_500..5_000 {
                assert_eq!(index.find(&store, key(n)).unwrap(), None);
            }
        }
    }

    #[test]
    fn the_newest_place_of_an_id_wins_over_the_one_in_a_run() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 1 << 20).unwrap();
        let mut index = filled(&store, 1_000);
        index.insert(key(5), seen(9_000, 0));
        assert_eq!(index.find(&store, key(5)).unwrap(), Some(seen(9_000, 0)));
    }

    #[test]
    fn a_repeat_is_known_for_seven_days_to_the_millisecond() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 1 << 20).unwrap();
        let mut index = filled(&store, 1_000);
        let at = |ms: i64| Timestamp::from_ms(ms);
        assert_eq!(index.find_repeated(&store, key(3), at(3 * 60_000 + 7 * DAY_MS)).unwrap(), Some(seen(3, 180_000)));
        assert_eq!(index.find_repeated(&store, key(3), at(3 * 60_000 + 7 * DAY_MS + 1)).unwrap(), None);
        // Long after, the filter is gone from memory, and the message is still found.
        assert_eq!(index.find_repeated(&store, key(3), at(30 * DAY_MS)).unwrap(), None);
        assert!(index.runs[0].filter.is_none());
        assert_eq!(index.find(&store, key(3)).unwrap(), Some(seen(3, 180_000)));
    }
}
