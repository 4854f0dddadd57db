//! Where a fold stands: stored in the same batch as what it folded, so the two can't disagree.

use klatch_domain::{Epoch, Seq};
use klatch_eventlog::Stored;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Damage, Store, key};

/// The version of what lies in the tree. Another one there means: rebuild.
pub const SCHEMA: u32 = 2;

/// Where the fold of events stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The version of what lies in the tree.
    pub(crate) schema: u32,
    /// The stream's life.
    pub(crate) epoch: Epoch,
    /// The last event folded.
    pub(crate) seq: Seq,
    /// What that event was, to know it again.
    pub(crate) mark: Option<Fingerprint>,
    /// The digest after it.
    pub(crate) digest: [u8; 32],
    /// Events folded since the beginning.
    pub(crate) folded: u64,
    /// Events among them that could not be decoded.
    pub(crate) undecodable: u64,
}

/// A message of the stream, known again by its address, id and content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Of a stored event.
    pub(crate) fn of(stored: &Stored) -> Fingerprint {
        let mut hash = Sha256::new();
        let id = stored.id.as_ref().map_or("", |id| id.as_str());
        for part in [stored.address.room().as_str().as_bytes(), id.as_bytes(), &stored.payload] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let hash: [u8; 32] = hash.finalize().into();
        Fingerprint(*hash.first_chunk().expect("32 bytes begin with 16"))
    }
}

/// Where the fold of marks stands, in the marks' own stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MarksCheckpoint {
    /// The last mark folded.
    pub(crate) seq: Seq,
}

impl Checkpoint {
    /// Before everything.
    pub(crate) fn beginning(epoch: Epoch) -> Checkpoint {
        Checkpoint { schema: SCHEMA, epoch, seq: Seq::ZERO, mark: None, digest: [0; 32], folded: 0, undecodable: 0 }
    }

    /// The checkpoint in the tree; none in a fresh one.
    pub(crate) fn read(store: &Store) -> Result<Option<Checkpoint>, Damage> {
        let Some(row) = store.get(key::CHECKPOINT)? else { return Ok(None) };
        let checkpoint = serde_json::from_slice(&row);
        checkpoint.map(Some).map_err(|_| Damage::Malformed("the checkpoint is none"))
    }

    /// As it is stored.
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a checkpoint has string keys")
    }
}

impl MarksCheckpoint {
    /// The checkpoint in the tree; the beginning in a fresh one.
    pub(crate) fn read(store: &Store) -> Result<MarksCheckpoint, Damage> {
        let Some(row) = store.get(key::MARKS_CHECKPOINT)? else { return Ok(MarksCheckpoint::default()) };
        serde_json::from_slice(&row).map_err(|_| Damage::Malformed("the marks' checkpoint is none"))
    }

    /// As it is stored.
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a checkpoint has string keys")
    }
}
