//! What a page of history has to show: the reference fold, as short as it can be said.
//!
//! One pass over a room's log, no state kept between two questions: slow, and so plainly right that the projector's
//! fold can be held against it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::Value;

use super::history::Frame;
use super::ledger::{Log, Meaning, Told};
use super::name::{MessageId, Person, Seq};

/// An item of a room's history as it has to be at some position.
#[derive(Debug, Clone, PartialEq)]
pub struct Item<'h> {
    /// Its sequence.
    pub seq: Seq,
    /// What it is.
    pub body: Body<'h>,
}

/// What an item is.
#[derive(Debug, Clone, PartialEq)]
pub enum Body<'h> {
    /// A message that the log still holds.
    Message {
        /// Its id.
        id: MessageId,
        /// Who said it.
        author: Person,
        /// As it was stored.
        stored: Told<'h>,
        /// What it says now.
        text: &'h str,
        /// Whether it was deleted.
        deleted: bool,
    },
    /// A message that a deletion erased from the log.
    Erased {
        /// Its id.
        id: MessageId,
        /// Who said it.
        author: Person,
        /// Whether the position is already past its deletion.
        deleted: bool,
    },
    /// A notice.
    Notice(Told<'h>),
}

impl Item<'_> {
    /// Why an item that was served is not this one; none if it is.
    pub fn differs_from(&self, served: &Frame) -> Option<String> {
        let told = Told::by(served);
        match &self.body {
            Body::Notice(notice) if *notice == told => None,
            Body::Notice(notice) => Some(format!("{} {} instead of {}", served.event, served.data, notice.data)),
            Body::Message { stored, .. } if stored.event != served.event => {
                Some(format!("{} instead of {}", served.event, stored.event))
            }
            Body::Message { id, .. } | Body::Erased { id, .. } if told.message().as_ref() != Some(id) => {
                Some(format!("message {:?} instead of {id}", told.message()))
            }
            Body::Message { deleted: true, .. } | Body::Erased { deleted: true, .. } => tombstone(&served.data),
            Body::Message { stored, text, .. } => present(stored.data, text, &served.data),
            // What it said is nowhere any more: there is nothing to compare with.
            Body::Erased { deleted: false, .. } => None,
        }
    }

    /// The author, if it is a message that is there to be read.
    pub fn readable_by_others_than(&self, person: &Person) -> bool {
        match &self.body {
            Body::Message { author, deleted, .. } | Body::Erased { author, deleted, .. } => {
                !deleted && author != person
            }
            Body::Notice(_) => false,
        }
    }

    /// Whether a person wrote it.
    pub fn is_by(&self, person: &Person) -> bool {
        matches!(&self.body, Body::Message { author, .. } | Body::Erased { author, .. } if author == person)
    }
}

fn tombstone(data: &Value) -> Option<String> {
    if data.get("deleted") != Some(&Value::Bool(true)) {
        return Some("not marked as deleted".into());
    }
    data.get("message").map(|text| format!("the deleted text {text}"))
}

fn present(stored: &Value, text: &str, served: &Value) -> Option<String> {
    if served.get("deleted").is_some_and(|deleted| deleted != &Value::Bool(false)) {
        return Some("marked as deleted".into());
    }
    if served.get("message").and_then(Value::as_str) != Some(text) {
        return Some(format!("the text {:?} instead of {text:?}", served.get("message")));
    }
    let stored = stored.as_object()?;
    let lost = stored.iter().find(|(field, value)| *field != "message" && served.get(*field) != Some(value));
    lost.map(|(field, value)| format!("{field} {:?} instead of {value}", served.get(field)))
}

/// Every item of a room as of `position`, oldest first.
///
/// A message stored again under a known id (a retry past the stream's window) is no second item. What is left of it after
/// its deletion stands where the deletion says that it stood.
pub fn items<'h>(log: &Log<'h>, position: Seq) -> Vec<Item<'h>> {
    let mut items: BTreeMap<Seq, Body<'h>> = BTreeMap::new();
    let mut places: BTreeMap<MessageId, Seq> = BTreeMap::new();
    for (id, deletion) in &log.deletions {
        let deleted = deletion.seq <= position;
        let first = log.first_of(id).map_or(deletion.target, |first| first.min(deletion.target));
        let place = if deleted { deletion.target } else { first };
        if place <= position && !log.timeline.contains_key(&deletion.target) {
            places.insert(id.clone(), place);
            items.insert(place, Body::Erased { id: id.clone(), author: deletion.author.clone(), deleted });
        }
    }
    for (&seq, told) in log.timeline.range(..=position) {
        match told.meaning() {
            Meaning::Message { id, author, text } => {
                if let Entry::Vacant(place) = places.entry(id.clone()) {
                    place.insert(seq);
                    items.insert(seq, Body::Message { id, author, stored: *told, text, deleted: false });
                }
            }
            Meaning::Edit { id, text: new, .. } => {
                if let Some(Body::Message { text, .. }) = places.get(&id).and_then(|seq| items.get_mut(seq)) {
                    *text = new;
                }
            }
            Meaning::Delete { id, .. } => {
                let place = places.get(&id).copied();
                let target = log.deletions.get(&id).map(|deletion| deletion.target);
                if let Some(Body::Message { deleted, .. }) = place.and_then(|place| items.get_mut(&place)) {
                    *deleted = true;
                }
                if let (Some(place), Some(target)) = (place, target)
                    && let Some(body) = items.remove(&place)
                {
                    items.insert(target, body);
                    places.insert(id, target);
                }
            }
            Meaning::Notice { .. } | Meaning::Unknown if told.is_item() => {
                items.insert(seq, Body::Notice(*told));
            }
            Meaning::Notice { .. } | Meaning::Unknown => {}
        }
    }
    items.into_iter().map(|(seq, body)| Item { seq, body }).collect()
}
