//! Which life of the stream this is.
//!
//! The epoch is a UUID in the metadata of `CHAT_EVENTS`, not the stream's creation time, which a restore keeps. Everybody
//! who stands somewhere in the log (live rooms, followers) is told when it changes, or when the stream is gone.

use klatch_domain::Epoch;
use tokio::sync::watch;
use uuid::Uuid;

use crate::error::ReadError;
use crate::log::Log;
use crate::streams::Stream;

/// What is known of the stream's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    /// The epoch as last read.
    pub(crate) epoch: Epoch,
    /// When it was looked for last, the stream was not there.
    pub(crate) gone: bool,
}

impl Life {
    /// Whether a position of this epoch still means something.
    pub(crate) fn is(self, epoch: Epoch) -> bool {
        !self.gone && self.epoch == epoch
    }
}

impl Log {
    /// The epoch as last read; see [`Log::refresh_epoch`].
    pub fn epoch(&self) -> Epoch {
        self.life().borrow().epoch
    }

    /// Reads the epoch again. Live rooms and followers that stand in another one notice, and say so.
    pub async fn refresh_epoch(&self) -> Result<Epoch, ReadError> {
        let life = match self.reading(|| self.broker().status(Stream::Events)).await {
            Ok(status) => match status.epoch {
                Some(epoch) => Life { epoch, gone: false },
                None => return Err(ReadError::Malformed("the stream's metadata has no epoch".to_owned())),
            },
            Err(ReadError::Gone) => Life { epoch: self.epoch(), gone: true },
            Err(error) => return Err(error),
        };
        self.lives(life);
        if life.gone { Err(ReadError::Gone) } else { Ok(life.epoch) }
    }

    /// Begins a new epoch: every position given out so far is void. For whoever finds that the stream is not the one they
    /// knew.
    pub async fn renew_epoch(&self) -> Result<Epoch, ReadError> {
        let epoch = Epoch(Uuid::new_v4());
        self.reading(|| self.broker().set_epoch(epoch)).await?;
        tracing::warn!(%epoch, "a new epoch begins: clients can't resume across it");
        self.refresh_epoch().await
    }

    /// Told of every change; see [`Life`].
    pub(crate) fn watch_life(&self) -> watch::Receiver<Life> {
        self.life().subscribe()
    }

    fn lives(&self, life: Life) {
        let changed = self.life().send_if_modified(|known| std::mem::replace(known, life) != life);
        if changed {
            tracing::warn!(epoch = %life.epoch, gone = life.gone, "the stream is another one than before");
        }
    }
}
