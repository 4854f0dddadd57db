//! Who hears what, in memory.

use tokio::sync::mpsc;

use crate::broker::Record;
use crate::subject;

/// Undelivered messages an ear holds; what comes on top is dropped, as async-nats does.
const BUFFERED_MAX: usize = 8_192;

#[derive(Debug, Default)]
pub(super) struct Ears {
    open: Vec<(String, mpsc::Sender<Record>)>,
}

impl Ears {
    pub(super) fn open(&mut self, pattern: &str) -> Ear {
        let (sender, receiver) = mpsc::channel(BUFFERED_MAX);
        self.open.push((pattern.to_owned(), sender));
        Ear { receiver }
    }

    /// Tells whoever listens; says whether somebody's buffer was full.
    pub(super) fn tell(&mut self, record: &Record) -> bool {
        let mut dropped = false;
        self.open.retain(|(pattern, ear)| {
            if !subject::matches(pattern, &record.subject) {
                return !ear.is_closed();
            }
            match ear.try_send(record.clone()) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    dropped = true;
                    true
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            }
        });
        dropped
    }
}

/// An open subscription.
#[derive(Debug)]
pub(crate) struct Ear {
    receiver: mpsc::Receiver<Record>,
}

impl Ear {
    pub(crate) async fn next(&mut self) -> Option<Record> {
        self.receiver.recv().await
    }
}
