//! A stream that ends before what was seen of it: an older backup was restored, or a power failure took its end, and its epoch
//! is still the old one. Its sequences are given a second time, to other events; nothing that counts in them can be answered
//! until an operator renews the epoch.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use klatch_domain::{Epoch, Seq};
use klatch_wire::Code;
use klatch_wire::native::server::Failure;

use crate::hub::Hub;

/// In which life of the stream it was found out, if it was.
#[derive(Debug, Default)]
pub(crate) struct GoneBack {
    was_found: AtomicBool,
    life: Mutex<Option<Epoch>>,
}

impl Hub {
    /// Whether the present life of the stream has gone back.
    pub(crate) fn has_gone_back(&self) -> bool {
        self.gone_back.was_found.load(Ordering::Relaxed)
            && *self.gone_back.life.lock().unwrap_or_else(PoisonError::into_inner) == Some(self.log.epoch())
    }

    /// Something new was stored at `seq`, though `before` had been seen when it was sent. Where that is another life of the
    /// stream, it is known from now on; where it is the same, it has gone back. In both, what was stored is acknowledged to
    /// nobody: sent again under the same id it is a repeat.
    pub(crate) async fn find_gone_back(&self, seq: Seq, before: Seq) -> Failure {
        let life = self.log.epoch();
        if self.log.refresh_epoch().await.is_ok_and(|now| now == life) && !self.has_gone_back() {
            *self.gone_back.life.lock().unwrap_or_else(PoisonError::into_inner) = Some(life);
            self.gone_back.was_found.store(true, Ordering::Relaxed);
            tracing::error!(%seq, %before, "the log has gone back behind what was seen of it: renew its epoch (klatch epoch renew)");
        }
        unavailable()
    }
}

/// What whoever would store something hears meanwhile.
pub(crate) fn unavailable() -> Failure {
    Failure::new(
        Code::Unavailable,
        "the log has gone back: its operator must renew its epoch; try again under the same id",
    )
}
