//! Who hears what, in memory.

use tokio::sync::mpsc;

use super::Delivery;
use super::weather::Weather;
use crate::broker::Record;
use crate::subject;

#[derive(Debug, Default)]
pub(super) struct Ears {
    /// Messages that wait in each until they are taken; what comes on top is dropped, as async-nats does.
    buffered_max: usize,
    open: Vec<Listening>,
}

/// The broker's end of a subscription.
#[derive(Debug)]
struct Listening {
    pattern: String,
    ear: mpsc::Sender<Record>,
    /// Comes after the next one.
    late: Option<Record>,
}

impl Ears {
    pub(super) fn new(buffered_max: usize) -> Self {
        Ears { buffered_max, open: Vec::new() }
    }

    pub(super) fn open(&mut self, pattern: &str) -> Ear {
        let (sender, receiver) = mpsc::channel(self.buffered_max.max(1));
        self.open.push(Listening { pattern: pattern.to_owned(), ear: sender, late: None });
        Ear { receiver }
    }

    /// Tells whoever listens, as far as the weather lets them hear; says whether somebody's buffer was full.
    pub(super) fn tell(&mut self, record: &Record, weather: &Weather) -> bool {
        let is_event = subject::parse_live_event(&record.subject).is_some();
        let mut dropped = false;
        self.open.retain_mut(|listening| {
            if !subject::matches(&listening.pattern, &record.subject) {
                return !listening.ear.is_closed();
            }
            let delivery = if is_event { weather.delivery() } else { Delivery::Once };
            listening.hear(record, delivery).inspect(|was_full| dropped |= was_full).is_some()
        });
        dropped
    }
}

impl Listening {
    /// Whether the buffer was full; none where nobody listens any more.
    fn hear(&mut self, record: &Record, delivery: Delivery) -> Option<bool> {
        let late = self.late.take();
        let times = match delivery {
            Delivery::Once => 1,
            Delivery::Repeat => 2,
            Delivery::Drop => 0,
            Delivery::Late => {
                self.late = Some(record.clone());
                0
            }
        };
        let mut was_full = false;
        for record in std::iter::repeat_n(record, times).chain(&late) {
            match self.ear.try_send(record.clone()) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => was_full = true,
                Err(mpsc::error::TrySendError::Closed(_)) => return None,
            }
        }
        (!self.ear.is_closed()).then_some(was_full)
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
