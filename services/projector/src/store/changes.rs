//! What the events of the batch under way changed, over what is stored: small rows, read and written one by one.

use std::collections::BTreeMap;

use super::{Batch, Damage, Store, key};

/// Rows that wait for the batch to be stored.
#[derive(Debug)]
pub(crate) struct Changes {
    store: Store,
    /// `None` for a row that is removed.
    rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Changes {
    /// None yet.
    pub(crate) fn new(store: Store) -> Changes {
        Changes { store, rows: BTreeMap::new() }
    }

    /// What lies below.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// A row as it will be.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Damage> {
        match self.rows.get(key) {
            Some(row) => Ok(row.clone()),
            None => Ok(self.store.get(key)?.map(|row| row.to_vec())),
        }
    }

    /// Stores a row.
    pub(crate) fn put(&mut self, key: Vec<u8>, content: Vec<u8>) {
        self.rows.insert(key, Some(content));
    }

    /// Removes a row.
    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.rows.insert(key, None);
    }

    /// The keys of all rows that begin with `prefix`, as they will be.
    pub(crate) fn keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, Damage> {
        let mut keys = BTreeMap::new();
        for entry in self.store.scan(prefix, prefix) {
            keys.insert(entry?.0.to_vec(), true);
        }
        for (key, row) in self.rows.range(prefix.to_vec()..key::after(prefix)) {
            keys.insert(key.clone(), row.is_some());
        }
        Ok(keys.into_iter().filter_map(|(key, there)| there.then_some(key)).collect())
    }

    /// Moves all of it into a batch.
    pub(crate) fn drain_into(&mut self, batch: &mut Batch) {
        for (key, row) in std::mem::take(&mut self.rows) {
            match row {
                Some(content) => batch.put(key, &content),
                None => batch.remove(key),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_stored_yet_lies_over_what_is() {
        let dir = tempfile::tempdir().unwrap();
        let mut changes = Changes::new(Store::open(dir.path(), 1 << 20).unwrap());
        changes.put(b"ka".to_vec(), b"1".to_vec());
        changes.put(b"kb".to_vec(), b"2".to_vec());
        let mut batch = Batch::default();
        changes.drain_into(&mut batch);
        changes.store().apply(batch).unwrap();

        changes.remove(b"ka".to_vec());
        changes.put(b"kc".to_vec(), b"3".to_vec());
        assert_eq!(changes.get(b"ka").unwrap(), None);
        assert_eq!(changes.get(b"kb").unwrap().unwrap(), b"2");
        assert_eq!(changes.keys(b"k").unwrap(), [b"kb", b"kc"]);
    }
}
