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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn renamed(prev: u64, seq: u64) -> TimelineEvent {
        let data = json!({
            "roomId": "r", "name": "R", "settings": {"access": "open"}, "archived": false, "by": "ada",
            "timestamp": "2026-01-01T00:00:00.000Z",
        });
        let frame = json!({"event": "chat.roomUpdated", "seq": seq, "prev": prev, "data": data});
        TimelineEvent::parse(&serde_json::value::to_raw_value(&frame).unwrap()).unwrap()
    }

    fn joined(seq: u64, recovered: Option<bool>, events: &[(u64, u64)]) -> Joined {
        let item = |(prev, seq): &(u64, u64)| {
            json!({"event": "chat.roomUpdated", "seq": seq, "prev": prev, "data": {
                "roomId": "r", "name": "R", "settings": {"access": "open"}, "archived": false, "by": "ada",
                "timestamp": "2026-01-01T00:00:00.000Z",
            }})
        };
        let events: Vec<_> = events.iter().map(item).collect();
        let mut data = json!({
            "roomId": "r", "epoch": uuid::Uuid::nil(), "seq": seq, "events": events, "more": false,
            "historyReady": true, "users": [], "userCount": 0, "member": null,
            "room": {"roomId": "r", "type": "group", "name": "R", "settings": {"access": "open"}, "archived": false},
        });
        if let Some(recovered) = recovered {
            data["recovered"] = json!(recovered);
        }
        serde_json::from_str(&data.to_string()).unwrap()
    }

    fn attached(seq: u64) -> Place {
        let mut place = Place::new(None, 8, 2);
        assert_eq!(place.joined(&joined(seq, None, &[])).how, How::Fresh);
        place
    }

    fn seqs(caught_up: &CatchUp) -> Vec<u64> {
        caught_up.missed.iter().map(|event| event.seq.0).collect()
    }

    #[test]
    fn what_is_known_is_dropped_what_is_next_is_taken_and_what_is_beyond_is_a_gap() {
        let mut place = attached(5);
        assert_eq!(place.admit(&renamed(3, 5)), Verdict::Drop);
        assert_eq!(place.admit(&renamed(6, 7)), Verdict::Gap);
        assert_eq!(place.admit(&renamed(5, 6)), Verdict::Deliver);
        assert_eq!(place.admit(&renamed(5, 6)), Verdict::Drop, "a failover of the broker repeats");
        assert_eq!(place.admit(&renamed(2, 9)), Verdict::Deliver, "a smaller prev: something was erased");
        assert_eq!(place.position().map(|position| position.seq), Some(Seq(9)));
    }

    #[test]
    fn a_resume_is_what_was_missed_and_then_what_came_meanwhile() {
        let mut place = attached(5);
        place.joining();
        assert_eq!(place.admit(&renamed(7, 8)), Verdict::Drop, "held");
        let caught_up = place.joined(&joined(8, Some(true), &[(3, 5), (5, 7), (7, 8)]));
        assert_eq!((caught_up.how, seqs(&caught_up), caught_up.gap), (How::Resumed, vec![7, 8], false));
        assert_eq!(place.admit(&renamed(8, 9)), Verdict::Deliver);
    }

    #[test]
    fn what_was_not_recovered_is_a_page_and_not_a_run_of_events() {
        let mut place = attached(5);
        place.joining();
        let caught_up = place.joined(&joined(50, Some(false), &[(48, 49), (49, 50)]));
        assert_eq!((caught_up.how, seqs(&caught_up)), (How::Reset, vec![]));
        place.joining();
        assert_eq!(place.joined(&joined(50, None, &[])).how, How::Reset, "a server that says nothing promises nothing");
    }

    #[test]
    fn too_much_to_hold_is_a_gap() {
        let mut place = attached(5);
        place.joining();
        for seq in 6..=9 {
            place.admit(&renamed(seq - 1, seq));
        }
        let caught_up = place.joined(&joined(5, Some(true), &[]));
        assert_eq!((seqs(&caught_up), caught_up.gap), (vec![6, 7], false));
        assert_eq!(place.admit(&renamed(9, 10)), Verdict::Gap);
    }
}
