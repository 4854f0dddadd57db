//! One room's place in its timeline: what was delivered, what comes next. Everything that decides whether an event is
//! new, a repeat or the far side of a gap is here, and nothing else.

use klatch_domain::{MessageId, MessageItem, Position, Seq};
use klatch_wire::native::server::Joined;

use crate::event::{Happened, TimelineEvent};
use crate::recent::Recent;

/// What is to be done with an event that came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// New, and next.
    Deliver,
    /// Known, or kept for later.
    Drop,
    /// Something before it never came: join again from the position.
    Gap,
}

/// What a `chat.joined` means for who was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// Attached for the first time: `events` is the newest page.
    Fresh,
    /// Nothing is missing between then and now.
    Resumed,
    /// Nobody knows what happened since: the newest page replaces what was shown.
    Reset,
}

/// What came of a join.
#[derive(Debug)]
pub(crate) struct CatchUp {
    pub(crate) how: How,
    /// To be delivered in this order.
    pub(crate) missed: Vec<TimelineEvent>,
    /// There is still a gap behind `missed`: join again.
    pub(crate) gap: bool,
}

#[derive(Debug)]
pub(crate) struct Place {
    position: Option<Position>,
    seen: Recent<MessageId>,
    /// What came while the answer to a join was awaited; none once it is there.
    held: Option<Vec<TimelineEvent>>,
    held_max: usize,
}

impl Place {
    pub(crate) fn new(since: Option<Position>, message_ids_max: usize, held_max: usize) -> Self {
        Place { position: since, seen: Recent::new(message_ids_max), held: Some(Vec::new()), held_max }
    }

    /// Up to where everything was delivered; none before the first `chat.joined`.
    pub(crate) fn position(&self) -> Option<Position> {
        self.position
    }

    /// Events are held back from here on, until `chat.joined` says where they belong.
    pub(crate) fn joining(&mut self) {
        self.held = Some(Vec::new());
    }

    pub(crate) fn joined(&mut self, joined: &Joined) -> CatchUp {
        let before = self.position;
        let how = match (before, joined.recovered) {
            (None, _) => How::Fresh,
            (Some(_), Some(true)) => How::Resumed,
            (Some(_), _) => How::Reset,
        };
        let since = before.map_or(Seq::ZERO, |position| position.seq);
        let events = joined.events.iter().filter_map(|item| TimelineEvent::parse(item).ok());
        let mut missed = Vec::new();
        for event in events {
            let new = self.is_new(&event);
            if how == How::Resumed && event.seq > since && new {
                missed.push(event);
            }
        }
        self.position = Some(Position { epoch: joined.epoch, seq: joined.seq });
        let mut gap = false;
        for event in self.held.take().unwrap_or_default() {
            match self.admit(&event) {
                Verdict::Deliver => missed.push(event),
                Verdict::Drop => {}
                Verdict::Gap => {
                    gap = true;
                    break;
                }
            }
        }
        CatchUp { how, missed, gap }
    }

    /// Judges an event of the timeline, and takes it as delivered where the verdict is so. `prev` names the timeline
    /// event before it: one that lies after our position is one that we never got.
    pub(crate) fn admit(&mut self, event: &TimelineEvent) -> Verdict {
        if let Some(held) = &mut self.held {
            // Too many to hold: what comes now is left out, which the next admitted event shows as a gap.
            if held.len() < self.held_max {
                held.push(event.clone());
            }
            return Verdict::Drop;
        }
        let Some(position) = &mut self.position else { return Verdict::Drop };
        if event.seq <= position.seq {
            return Verdict::Drop;
        }
        if event.prev.is_some_and(|prev| prev > position.seq) {
            return Verdict::Gap;
        }
        position.seq = event.seq;
        if self.is_new(event) { Verdict::Deliver } else { Verdict::Drop }
    }

    /// A message sent again past the log's own memory of ids is stored twice, under one `messageId`.
    fn is_new(&mut self, event: &TimelineEvent) -> bool {
        match &event.what {
            Happened::Message(MessageItem::Said(said)) => self.seen.add(said.sent.message_id.clone()),
            Happened::Message(MessageItem::Deleted(tombstone)) => self.seen.add(tombstone.message_id.clone()),
            _ => true,
        }
    }
}
