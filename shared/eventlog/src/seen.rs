//! When somebody was last connected: one message a person, beside the marks.

use bytes::Bytes;
use klatch_domain::{Timestamp, UserId};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::append::Written;
use crate::broker::{Record, Write};
use crate::error::AppendError;
use crate::log::Log;
use crate::streams::Stream;
use crate::subject;

/// When a person's last connection to some edge ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Who.
    pub user: UserId,
    /// When, by that edge's clock.
    pub at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    at: Timestamp,
}

pub(crate) fn decode(record: &Record) -> Option<Seen> {
    let user = subject::parse_seen(&record.subject)?;
    let Payload { at } = serde_json::from_slice(&record.payload).ok()?;
    Some(Seen { user, at })
}

impl Log {
    /// Stores when somebody was last connected. The last word stands; whoever folds them keeps the latest moment.
    pub async fn seen(&self, user: &UserId, at: Timestamp) -> Result<(), AppendError> {
        let write = Write {
            subject: subject::seen(user),
            payload: Bytes::from(serde_json::to_vec(&Payload { at }).expect("a string")),
            ..Write::default()
        };
        let deadline = Instant::now() + self.options().append_deadline;
        match self.write_until(Stream::Marks, write, deadline).await? {
            Written::At(_) | Written::Guarded => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_follows_marks_hears_who_was_seen_when() {
        let log = Log::memory();
        let (ada, at) = (UserId::parse("ada.l").unwrap(), Timestamp::from_ms(1_763_337_600_007));
        log.seen(&ada, at).await.unwrap();
        let batch = log.follow_marks(klatch_domain::Seq::ZERO).next_batch(8).await.unwrap();
        assert_eq!((batch.seen, batch.marks), (vec![Seen { user: ada, at }], Vec::new()));
    }
}
