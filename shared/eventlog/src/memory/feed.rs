//! Reading a stream in memory from a sequence on.

use std::sync::Arc;

use klatch_domain::{Epoch, Seq};
use tokio::sync::watch;

use super::Shared;
use crate::broker::{Fed, Record};
use crate::error::ReadError;
use crate::streams::Stream;

/// An open reader.
#[derive(Debug)]
pub(crate) struct Feed {
    shared: Arc<Shared>,
    stream: Stream,
    position: Seq,
    /// The stream's life that it was opened in: a recreated one ends it, as the server deletes the consumers along.
    incarnation: Epoch,
    changed: watch::Receiver<u64>,
    fresh: bool,
}

impl Feed {
    pub(super) fn new(shared: Arc<Shared>, stream: Stream, after: Seq) -> Self {
        let incarnation = shared.state().incarnation;
        let changed = shared.changed.subscribe();
        Feed { shared, stream, position: after, incarnation, changed, fresh: true }
    }

    pub(crate) async fn next(&mut self, max: usize) -> Result<Fed, ReadError> {
        loop {
            self.changed.mark_unchanged();
            {
                let mut state = self.shared.state();
                if state.incarnation != self.incarnation {
                    return Err(ReadError::Unavailable("the stream was recreated".to_owned()));
                }
                let store = state.store(self.stream);
                let mut ahead = store.from(">", self.position.next());
                let records: Vec<Record> = ahead.by_ref().take(max.max(1)).cloned().collect();
                let caught_up = ahead.next().is_none();
                let fresh = std::mem::take(&mut self.fresh);
                if !records.is_empty() || fresh {
                    self.position = records.last().map_or(self.position, |record| record.seq);
                    return Ok(Fed { records, caught_up });
                }
            }
            if self.changed.changed().await.is_err() {
                return Err(ReadError::Unavailable("the log is closed".to_owned()));
            }
        }
    }
}
