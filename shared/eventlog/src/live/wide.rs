//! What an edge hears once, not room by room.

use crate::broker::Ear;
use crate::error::ReadError;
use crate::log::Log;
use crate::presence::LeaseEvent;
use crate::stored::Stored;
use crate::subject;

/// What commands are decided by, of every room, as it is stored: member events, and the rooms' states. Best effort: one may
/// be missing, repeated or late; whoever uses it compares sequences.
#[derive(Debug)]
pub struct LiveFacts {
    members: Ear,
    infos: Ear,
}

/// Every edge's lease: renewed, ended or expired. Best effort, as above.
#[derive(Debug)]
pub struct LiveLeases {
    ear: Ear,
}

impl Log {
    /// What was heard tells that something before it was not: all live rooms are compared with the stream soon.
    pub fn compare_soon(&self) {
        self.patrol().look();
    }

    /// Every member event, and every room's state, from now on.
    pub async fn live_facts(&self) -> Result<LiveFacts, ReadError> {
        let infos = self.broker().listen(subject::LIVE_INFOS).await?;
        Ok(LiveFacts { members: self.hear(subject::LIVE_MEMBERS).await?, infos })
    }

    /// Every lease from now on.
    pub async fn live_leases(&self) -> Result<LiveLeases, ReadError> {
        Ok(LiveLeases { ear: self.hear(subject::LIVE_LEASES).await? })
    }

    /// A subscription is only queued at first; an answer on the same connection says that the server has it.
    async fn hear(&self, subject: &str) -> Result<Ear, ReadError> {
        let ear = self.broker().listen(subject).await?;
        self.last_seq().await?;
        Ok(ear)
    }
}

impl LiveFacts {
    /// The next one; none when the log was closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<Stored> {
        loop {
            let record = tokio::select! {
                record = self.members.next() => record?,
                record = self.infos.next() => record?,
            };
            if let Some(address) = subject::parse_live_event(&record.subject) {
                return Some(Stored::at(address, record));
            }
        }
    }
}

impl LiveLeases {
    /// The next one; none when the log was closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<LeaseEvent> {
        loop {
            let record = self.ear.next().await?;
            if let Some(edge) = subject::parse_lease(&record.subject) {
                return Some(LeaseEvent { edge, alive: !record.removal });
            }
        }
    }
}
