//! When people were last connected. Like the marks, from their stream and no part of the digest.

use std::collections::BTreeMap;

use klatch_domain::{Timestamp, UserId};
use klatch_eventlog::Seen;

use crate::store::{Batch, Damage, Store, key};

/// The latest moment counts: a repeat or an older one changes nothing.
pub(crate) fn fold(store: &Store, batch: &mut Batch, seen: &[Seen]) -> Result<(), Damage> {
    let mut latest = BTreeMap::new();
    for Seen { user, at } in seen {
        let known = match latest.get(user) {
            Some(known) => Some(*known),
            None => read(store, user)?,
        };
        latest.insert(user, known.map_or(*at, |known| known.max(*at)));
    }
    for (user, at) in latest {
        batch.put(key::seen(user), &at.as_ms().to_le_bytes());
    }
    Ok(())
}

/// When somebody was last connected; none where it was never heard.
pub(crate) fn read(store: &Store, user: &UserId) -> Result<Option<Timestamp>, Damage> {
    let Some(row) = store.get(&key::seen(user))? else { return Ok(None) };
    let bytes = <[u8; 8]>::try_from(&row[..]).map_err(|_| Damage::Malformed("a moment is none"))?;
    Ok(Some(Timestamp::from_ms(i64::from_le_bytes(bytes))))
}
