//! How much of a room's past is served, where the operator bounds that. The log and the views keep all of it.

use klatch_domain::{RoomId, Seq, Timestamp};
use serde::Deserialize;

use super::Reading;
use crate::store::page::{Kind, PageView};
use crate::store::{Damage, key};

/// The bounds; none where a number is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Retention {
    /// The newest messages of a room that are served.
    pub(crate) messages_max: u64,
    /// Seconds for which a message is served.
    pub(crate) age_s_max: u64,
}

impl Reading {
    /// Items up to and with this sequence are not served any more.
    pub(crate) fn bygone(&self, room: &RoomId) -> Result<Seq, Damage> {
        let Retention { messages_max, age_s_max } = self.retention;
        if messages_max == 0 && age_s_max == 0 {
            return Ok(Seq::ZERO);
        }
        let oldest = oldest_ms(self.now, age_s_max);
        let mut messages = 0;
        for entry in self.store.scan_back(&key::pages(room), &key::page(room, self.position.seq)) {
            let (_, row) = entry?;
            let page = PageView::read(&row)?;
            for item in page.items.iter().rev().filter(|item| item.seq <= self.position.seq) {
                messages += u64::from(item.kind == Kind::Message);
                let is_one_too_many = messages_max > 0 && messages > messages_max;
                if is_one_too_many || oldest.is_some_and(|oldest| said_ms(&row[item.body.clone()]) < oldest) {
                    return Ok(item.seq);
                }
            }
        }
        Ok(Seq::ZERO)
    }
}

fn oldest_ms(now: Timestamp, age_s_max: u64) -> Option<i64> {
    let age_ms = i64::try_from(age_s_max.checked_mul(1_000)?).ok()?;
    (age_ms > 0).then(|| now.as_ms().saturating_sub(age_ms))
}

/// When an item was said, by its edge's clock; what does not say so is not old.
fn said_ms(body: &[u8]) -> i64 {
    #[derive(Deserialize)]
    struct Item {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        timestamp: Timestamp,
    }
    serde_json::from_slice(body).map_or(i64::MAX, |Item { data }| data.timestamp.as_ms())
}
