//! The pages that a fold works on: the newest page of each active room stays in memory, an older one is read when an
//! edit or a deletion names something in it. Changed pages are written once a batch.
//!
//! A page lies under its room and a sequence not above its first item's; pages of a room do not overlap.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use klatch_domain::{RoomId, Seq};

use super::page::{Item, NewItem, Page};
use super::{Batch, Damage, Store, key};

/// The working set. Nothing of it is stored before [`write`](Pages::write) puts it into a batch.
#[derive(Debug)]
pub(crate) struct Pages {
    store: Store,
    newest: HashMap<RoomId, Newest>,
    /// Changed in this batch; `None` for a page that is no more.
    older: BTreeMap<(RoomId, Seq), Option<Page>>,
    /// Counts batches, to tell which rooms were quiet longest.
    batch: u64,
    bytes_max: usize,
}

#[derive(Debug)]
struct Newest {
    key: Seq,
    page: Page,
    is_changed: bool,
    used_in: u64,
}

impl Pages {
    /// An empty working set that keeps about `bytes_max` of newest pages between batches.
    pub(crate) fn new(store: Store, bytes_max: usize) -> Pages {
        Pages { store, newest: HashMap::new(), older: BTreeMap::new(), batch: 0, bytes_max }
    }

    /// Puts an item where its sequence belongs; mostly that is the end.
    pub(crate) fn insert(&mut self, room: &RoomId, item: NewItem<'_>) -> Result<(), Damage> {
        let seq = item.seq;
        match self.newest(room)? {
            None => {
                self.begin(room, item);
                return Ok(());
            }
            Some(newest) if newest.page.last().is_none_or(|last| last < seq) => {
                if !newest.page.is_full() {
                    newest.page.put_new(item);
                    newest.is_changed = true;
                    return Ok(());
                }
                self.retire(room);
                self.begin(room, item);
                return Ok(());
            }
            Some(_) => {}
        }
        self.insert_between(room, item)
    }

    /// Remembers that the room's timeline has come to `seq`.
    pub(crate) fn set_tail(&mut self, room: &RoomId, seq: Seq) -> Result<(), Damage> {
        if let Some(newest) = self.newest(room)? {
            newest.page.tail = newest.page.tail.max(seq);
            newest.is_changed = true;
        }
        Ok(())
    }

    /// The item of a sequence.
    pub(crate) fn item(&mut self, room: &RoomId, seq: Seq) -> Result<Option<Item>, Damage> {
        Ok(self.page_of(room, seq)?.and_then(|page| page.item(seq)).cloned())
    }

    /// Gives an item another frame object.
    pub(crate) fn rewrite(&mut self, room: &RoomId, seq: Seq, body: Vec<u8>) -> Result<(), Damage> {
        if let Some(page) = self.page_of(room, seq)? {
            page.rewrite(seq, body);
        }
        Ok(())
    }

    /// Takes an item out.
    pub(crate) fn take(&mut self, room: &RoomId, seq: Seq) -> Result<Option<Item>, Damage> {
        let Some(key) = self.key_of(room, seq)? else { return Ok(None) };
        let Some(page) = self.page_at(room, key)? else { return Ok(None) };
        let taken = page.take(seq);
        page.forget_strangers();
        let is_empty = page.items.is_empty();
        if is_empty && self.newest.get(room).is_some_and(|newest| newest.key != key) {
            self.older.insert((room.clone(), key), None);
        }
        Ok(taken)
    }

    /// Puts every changed page into the batch, and lets go of the rooms that were quiet longest.
    pub(crate) fn write(&mut self, batch: &mut Batch) {
        for ((room, first), page) in std::mem::take(&mut self.older) {
            let key = key::page(&room, first);
            match page {
                Some(page) => batch.put(key, &page.encode()),
                None => batch.remove(key),
            }
        }
        let mut bytes = 0;
        for (room, newest) in &mut self.newest {
            if std::mem::take(&mut newest.is_changed) {
                batch.put(key::page(room, newest.key), &newest.page.encode());
            }
            bytes += newest.page.weight();
        }
        self.batch += 1;
        if bytes > self.bytes_max {
            self.evict(bytes);
        }
    }

    fn evict(&mut self, mut bytes: usize) {
        let mut rooms: Vec<(u64, usize, RoomId)> =
            self.newest.iter().map(|(room, newest)| (newest.used_in, newest.page.weight(), room.clone())).collect();
        rooms.sort_unstable_by_key(|(used_in, _, _)| *used_in);
        // A quarter below the bound, so that this sorting is not done every batch.
        let target = self.bytes_max / 4 * 3;
        for (_, weight, room) in rooms {
            if bytes <= target {
                break;
            }
            self.newest.remove(&room);
            bytes -= weight;
        }
    }

    fn newest(&mut self, room: &RoomId) -> Result<Option<&mut Newest>, Damage> {
        let newest = match self.newest.entry(room.clone()) {
            Entry::Occupied(newest) => newest.into_mut(),
            Entry::Vacant(place) => {
                let prefix = key::pages(room);
                let last = self.store.last_at_or_before(&prefix, &key::page(room, Seq(u64::MAX)))?;
                let Some((key, row)) = last else { return Ok(None) };
                let (key, page) = (key::trailing_seq(&key), Page::decode(&row)?);
                place.insert(Newest { key, page, is_changed: false, used_in: self.batch })
            }
        };
        newest.used_in = self.batch;
        Ok(Some(newest))
    }

    fn begin(&mut self, room: &RoomId, item: NewItem<'_>) {
        let key = item.seq;
        let mut page = Page::default();
        page.put_new(item);
        self.newest.insert(room.clone(), Newest { key, page, is_changed: true, used_in: self.batch });
    }

    /// The newest page is the newest no longer.
    fn retire(&mut self, room: &RoomId) {
        if let Some(newest) = self.newest.remove(room)
            && newest.is_changed
        {
            self.older.insert((room.clone(), newest.key), Some(newest.page));
        }
    }

    fn insert_between(&mut self, room: &RoomId, item: NewItem<'_>) -> Result<(), Damage> {
        let seq = item.seq;
        let Some(key) = self.key_of(room, seq)? else {
            return self.insert_before_all(room, item);
        };
        let Some(page) = self.page_at(room, key)? else { return Ok(()) };
        let replaces = page.item(seq).is_some();
        page.put_new(item);
        if replaces {
            // Only a deletion replaces: whom the deleted message named is not to be read here any more.
            page.forget_strangers();
        }
        if page.items.len() > 2 * super::page::PAGE_ITEMS_MAX {
            let younger = page.split();
            self.place_younger(room, key, younger);
        }
        Ok(())
    }

    /// The younger half of the page under `key` gets a place of its own; of the newest page it is the newest now.
    fn place_younger(&mut self, room: &RoomId, key: Seq, younger: Page) {
        let Some(first) = younger.first() else { return };
        match self.newest.get_mut(room) {
            Some(newest) if newest.key == key => {
                let older = std::mem::replace(&mut newest.page, younger);
                newest.key = first;
                newest.is_changed = true;
                self.older.insert((room.clone(), key), Some(older));
            }
            _ => {
                self.older.insert((room.clone(), first), Some(younger));
            }
        }
    }

    /// Everything in the room is younger than the item: its first page takes it and moves to a lower key.
    fn insert_before_all(&mut self, room: &RoomId, item: NewItem<'_>) -> Result<(), Damage> {
        let seq = item.seq;
        let Some(key) = self.first_key(room)? else { return Ok(()) };
        let Some(page) = self.page_at(room, key)? else { return Ok(()) };
        if page.is_full() {
            let mut page = Page::default();
            page.put_new(item);
            self.older.insert((room.clone(), seq), Some(page));
            return Ok(());
        }
        page.put_new(item);
        match self.newest.get_mut(room) {
            Some(newest) if newest.key == key => newest.key = seq,
            _ => {
                let page = self.older.remove(&(room.clone(), key)).flatten();
                self.older.insert((room.clone(), seq), page);
            }
        }
        self.older.insert((room.clone(), key), None);
        Ok(())
    }

    fn page_of(&mut self, room: &RoomId, seq: Seq) -> Result<Option<&mut Page>, Damage> {
        match self.key_of(room, seq)? {
            Some(key) => self.page_at(room, key),
            None => Ok(None),
        }
    }

    /// The page under a key, which is going to be changed.
    fn page_at(&mut self, room: &RoomId, key: Seq) -> Result<Option<&mut Page>, Damage> {
        if self.newest(room)?.is_some_and(|newest| newest.key == key) {
            let newest = self.newest.get_mut(room);
            return Ok(newest.map(|newest| {
                newest.is_changed = true;
                &mut newest.page
            }));
        }
        let place = (room.clone(), key);
        if !self.older.contains_key(&place) {
            let Some(row) = self.store.get(&key::page(room, key))? else { return Ok(None) };
            self.older.insert(place.clone(), Some(Page::decode(&row)?));
        }
        Ok(self.older.get_mut(&place).and_then(Option::as_mut))
    }

    /// The key of the page that holds, or would hold, a sequence.
    fn key_of(&mut self, room: &RoomId, seq: Seq) -> Result<Option<Seq>, Damage> {
        match self.newest(room)? {
            None => return Ok(None),
            Some(newest) if newest.key <= seq => return Ok(Some(newest.key)),
            Some(_) => {}
        }
        let changed = self.older.range((room.clone(), Seq::ZERO)..=(room.clone(), seq));
        let changed = changed.rev().find(|(_, page)| page.is_some()).map(|((_, key), _)| *key);
        let mut stored = None;
        for entry in self.store.scan_back(&key::pages(room), &key::page(room, seq)) {
            let key = key::trailing_seq(&entry?.0);
            if self.is_there(room, key) {
                stored = Some(key);
                break;
            }
        }
        Ok(changed.max(stored))
    }

    fn first_key(&self, room: &RoomId) -> Result<Option<Seq>, Damage> {
        let changed = self.older.range((room.clone(), Seq::ZERO)..=(room.clone(), Seq(u64::MAX)));
        let changed = changed.filter(|(_, page)| page.is_some()).map(|((_, key), _)| *key).next();
        let newest = self.newest.get(room).map(|newest| newest.key);
        let prefix = key::pages(room);
        let mut stored = None;
        for entry in self.store.scan(&prefix, &prefix) {
            let key = key::trailing_seq(&entry?.0);
            if self.is_there(room, key) {
                stored = Some(key);
                break;
            }
        }
        Ok([changed, newest, stored].into_iter().flatten().min())
    }

    /// Whether a stored page is still there after this batch.
    fn is_there(&self, room: &RoomId, key: Seq) -> bool {
        self.older.get(&(room.clone(), key)).is_none_or(Option::is_some)
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::{Kind, PAGE_ITEMS_MAX};
    use super::*;

    fn item(seq: u64) -> NewItem<'static> {
        NewItem { seq: Seq(seq), kind: Kind::Message, author: "ada", mentions: &[], body: seq.to_string().into_bytes() }
    }

    fn store(dir: &tempfile::TempDir) -> Store {
        Store::open(dir.path(), 1 << 20).unwrap()
    }

    fn stored(store: &Store, room: &RoomId) -> Vec<Vec<u64>> {
        let prefix = key::pages(room);
        let pages = store.scan(&prefix, &prefix).map(|entry| {
            let (key, row) = entry.unwrap();
            let page = Page::decode(&row).unwrap();
            assert!(key::trailing_seq(&key) <= page.first().unwrap());
            page.items.iter().map(|item| item.seq.0).collect()
        });
        pages.collect()
    }

    fn write(pages: &mut Pages, store: &Store) {
        let mut batch = Batch::default();
        pages.write(&mut batch);
        store.apply(batch).unwrap();
    }

    #[test]
    fn items_in_any_order_and_any_batches_come_out_in_order_once() {
        // 7 and 13 have no factor in common with 401 and walk through all of it in two different orders.
        for (step, batch) in [(1, 1000), (1, 3), (400, 17), (7, 5), (13, 50), (400, 1000)] {
            let dir = tempfile::tempdir().unwrap();
            let store = store(&dir);
            let room = RoomId::parse("r").unwrap();
            let mut pages = Pages::new(store.clone(), 0);
            for n in 0..401_u64 {
                pages.insert(&room, item(1 + n * step % 401)).unwrap();
                if n % batch == batch - 1 {
                    write(&mut pages, &store);
                }
            }
            write(&mut pages, &store);
            let found = stored(&store, &room);
            assert_eq!(found.concat(), (1..=401).collect::<Vec<_>>(), "step {step}, batches of {batch}");
            assert!(found.iter().all(|page| page.len() <= 2 * PAGE_ITEMS_MAX));
            assert!(found.len() <= 14, "step {step}: {} pages", found.len());
            for seq in 1..=401 {
                assert_eq!(pages.item(&room, Seq(seq)).unwrap().unwrap().body, seq.to_string().into_bytes());
            }
        }
    }

    #[test]
    fn a_page_that_is_emptied_is_gone_and_its_neighbours_answer() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        let room = RoomId::parse("r").unwrap();
        let mut pages = Pages::new(store.clone(), 1 << 20);
        (1..=200).for_each(|seq| pages.insert(&room, item(seq)).unwrap());
        write(&mut pages, &store);
        for seq in 65..=128 {
            assert!(pages.take(&room, Seq(seq)).unwrap().is_some());
        }
        assert!(pages.take(&room, Seq(100)).unwrap().is_none());
        pages.insert(&room, item(100)).unwrap();
        write(&mut pages, &store);
        assert_eq!(stored(&store, &room).iter().map(Vec::len).collect::<Vec<_>>(), [65, 64, 8]);
    }

    #[test]
    fn what_other_rooms_hold_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        let (room, neighbour) = (RoomId::parse("r").unwrap(), RoomId::parse("q").unwrap());
        let mut pages = Pages::new(store.clone(), 0);
        pages.insert(&neighbour, item(1)).unwrap();
        pages.insert(&room, item(5)).unwrap();
        write(&mut pages, &store);
        assert!(pages.item(&room, Seq(1)).unwrap().is_none());
        pages.insert(&room, item(2)).unwrap();
        write(&mut pages, &store);
        assert_eq!(stored(&store, &room), [[2, 5]]);
        assert_eq!(stored(&store, &neighbour), [[1]]);
    }
}
