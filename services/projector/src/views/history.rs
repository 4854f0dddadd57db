//! A room's history: messages in their present state and notices, oldest first, in pages of neighbouring items.
//!
//! Edits and deletions are no items: they change the one that they name. What a deleted message leaves behind is made
//! from its deletion alone, so that a log from which the message was erased folds to the same.

use std::ops::Range;

use klatch_domain::{Event, MessageDeleted, MessageEdited, MessageId, MessageSent, RoomId, Seq};
use klatch_eventlog::{Sabotage, Stored};
use klatch_wire::query::{HISTORY_BYTES_MAX, HISTORY_ITEMS_MAX, HistoryRequest, Window};
use serde_json::value::RawValue;

use super::{Failure, Reading, item};
use crate::fold::Working;
use crate::store::digest::Digest;
use crate::store::index::{IdKey, Seen};
use crate::store::page::{Kind, NewItem, PageView};
use crate::store::{Damage, Row, Store, key};

/// The most pages looked through for a room's newest message; behind more notices and deleted messages there is none.
const PAGES_FOR_LAST_MESSAGE_MAX: usize = 8;

fn digest(room: &RoomId, seq: Seq, body: &[u8]) -> Digest {
    Digest::of_row(&[b"item", room.as_str().as_bytes(), &seq.0.to_be_bytes(), body])
}

/// A timeline event. A message or an edit whose id was seen in the last seven days is a repeat, and no second event.
pub(crate) fn fold(working: &mut Working, stored: &Stored, event: &Event) -> Result<(), Damage> {
    let room = stored.address.room();
    let id = match event {
        Event::MessageSent(sent) | Event::SystemSaid(sent) => Some(&sent.message_id),
        // It tells of a change that was stored with it, whatever its id: live sessions have heard of it, too.
        Event::MemberChanged(_) | Event::RoomUpdated(_) => None,
        _ => stored.id.as_ref(),
    };
    if let Some(id) = id {
        let key = IdKey::of(room, id);
        if let Some(first) = working.index.find_repeated(working.changes.store(), key, stored.at)? {
            return repeated(working, stored, event, first.seq);
        }
        working.index.insert(key, Seen { seq: stored.seq, at: stored.at });
    }
    let has_effect = match event {
        Event::MessageSent(sent) | Event::SystemSaid(sent) => said(working, stored, event, sent)?,
        Event::MessageEdited(edit) => edited(working, stored, edit)?,
        Event::MessageDeleted(deletion) => deleted(working, stored, deletion)?,
        Event::MemberChanged(notice) => {
            noticed(working, stored, event, notice.by.as_ref().unwrap_or(&notice.user_id).as_str())?
        }
        Event::RoomUpdated(notice) => noticed(working, stored, event, notice.by.as_str())?,
        Event::Member(_) | Event::Room(_) => false,
    };
    if has_effect {
        working.pages.set_tail(room, stored.seq)?;
    }
    Ok(())
}

/// A repeat changes nothing, but what it says lies in the log once more.
fn repeated(working: &mut Working, stored: &Stored, event: &Event, first: Seq) -> Result<(), Damage> {
    if let Event::MessageSent(sent) | Event::SystemSaid(sent) = event {
        leave_trace(working, stored, &sent.message_id, first)?;
    }
    Ok(())
}

/// Something of a message lies at the event's sequence too: it goes when the message goes, or now where that is gone.
fn leave_trace(working: &mut Working, stored: &Stored, message: &MessageId, first: Seq) -> Result<(), Damage> {
    let room = stored.address.room();
    match working.pages.item(room, first)?.map(|item| item.kind) {
        Some(Kind::Message) => working.changes.put(key::trace(room, first, stored.seq), Vec::new()),
        Some(Kind::Deleted) => working.erase(room, message, stored.seq),
        Some(Kind::Notice) | None => {}
    }
    Ok(())
}

fn said(working: &mut Working, stored: &Stored, event: &Event, sent: &MessageSent) -> Result<bool, Damage> {
    let new = NewItem {
        seq: stored.seq,
        kind: Kind::Message,
        author: sent.user_id.as_str(),
        mentions: &sent.mentions,
        body: item::as_stored(event.name().0, &stored.payload, stored.seq),
    };
    show(working, stored.address.room(), new)
}

fn noticed(working: &mut Working, stored: &Stored, event: &Event, by: &str) -> Result<bool, Damage> {
    let body = item::as_stored(event.name().0, &stored.payload, stored.seq);
    show(
        working,
        stored.address.room(),
        NewItem { seq: stored.seq, kind: Kind::Notice, author: by, mentions: &[], body },
    )
}

fn show(working: &mut Working, room: &RoomId, new: NewItem<'_>) -> Result<bool, Damage> {
    working.digest.add(digest(room, new.seq, &new.body));
    working.pages.insert(room, new)?;
    Ok(true)
}

fn edited(working: &mut Working, stored: &Stored, edit: &MessageEdited) -> Result<bool, Damage> {
    let room = stored.address.room();
    let Some(found) = working.index.find(working.changes.store(), IdKey::of(room, &edit.message_id))? else {
        return Ok(false);
    };
    leave_trace(working, stored, &edit.message_id, found.seq)?;
    let Some(before) = working.pages.item(room, found.seq)?.filter(|item| item.kind == Kind::Message) else {
        return Ok(false);
    };
    let Some(body) = item::edited(&before.body, found.seq, stored.seq, edit) else { return Ok(false) };
    working.digest.remove(digest(room, found.seq, &before.body));
    working.digest.add(digest(room, found.seq, &body));
    working.pages.rewrite(room, found.seq, body)?;
    Ok(true)
}

fn deleted(working: &mut Working, stored: &Stored, deletion: &MessageDeleted) -> Result<bool, Damage> {
    let room = stored.address.room();
    let key = IdKey::of(room, &deletion.message_id);
    let found = working.index.find(working.changes.store(), key)?.map(|seen| seen.seq);
    let before = match found {
        Some(found) => working.pages.item(room, found)?,
        None => None,
    };
    if before.as_ref().is_some_and(|item| item.kind != Kind::Message) {
        return Ok(false);
    }
    let Some(place) = place_of(working, room, stored.seq, deletion, before.as_ref().map(|item| item.seq))? else {
        return Ok(false);
    };
    working.erase(room, &deletion.message_id, deletion.position.seq);
    if let Some(before) = before {
        working.digest.remove(digest(room, before.seq, &before.body));
        working.erase(room, &deletion.message_id, before.seq);
        for trace in working.changes.keys(&key::traces(room, before.seq))? {
            if !Sabotage::EraserMissesEdits.is_on() {
                working.erase(room, &deletion.message_id, key::trailing_seq(&trace));
            }
            working.changes.remove(trace);
        }
        if before.seq != place {
            working.pages.take(room, before.seq)?;
        }
    }
    working.index.insert(key, Seen { seq: place, at: stored.at });
    let body = item::deleted(place, deletion);
    let author = deletion.author.as_str();
    show(working, room, NewItem { seq: place, kind: Kind::Deleted, author, mentions: &[], body })
}

/// Where what is left of a deleted message stands: where the deletion says that it stood. A fold that never met the
/// message must come to the same place. Where another item stands there (a log renumbered without its deletions), the
/// message's own place; none where there is neither.
fn place_of(
    working: &mut Working,
    room: &RoomId,
    now: Seq,
    deletion: &MessageDeleted,
    own: Option<Seq>,
) -> Result<Option<Seq>, Damage> {
    let said = deletion.position.seq;
    if said == Seq::ZERO || said >= now {
        return Ok(own);
    }
    let is_taken = own != Some(said) && working.pages.item(room, said)?.is_some();
    Ok(if is_taken { own } else { Some(said) })
}

/// The sequence of a room's newest item.
pub(crate) fn newest_seq(store: &Store, room: &RoomId) -> Result<Option<Seq>, Damage> {
    let prefix = key::pages(room);
    for entry in store.scan_back(&prefix, &key::page(room, Seq(u64::MAX))) {
        if let Some(item) = PageView::read(&entry?.1)?.items.last() {
            return Ok(Some(item.seq));
        }
    }
    Ok(None)
}

/// The newest message after `floor` that was not deleted.
pub(crate) fn last_message(reading: &Reading, room: &RoomId, floor: Seq) -> Result<Option<Box<RawValue>>, Damage> {
    let prefix = key::pages(room);
    let pages = reading.store.scan_back(&prefix, &key::page(room, reading.position.seq));
    for entry in pages.take(PAGES_FOR_LAST_MESSAGE_MAX) {
        let (_, row) = entry?;
        let page = PageView::read(&row)?;
        let shown = page.items.iter().rev().filter(|item| item.seq <= reading.position.seq);
        for item in shown.take_while(|item| item.seq > floor) {
            if item.kind == Kind::Message {
                let malformed = Damage::Malformed("an item is no JSON");
                let body = String::from_utf8(row[item.body.clone()].to_vec()).ok();
                return body.and_then(|body| RawValue::from_string(body).ok()).ok_or(malformed).map(Some);
            }
        }
    }
    Ok(None)
}

/// Some neighbouring items, oldest first, still in their pages' bytes.
#[derive(Debug, Default)]
struct Slice {
    rows: Vec<Row>,
    /// Each with the place of its row.
    items: Vec<(usize, Range<usize>)>,
    bytes: usize,
    has_more: bool,
}

impl Slice {
    /// Takes one more item, of the last of the rows, unless the page ends before it: then there is more.
    fn take(&mut self, body: Range<usize>, bounds: &Bounds<'_>) -> bool {
        let is_large = !self.items.is_empty() && self.bytes + body.len() > bounds.bytes_max;
        let is_full = self.items.len() == bounds.limit || is_large;
        if is_full {
            self.has_more = true;
        } else {
            self.bytes += body.len() + 1;
            self.items.push((self.rows.len() - 1, body));
        }
        !is_full
    }

    fn append(&mut self, younger: Slice) {
        let rows = self.rows.len();
        self.rows.extend(younger.rows);
        self.items.extend(younger.items.into_iter().map(|(row, body)| (rows + row, body)));
        self.bytes += younger.bytes;
        self.has_more |= younger.has_more;
    }
}

/// What a page may show: items after `floor` and up to `up_to`.
struct Bounds<'a> {
    room: &'a RoomId,
    floor: Seq,
    up_to: Seq,
    limit: usize,
    bytes_max: usize,
}

/// A page of a room's history, as the JSON of `HistoryResponse`: items are copied, never parsed.
pub(crate) fn page(reading: &Reading, request: &HistoryRequest) -> Result<Vec<u8>, Failure> {
    let room = &request.room_id;
    let sight = reading.sight(room, &request.asker)?;
    let bounds = Bounds {
        room,
        floor: sight.floor.max(reading.bygone(room)?),
        up_to: reading.position.seq,
        limit: request.limit.clamp(1, HISTORY_ITEMS_MAX) as usize,
        bytes_max: reading.bytes_max.min(HISTORY_BYTES_MAX),
    };
    let store = &reading.store;
    let slice = match request.window {
        Window::Newest => older(store, &bounds, Seq(u64::MAX))?,
        Window::Before(before) => older(store, &bounds, before)?,
        Window::After(after) => younger(store, &bounds, after)?,
        Window::Around(seq) => around(store, bounds, seq)?,
    };
    Ok(write(reading, room, &slice))
}

fn around(store: &Store, bounds: Bounds<'_>, seq: Seq) -> Result<Slice, Damage> {
    let half = Bounds { limit: bounds.limit.div_ceil(2), bytes_max: bounds.bytes_max / 2, ..bounds };
    let mut slice = older(store, &half, Seq(seq.0.saturating_add(1)))?;
    let rest = Bounds { limit: bounds.limit / 2, ..half };
    slice.append(younger(store, &rest, seq)?);
    Ok(slice)
}

/// The newest items before a sequence.
fn older(store: &Store, bounds: &Bounds<'_>, before: Seq) -> Result<Slice, Damage> {
    let before = before.min(bounds.up_to.next());
    let mut slice = Slice::default();
    let pages = store.scan_back(&key::pages(bounds.room), &key::page(bounds.room, before));
    'pages: for entry in pages {
        let (_, row) = entry?;
        slice.rows.push(row.clone());
        let page = PageView::read(&row)?;
        for item in page.items.iter().rev().filter(|item| item.seq < before) {
            let is_taken = item.seq > bounds.floor && slice.take(item.body.clone(), bounds);
            if !is_taken {
                break 'pages;
            }
        }
    }
    slice.items.reverse();
    Ok(slice)
}

/// The oldest items after a sequence.
fn younger(store: &Store, bounds: &Bounds<'_>, after: Seq) -> Result<Slice, Damage> {
    let after = after.max(bounds.floor);
    let mut slice = Slice::default();
    let prefix = key::pages(bounds.room);
    let first = store.last_at_or_before(&prefix, &key::page(bounds.room, after))?;
    let from = first.map_or(prefix.clone(), |(key, _)| key.to_vec());
    'pages: for entry in store.scan(&prefix, &from) {
        let (_, row) = entry?;
        slice.rows.push(row.clone());
        let page = PageView::read(&row)?;
        for item in page.items.iter().filter(|item| item.seq > after) {
            let is_taken = item.seq <= bounds.up_to && slice.take(item.body.clone(), bounds);
            if !is_taken {
                break 'pages;
            }
        }
    }
    Ok(slice)
}

fn write(reading: &Reading, room: &RoomId, slice: &Slice) -> Vec<u8> {
    let mut to = Vec::with_capacity(slice.bytes + 256);
    to.extend_from_slice(br#"{"roomId":"#);
    serde_json::to_writer(&mut to, room).expect("an id is a string");
    to.extend_from_slice(br#","events":["#);
    for (n, (row, body)) in slice.items.iter().enumerate() {
        if n > 0 {
            to.push(b',');
        }
        to.extend_from_slice(&slice.rows[*row][body.clone()]);
    }
    let (more, position) = (slice.has_more, reading.position);
    to.extend_from_slice(
        format!(r#"],"more":{more},"epoch":"{}","seq":{}}}"#, position.epoch, position.seq).as_bytes(),
    );
    to
}
