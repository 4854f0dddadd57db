//! The one sled tree: rows under [`key`]s, each with a checksum, changed only by atomic batches that carry the checkpoint.
//!
//! One tree, because a sled batch is atomic within one tree only. Every value begins with a CRC-32 over its key and its
//! content: sled checks what it reads from its log, but a value that was written wrong, or under another key, would pass
//! there. All calls block: keep them off the async threads.

pub(crate) mod changes;
pub(crate) mod checkpoint;
pub(crate) mod digest;
pub(crate) mod index;
pub(crate) mod key;
pub(crate) mod page;
pub(crate) mod pages;

use std::any::Any;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use sled::IVec;

/// What keeps the views from being read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The disk or its file system refused: nothing says that what is stored is wrong.
    #[error("the disk fails: {0}")]
    Disk(String),
    /// sled found its files damaged, or met a fault of its own.
    #[error("sled fails: {0}")]
    Sled(String),
    /// A value is not what was written under its key.
    #[error("the row {key:02x?} fails its checksum")]
    Checksum {
        /// The row's key.
        key: Vec<u8>,
    },
    /// A value passes its checksum, but can't be read.
    #[error("a row can't be read: {0}")]
    Malformed(&'static str),
    /// The code met a state that it takes for impossible; sled does so on some damaged files.
    #[error("panicked: {0}")]
    Panicked(String),
}

impl From<sled::Error> for Damage {
    fn from(error: sled::Error) -> Self {
        use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull, WouldBlock};
        match &error {
            sled::Error::Io(io)
                if matches!(
                    io.kind(),
                    StorageFull | QuotaExceeded | PermissionDenied | ReadOnlyFilesystem | WouldBlock
                ) =>
            {
                Damage::Disk(error.to_string())
            }
            // sled tells of a lock held by another process as an error of kind "other".
            sled::Error::Io(io) if io.to_string().contains("could not acquire lock") => Damage::Disk(error.to_string()),
            _ => Damage::Sled(error.to_string()),
        }
    }
}

impl Damage {
    /// The damage that a panic tells of.
    pub(crate) fn from_panic(panic: &(dyn Any + Send)) -> Damage {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Damage::Panicked(text.unwrap_or("without a word").to_owned())
    }
}

/// Runs something that sled may panic in, and takes a panic for damage.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, Damage>) -> Result<T, Damage> {
    // What was being changed is thrown away with the store: nobody sees it half done.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Damage::from_panic(panic.as_ref())))
}

/// The tree. Clones share it; the files are released when the last one is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    db: sled::Db,
    #[cfg(feature = "simulation")]
    dir: std::path::PathBuf,
}

/// A row's content, its checksum passed.
#[derive(Debug, Clone)]
pub(crate) struct Row(IVec);

const CHECKSUM_BYTES: usize = 4;

impl Deref for Row {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0[CHECKSUM_BYTES..]
    }
}

impl Row {
    fn verified(key: &[u8], value: IVec) -> Result<Row, Damage> {
        let stored = value.first_chunk::<CHECKSUM_BYTES>().map(|bytes| u32::from_le_bytes(*bytes));
        let content = value.get(CHECKSUM_BYTES..).unwrap_or_default();
        if stored != Some(checksum(key, content)) {
            return Err(Damage::Checksum { key: key.to_vec() });
        }
        Ok(Row(value))
    }
}

fn checksum(key: &[u8], content: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(key);
    crc.update(content);
    crc.finalize()
}

/// Changes that are stored together or not at all.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    batch: sled::Batch,
    bytes: usize,
}

impl Batch {
    /// Stores a row.
    pub(crate) fn put(&mut self, key: Vec<u8>, content: &[u8]) {
        let mut value = Vec::with_capacity(CHECKSUM_BYTES + content.len());
        value.extend_from_slice(&checksum(&key, content).to_le_bytes());
        value.extend_from_slice(content);
        self.bytes += key.len() + value.len();
        self.batch.insert(key, value);
    }

    /// Removes a row.
    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.bytes += key.len();
        self.batch.remove(key);
    }

    /// How many bytes it writes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Store {
    /// Opens the tree in this folder, or begins one. sled may panic on damaged files: that comes back as damage.
    pub(crate) fn open(dir: &Path, cache_bytes: u64) -> Result<Store, Damage> {
        guarded(|| {
            let config = sled::Config::new().path(dir).cache_capacity(cache_bytes);
            // Flushing is the fold's business: after so many bytes, and when it has nothing to do.
            Ok(Store {
                db: config.flush_every_ms(None).open()?,
                #[cfg(feature = "simulation")]
                dir: dir.to_owned(),
            })
        })
    }

    /// A row.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Row>, Damage> {
        self.db.get(key)?.map(|value| Row::verified(key, value)).transpose()
    }

    /// The last row among those that begin with `prefix` and are not after `key`.
    pub(crate) fn last_at_or_before(&self, prefix: &[u8], key: &[u8]) -> Result<Option<(IVec, Row)>, Damage> {
        verified(self.db.range(prefix..=key).next_back())
    }

    /// The rows that begin with `prefix`, from `from` on, in order of their keys.
    pub(crate) fn scan(&self, prefix: &[u8], from: &[u8]) -> impl Iterator<Item = Result<(IVec, Row), Damage>> + use<> {
        let range = from.to_vec()..key::after(prefix);
        self.db.range(range).filter_map(|entry| verified(Some(entry)).transpose())
    }

    /// The rows that begin with `prefix`, up to and with `to`, in reverse order of their keys.
    pub(crate) fn scan_back(
        &self,
        prefix: &[u8],
        to: &[u8],
    ) -> impl Iterator<Item = Result<(IVec, Row), Damage>> + use<> {
        let range = prefix.to_vec()..=to.to_vec();
        self.db.range(range).rev().filter_map(|entry| verified(Some(entry)).transpose())
    }

    /// Applies a batch: readers see all of it or nothing, and so does whoever opens the files after a crash.
    pub(crate) fn apply(&self, batch: Batch) -> Result<(), Damage> {
        self.db.apply_batch(batch.batch)?;
        #[cfg(feature = "simulation")]
        crate::simulation::written(&self.dir, self)?;
        Ok(())
    }

    /// Stores another row's bytes under a key, as damage would.
    #[cfg(test)]
    pub(crate) fn put_raw(&self, key: &[u8], row: &Row) {
        self.db.insert(key, row.0.clone()).expect("a row can be stored");
    }

    /// Brings everything applied so far to the disk.
    pub(crate) fn flush(&self) -> Result<(), Damage> {
        self.db.flush()?;
        #[cfg(feature = "simulation")]
        crate::simulation::flushed(&self.dir)?;
        Ok(())
    }
}

fn verified(entry: Option<sled::Result<(IVec, IVec)>>) -> Result<Option<(IVec, Row)>, Damage> {
    let Some((key, value)) = entry.transpose()? else { return Ok(None) };
    let row = Row::verified(&key, value)?;
    Ok(Some((key, row)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_under_another_key_or_with_a_flipped_bit_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 1 << 20).unwrap();
        let mut batch = Batch::default();
        batch.put(b"a".to_vec(), b"content");
        store.apply(batch).unwrap();
        assert_eq!(&*store.get(b"a").unwrap().unwrap(), b"content");

        let value = store.db.get(b"a").unwrap().unwrap();
        store.db.insert(b"b", value.clone()).unwrap();
        assert_eq!(store.get(b"b").unwrap_err(), Damage::Checksum { key: b"b".to_vec() });
        let mut flipped = value.to_vec();
        flipped[6] ^= 1;
        store.db.insert(b"a", flipped).unwrap();
        assert_eq!(store.get(b"a").unwrap_err(), Damage::Checksum { key: b"a".to_vec() });
        store.db.insert(b"a", b"x").unwrap();
        assert!(store.get(b"a").is_err());
    }

    #[test]
    fn a_panic_is_damage_with_its_words() {
        let damage = guarded::<()>(|| panic!("page {} is gone", 7)).unwrap_err();
        assert_eq!(damage, Damage::Panicked("page 7 is gone".to_owned()));
    }
}
