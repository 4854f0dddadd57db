//! Events on their way to whoever listens: a bounded queue. The connection never waits for a listener, or else an
//! answer that the same listener awaits would never come.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::event::Event;

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    /// Events of no timeline that found no space.
    missed: u64,
    /// Whether somebody is to be told once there is space.
    space_wanted: bool,
    closed: bool,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Notify,
    space: Notify,
    max: usize,
}

/// What a client hears, in order. Clones share one queue: each event goes to one of them.
#[derive(Debug, Clone)]
pub struct Events(Arc<Shared>);

impl Events {
    /// The next event; none once the client is closed and everything was taken.
    ///
    /// Cancel-safe: an event is taken or it stays.
    pub async fn next(&self) -> Option<Event> {
        loop {
            let arrived = self.0.arrived.notified();
            if let Some(event) = self.try_next() {
                return Some(event);
            }
            if self.0.lock().closed {
                // Another listener may wait, too.
                self.0.arrived.notify_one();
                return None;
            }
            arrived.await;
        }
    }

    /// The next event, if one is there already.
    pub fn try_next(&self) -> Option<Event> {
        let mut queue = self.0.lock();
        let event = queue.events.pop_front();
        if event.is_some() && queue.missed > 0 {
            let missed = std::mem::take(&mut queue.missed);
            queue.events.push_back(Event::Missed(missed));
        }
        if queue.space_wanted && queue.events.len() <= self.0.max / 2 {
            queue.space_wanted = false;
            self.0.space.notify_one();
        }
        event
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The other end.
#[derive(Debug)]
pub(crate) struct Inbox(Arc<Shared>);

impl Inbox {
    pub(crate) fn new(max: usize) -> (Inbox, Events) {
        let shared =
            Arc::new(Shared { queue: Mutex::new(Queue::default()), arrived: Notify::new(), space: Notify::new(), max });
        (Inbox(shared.clone()), Events(shared))
    }

    /// Whether so many more find space; any number does in an empty queue, or else they never would.
    pub(crate) fn has_space(&self, more: usize) -> bool {
        let mut queue = self.0.lock();
        let space = queue.events.is_empty() || queue.events.len() + more <= self.0.max;
        queue.space_wanted |= !space;
        space
    }

    /// Puts an event in that [`Inbox::has_space`] found space for.
    pub(crate) fn put(&self, event: Event) {
        self.0.lock().events.push_back(event);
        self.0.arrived.notify_one();
    }

    /// Puts an event in, or counts it as missed.
    pub(crate) fn push(&self, event: Event) {
        let mut queue = self.0.lock();
        if queue.events.len() < self.0.max {
            queue.events.push_back(event);
            drop(queue);
            self.0.arrived.notify_one();
        } else {
            queue.missed += 1;
        }
    }

    /// For whoever waits for space.
    pub(crate) fn watch(&self) -> SpaceWatch {
        SpaceWatch(self.0.clone())
    }
}

/// Tells when a queue that was found full is half empty.
#[derive(Debug)]
pub(crate) struct SpaceWatch(Arc<Shared>);

impl SpaceWatch {
    /// Returns once after each time that [`Inbox::has_space`] said no. Cancel-safe.
    pub(crate) async fn space(&self) {
        self.0.space.notified().await;
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.arrived.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_space_is_counted_and_told() {
        let (inbox, events) = Inbox::new(2);
        for n in 0..5 {
            inbox.push(Event::Missed(100 + n));
        }
        assert!(!inbox.has_space(1));
        let taken: Vec<Event> = std::iter::from_fn(|| events.try_next()).collect();
        assert!(matches!(taken[..], [Event::Missed(100), Event::Missed(101), Event::Missed(3)]), "{taken:?}");
    }

    #[tokio::test]
    async fn every_listener_hears_of_the_end() {
        let (inbox, events) = Inbox::new(2);
        let listeners = [events.clone(), events].map(|events| tokio::spawn(async move { events.next().await }));
        drop(inbox);
        for listener in listeners {
            assert!(listener.await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn who_waits_for_space_is_told_when_half_is_empty() {
        let (inbox, events) = Inbox::new(2);
        inbox.push(Event::Missed(1));
        inbox.push(Event::Missed(2));
        assert!(!inbox.has_space(1));
        events.try_next();
        tokio::time::timeout(std::time::Duration::from_secs(5), inbox.watch().space()).await.unwrap();
    }
}
