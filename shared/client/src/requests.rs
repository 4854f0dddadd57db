//! Requests that wait for their answer. What has none when a connection ends is asked again on the next one, under
//! the same id and in the same order: every command of the protocol may be repeated so.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::failure::Failure;

/// What a request comes to: the data of its ack.
pub(crate) type Answer = Result<Box<RawValue>, Failure>;

struct Waiting {
    /// Counts up, so that what is asked again keeps its order.
    turn: u64,
    frame: String,
    until: Instant,
    timeout: Duration,
    reply: oneshot::Sender<Answer>,
}

pub(crate) struct Requests {
    waiting: HashMap<String, Waiting>,
    turns: u64,
    max: usize,
    frame_bytes_max: usize,
}

impl Requests {
    pub(crate) fn new(max: usize) -> Self {
        Requests { waiting: HashMap::new(), turns: 0, max, frame_bytes_max: usize::MAX }
    }

    /// What the server said in its welcome.
    pub(crate) fn set_frame_bytes_max(&mut self, bytes: Option<usize>) {
        self.frame_bytes_max = bytes.unwrap_or(usize::MAX);
    }

    /// Takes a request in; gives the frame to send back. A refusal goes to `reply`, and then there is no frame.
    pub(crate) fn ask(
        &mut self,
        id: String,
        frame: String,
        timeout: Duration,
        now: Instant,
        reply: oneshot::Sender<Answer>,
    ) -> Option<String> {
        let refusal = if self.waiting.len() >= self.max {
            Some(Failure::TooManyPending("requests"))
        } else if frame.len() > self.frame_bytes_max {
            Some(Failure::TooLarge(self.frame_bytes_max))
        } else {
            None
        };
        if let Some(failure) = refusal {
            let _ = reply.send(Err(failure));
            return None;
        }
        self.turns += 1;
        let out = frame.clone();
        self.waiting.insert(id, Waiting { turn: self.turns, frame, until: now + timeout, timeout, reply });
        Some(out)
    }

    /// Answers a request; false where it answers nothing that was asked here.
    pub(crate) fn answer(&mut self, id: &str, answer: Answer) -> bool {
        match self.waiting.remove(id) {
            Some(waiting) => {
                let _ = waiting.reply.send(answer);
                true
            }
            None => false,
        }
    }

    /// Everything unanswered, oldest first.
    pub(crate) fn unanswered(&self) -> Vec<String> {
        let mut waiting: Vec<&Waiting> = self.waiting.values().collect();
        waiting.sort_by_key(|waiting| waiting.turn);
        waiting.into_iter().map(|waiting| waiting.frame.clone()).collect()
    }

    /// Lets fail what waited too long, or whose asker is gone; says when to look again.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Instant> {
        self.waiting.retain(|_, waiting| !waiting.reply.is_closed());
        let late: Vec<String> =
            self.waiting.iter().filter(|(_, waiting)| waiting.until <= now).map(|(id, _)| id.clone()).collect();
        for id in late {
            let ms = self.waiting[&id].timeout.as_millis() as u64;
            self.answer(&id, Err(Failure::Timeout(ms)));
        }
        self.waiting.values().map(|waiting| waiting.until).min()
    }

    /// Lets everything fail that waits.
    pub(crate) fn fail_all(&mut self, failure: &Failure) {
        for (_, waiting) in self.waiting.drain() {
            let _ = waiting.reply.send(Err(failure.clone()));
        }
    }
}
