//! Who has an account, by name: an index in memory, fed by a watch on the bucket, for searches.
//!
//! It follows the bucket within moments; nobody decides anything by it. The same watch brings newer keys.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_nats::jetstream::kv::{Entry, Operation};
use futures_util::StreamExt;
use klatch_domain::UserId;
use klatch_wire::account::{FoundPerson, PEOPLE_MAX, PeopleRequest};
use prometheus_client::metrics::gauge::Gauge;
use tokio_util::sync::CancellationToken;

use crate::bucket::{Bucket, BucketError, decode};
use crate::record::{self, Account};
use crate::signing::{KeyRing, StoredKeys};

/// Names that one search looks at for what stands in their middle.
const LOOKED_AT_MAX: usize = 200_000;
/// Before a watch that ended is begun again.
const PAUSE: Duration = Duration::from_secs(1);

/// The index.
#[derive(Debug)]
pub(crate) struct Directory {
    /// By their names in small letters.
    people: RwLock<BTreeMap<String, UserId>>,
    known: Gauge,
}

impl Directory {
    /// Nobody known yet.
    pub(crate) fn new(known: Gauge) -> Directory {
        Directory { people: RwLock::default(), known }
    }

    /// Those whose name begins with the query, then those who have it further on; without the asker.
    pub(crate) fn search(&self, request: &PeopleRequest) -> Vec<FoundPerson> {
        let query = request.query.trim().to_lowercase();
        if query.is_empty() {
            return Vec::new();
        }
        let limit = request.limit.clamp(1, PEOPLE_MAX) as usize;
        let people = self.people.read().unwrap_or_else(PoisonError::into_inner);
        let from = (Bound::Included(query.as_str()), Bound::Unbounded);
        let first = people.range::<str, _>(from).take_while(|(name, _)| name.starts_with(&query));
        let inside = |name: &str| name.contains(&query) && !name.starts_with(&query);
        let others = people.iter().take(LOOKED_AT_MAX).filter(|(name, _)| inside(name));
        let found = first.chain(others).map(|(_, user)| user).filter(|user| **user != request.asker);
        found.take(limit).map(|user| FoundPerson { user_id: user.clone(), username: user.to_string() }).collect()
    }

    /// Follows the bucket until the shutdown.
    pub(crate) async fn follow(&self, bucket: &Bucket, keys: &KeyRing, shutdown: &CancellationToken) {
        let following = async {
            loop {
                if let Err(error) = self.follow_once(bucket, keys).await {
                    tracing::warn!(%error, "the watch on accounts broke: it begins again");
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        shutdown.run_until_cancelled(following).await;
    }

    async fn follow_once(&self, bucket: &Bucket, keys: &KeyRing) -> Result<(), BucketError> {
        let mut watch = bucket.watch(&[record::ACCOUNTS, record::KEYS]).await?;
        while let Some(entry) = watch.next().await {
            let entry = entry.map_err(|error| BucketError::Unavailable(error.to_string()))?;
            if let Err(error) = self.take(&entry, keys) {
                tracing::error!(%error, "passed over");
            }
        }
        Ok(())
    }

    fn take(&self, entry: &Entry, keys: &KeyRing) -> Result<(), BucketError> {
        let is_there = entry.operation == Operation::Put;
        if entry.key == record::KEYS {
            if is_there {
                let damaged = |cause: String| BucketError::Damaged { key: entry.key.clone(), cause };
                keys.replace(&decode::<StoredKeys>(&entry.key, &entry.value)?).map_err(|e| damaged(e.to_string()))?;
            }
            return Ok(());
        }
        let mut people = self.people.write().unwrap_or_else(PoisonError::into_inner);
        if is_there {
            let account: Account = decode(&entry.key, &entry.value)?;
            people.insert(account.user_id.as_str().to_lowercase(), account.user_id);
        } else if let Some(name) = record::account_name(&entry.key) {
            people.remove(&name);
        }
        self.known.set(people.len() as i64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use klatch_service::Metrics;

    use super::*;

    fn found(query: &str, limit: u32) -> Vec<String> {
        let directory = Directory::new(Metrics::new().gauge("x", "x"));
        for name in ["Ada", "adam", "Nada", "ben", "Änne"] {
            let id = UserId::parse(name).unwrap();
            directory.people.write().unwrap().insert(name.to_lowercase(), id);
        }
        let request = PeopleRequest { asker: UserId::parse("adam").unwrap(), query: query.to_owned(), limit };
        directory.search(&request).into_iter().map(|person| person.username).collect()
    }

    #[test]
    fn who_begins_so_comes_first_and_the_asker_not_at_all() {
        assert_eq!(found("AD", 50), ["Ada", "Nada"]);
        assert_eq!(found("ad", 1), ["Ada"]);
        assert_eq!(found("ä", 50), ["Änne"]);
        assert_eq!(found("x", 50), Vec::<String>::new());
        assert_eq!(found(" ", 50), Vec::<String>::new());
    }
}
