//! Who hears what, in memory.

use tokio::sync::mpsc;

use crate::broker::Record;
use crate::subject;

#[derive(Debug, Default)]
pub(super) struct Ears {
    /// Messages that wait in each until they are taken; what comes on top is dropped, as async-nats does.
    buffered_max: usize,
    open: Vec<(String, mpsc::Sender<Record>)>,
}

impl Ears {
    pub(super) fn new(buffered_max: usize) -> Self {
        Ears { buffered_max, open: Vec::new() }
    }

    pub(super) fn open(&mut self, pattern: &str) -> Ear {
        let (sender, receiver) = mpsc::channel(self.buffered_max.max(1));
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
