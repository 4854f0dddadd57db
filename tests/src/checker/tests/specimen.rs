//! Makes recordings of a system that keeps every promise: a tiny chat in one thread with a clock of its own, whose steps
//! a test (or proptest) chooses.
//!
//! Its histories and counts are kept step by step, as a real system keeps them, not folded from the log: so a
//! recording that passes also shows that the checker's reference fold is right.

use std::collections::BTreeMap;

use serde_json::json;

use super::world::*;

use crate::checker::history::*;
use crate::checker::name::*;

/// Something that happens. People are numbers in [`PEOPLE`]; what is impossible then does nothing.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Connects (to the edge that their number gives) and joins, resuming where they know a position.
    Join(usize),
    /// Detaches.
    Leave(usize),
    /// Ends the connection.
    Close(usize),
    /// Says something, and what becomes of it.
    Send(usize, Fate),
    /// Sends the last unclear one again.
    Retry(usize),
    /// Sends the last thing they said again, so late that the log takes it for a new one.
    StoreAgain(usize),
    /// Changes the last thing they said.
    Edit(usize),
    /// Takes away the last thing they said.
    Delete(usize),
    /// The owner puts somebody out; for good, if so.
    PutOut(usize, bool),
    /// The owner lets somebody in again.
    Unban(usize),
    /// Moves the read mark to the end.
    Read(usize),
    /// Looks at the list of rooms.
    Rooms(usize),
    /// Looks at history.
    Page(usize, Which, usize),
    /// Asks who is there.
    Presence(usize),
    /// An edge dies, and comes again once everybody knows.
    Die(usize),
    /// Everything comes to rest; the projector says its digest.
    Settle,
}

/// What becomes of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Stored and acknowledged.
    Acknowledged,
    /// Stored, and the acknowledgement is lost.
    AnswerLost,
    /// Lost on the way.
    FrameLost,
    /// Refused.
    Refused,
}

impl World {
    /// Plays the steps and gives the recording. `open`: whether anyone may come in; `erases`: whether deleted content is
    /// gone from the log when it is read back.
    pub(super) fn play(steps: &[Step], open: bool, erases: bool) -> History {
        let mut world = World {
            entries: Vec::new(),
            now: 0,
            numbers: 0,
            last: Seq(0),
            last_of_room: Seq(0),
            stored: Vec::new(),
            shown: Vec::new(),
            standing: [Standing::Stranger; 4],
            devices: BTreeMap::new(),
            known: BTreeMap::new(),
            marks: [Seq(0); 4],
            unclear: BTreeMap::new(),
            erases,
            open,
        };
        world.note(Observation::Began { seed: 0, lease_ms: LEASE_MS });
        world.found();
        for step in steps {
            world.take(*step);
        }
        world.take(Step::Settle);
        world.read_back();
        History { entries: world.entries }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Join(who) => self.join(who),
            Step::Leave(who) => self.leave(who),
            Step::Close(who) => self.close(who),
            Step::Send(who, fate) => self.send(who, fate),
            Step::Retry(who) => self.retry(who),
            Step::StoreAgain(who) => self.store_again(who),
            Step::Edit(who) => self.edit(who),
            Step::Delete(who) => self.delete(who),
            Step::PutOut(who, for_good) => self.put_out(who, for_good),
            Step::Unban(who) => self.unban(who),
            Step::Read(who) => self.read(who),
            Step::Rooms(who) => self.rooms(who),
            Step::Page(who, which, limit) => self.page(who, which, limit),
            Step::Presence(who) => self.presence(who),
            Step::Die(edge) => self.die(edge),
            Step::Settle => self.settle(),
        }
    }

    /// The room is made, with everybody in it where nobody can come by themselves.
    fn found(&mut self) {
        let access = if self.open { "open" } else { "private" };
        self.store(Slot::Info, "chat.room", json!({"roomId": ROOM, "settings": {"access": access}}));
        let members = if self.open { 1 } else { PEOPLE.len() };
        for who in 0..members {
            self.stand(who, Standing::Joined);
        }
    }

    fn join(&mut self, who: usize) {
        let allowed = match self.standing[who] {
            Standing::Joined => true,
            Standing::Stranger | Standing::Removed => self.open,
            Standing::Banned => false,
        };
        let session = self.device(who);
        if !allowed || self.devices[&who].attached {
            return;
        }
        let since = self.known.get(&who).map(|seq| Position { epoch: EPOCH.into(), seq: *seq });
        let call = self.ask(session, Command::Join { room: ROOM.into(), since: since.clone() });
        if self.standing[who] != Standing::Joined {
            let seq = self.stand(who, Standing::Joined);
            let data = json!({"roomId": ROOM, "userId": PEOPLE[who], "change": "joined"});
            self.tell(Frame { event: "chat.memberChanged".into(), seq, prev: None, data });
        }
        for (_, observer) in self.attached() {
            let person = Some(PEOPLE[who].into());
            self.note(Observation::Heard {
                session: observer,
                room: ROOM.into(),
                event: "chat.userJoined".into(),
                person,
            });
        }
        self.devices.get_mut(&who).expect("just connected").attached = true;
        let (events, more) = match &since {
            Some(since) => (self.since(since.seq), false),
            None => self.window(Which::Newest, 3),
        };
        let users: Vec<Person> = self.attached().into_iter().map(|(who, _)| PEOPLE[who].into()).collect();
        let joined = Joined {
            at: Position { epoch: EPOCH.into(), seq: self.last },
            recovered: since.map(|_| true),
            events,
            more,
            history_ready: true,
            user_count: users.len() as u64,
            users,
        };
        self.answer(call, Answer::Joined(joined));
        self.known.insert(who, self.last);
    }

    /// What a resume gives: the timeline after `seq`, without what was deleted.
    fn since(&self, after: Seq) -> Vec<Frame> {
        let mut prev = after;
        let mut events = Vec::new();
        for stored in &self.stored {
            let Observation::Stored { seq, slot: Slot::Timeline, event, data, .. } = stored else { continue };
            let about = data["messageId"].as_str().unwrap_or_default();
            if *seq <= after || (event != "chat.messageDeleted" && self.is_deleted(about)) {
                continue;
            }
            events.push(Frame { event: event.clone(), seq: *seq, prev: Some(prev), data: data.clone() });
            prev = *seq;
        }
        events
    }

    fn leave(&mut self, who: usize) {
        let Some(session) = self.session_attached(who) else { return };
        let call = self.ask(session, Command::Leave { room: ROOM.into() });
        self.answer(call, Answer::Done);
        self.detach(who);
    }

    fn close(&mut self, who: usize) {
        let Some(device) = self.devices.get(&who) else { return };
        self.note(Observation::Closed { session: device.session });
        self.detach(who);
        self.devices.remove(&who);
    }

    fn send(&mut self, who: usize, fate: Fate) {
        if self.standing[who] != Standing::Joined {
            return;
        }
        let session = self.device(who);
        let key = format!("k{}", self.number());
        let text = format!("{} says {key}", PEOPLE[who]);
        let call = self.ask(session, Command::Send { room: ROOM.into(), key: key.as_str().into(), text: text.clone() });
        match fate {
            Fate::Acknowledged => {
                let (seq, id) = self.say(who, &key, &text);
                self.acknowledge(call, Some(&id), seq);
            }
            Fate::AnswerLost => {
                self.say(who, &key, &text);
                self.answer(call, Answer::Unclear);
                self.unclear.insert(who, (key, text));
            }
            Fate::FrameLost => {
                self.answer(call, Answer::Unclear);
                self.unclear.insert(who, (key, text));
            }
            Fate::Refused => self.answer(call, Answer::Refused { code: "muted".into() }),
        }
    }

    fn retry(&mut self, who: usize) {
        if self.standing[who] != Standing::Joined {
            return;
        }
        let Some((key, text)) = self.unclear.remove(&who) else { return };
        let session = self.device(who);
        let call = self.ask(session, Command::Send { room: ROOM.into(), key: key.as_str().into(), text: text.clone() });
        let known = self.messages().find(|message| message.id == format!("m-{key}")).map(|message| message.seq);
        let seq = known.unwrap_or_else(|| self.say(who, &key, &text).0);
        self.acknowledge(call, Some(&format!("m-{key}")), seq);
    }

    fn store_again(&mut self, who: usize) {
        let Some(message) = self.last_of(who).filter(|message| self.is_acknowledged(message)) else { return };
        let Message { key, id, .. } = message;
        let session = self.device(who);
        let text = format!("{} says {key}", PEOPLE[who]);
        let (room, key) = (Room::from(ROOM), key.as_str().into());
        let call = self.ask(session, Command::Send { room, key, text: text.clone() });
        let data = json!({"roomId": ROOM, "messageId": id, "userId": PEOPLE[who], "message": text});
        let seq = self.store(Slot::Timeline, "chat.message", data);
        self.change(&id, |message| message.copy = seq);
        self.acknowledge(call, Some(&id), seq);
    }

    fn say(&mut self, who: usize, key: &str, text: &str) -> (Seq, String) {
        let id = format!("m-{key}");
        let data = json!({"roomId": ROOM, "messageId": id, "userId": PEOPLE[who], "message": text});
        let seq = self.store(Slot::Timeline, "chat.message", data.clone());
        let (copy, key) = (seq, key.to_owned());
        self.shown.push(Shown::Message(Message { seq, copy, key, id: id.clone(), author: who, data, deleted: false }));
        self.marks[who] = self.marks[who].max(seq);
        (seq, id)
    }

    fn edit(&mut self, who: usize) {
        let Some(message) = self.last_of(who) else { return };
        let session = self.device(who);
        let text = format!("edited {}", self.number());
        let id = message.id.as_str();
        let call = self.ask(session, Command::Edit { room: ROOM.into(), message: id.into(), text: text.clone() });
        let data = json!({"roomId": ROOM, "messageId": id, "userId": PEOPLE[who], "message": text});
        let seq = self.store(Slot::Timeline, "chat.messageEdited", data);
        self.change(&message.id, |message| message.data["message"] = json!(text));
        self.acknowledge(call, None, seq);
    }

    fn delete(&mut self, who: usize) {
        let Some(message) = self.last_of(who) else { return };
        let session = self.device(who);
        let id = message.id.as_str();
        let call = self.ask(session, Command::Delete { room: ROOM.into(), message: id.into() });
        let position = json!({"epoch": EPOCH, "seq": message.copy});
        let person = PEOPLE[who];
        let data = json!({"roomId": ROOM, "messageId": id, "userId": person, "author": person, "position": position});
        let seq = self.store(Slot::Timeline, "chat.messageDeleted", data);
        self.change(&message.id, |message| {
            message.deleted = true;
            message.seq = message.copy;
            message.data["deleted"] = json!(true);
            message.data.as_object_mut().expect("an object").remove("message");
        });
        // What is left of it stands where the deletion says that it stood, and one's own moves one's mark.
        self.shown.sort_by_key(|shown| shown.frame().seq);
        self.marks[who] = self.marks[who].max(message.copy);
        self.acknowledge(call, None, seq);
    }

    fn put_out(&mut self, who: usize, for_good: bool) {
        if who == 0 || self.standing[who] != Standing::Joined {
            return;
        }
        let session = self.device(0);
        let (deed, change, standing) = match for_good {
            true => (Deed::Ban, "banned", Standing::Banned),
            false => (Deed::Kick, "kicked", Standing::Removed),
        };
        self.govern(session, deed, change, who, standing);
        if self.devices.get(&who).is_some_and(|device| device.attached) {
            self.detach(who);
        }
        self.known.remove(&who);
    }

    fn unban(&mut self, who: usize) {
        if who == 0 || !matches!(self.standing[who], Standing::Banned | Standing::Removed) {
            return;
        }
        let session = self.device(0);
        let back = if self.open { Standing::Stranger } else { Standing::Joined };
        self.govern(session, Deed::Unban, "unbanned", who, back);
    }

    fn govern(&mut self, session: Session, deed: Deed, change: &str, who: usize, standing: Standing) {
        let call = self.ask(session, Command::Govern { room: ROOM.into(), deed, target: Some(PEOPLE[who].into()) });
        let data = json!({"roomId": ROOM, "userId": PEOPLE[who], "change": change, "by": PEOPLE[0]});
        let seq = self.store(Slot::Timeline, "chat.memberChanged", data.clone());
        self.shown.push(Shown::Notice(Frame { event: "chat.memberChanged".into(), seq, prev: None, data }));
        let seq = self.stand(who, standing);
        self.acknowledge(call, None, seq);
    }

    fn read(&mut self, who: usize) {
        if self.standing[who] != Standing::Joined {
            return;
        }
        let session = self.device(who);
        let call = self.ask(session, Command::Read { room: ROOM.into(), seq: self.last });
        self.marks[who] = self.last;
        self.answer(call, Answer::Done);
    }

    fn rooms(&mut self, who: usize) {
        let session = self.device(who);
        let call = self.ask(session, Command::Rooms);
        let mut rooms = Vec::new();
        if self.standing[who] == Standing::Joined {
            let of_others = |message: &&Message| message.author != who && !message.deleted;
            let unread = self.messages().filter(of_others).filter(|message| message.seq > self.marks[who]).count();
            let unread = i64::try_from(unread).expect("few");
            rooms.push(Listed { room: ROOM.into(), seq: self.last_of_room, unread, capped: false });
        }
        self.answer(call, Answer::Rooms { rooms });
    }

    fn page(&mut self, who: usize, which: Which, limit: usize) {
        let session = self.device(who);
        let call = self.ask(session, Command::Page { room: ROOM.into(), which });
        if self.standing[who] != Standing::Joined {
            return self.answer(call, Answer::Refused { code: "not_found".into() });
        }
        let (items, more) = self.window(which, limit);
        self.answer(call, Answer::Page { at: Position { epoch: EPOCH.into(), seq: self.last }, items, more });
    }

    fn window(&self, which: Which, limit: usize) -> (Vec<Frame>, bool) {
        let within = |seq: Seq| match which {
            Which::Newest | Which::Around(_) => true,
            Which::Before(end) => seq < end,
            Which::After(begin) => seq > begin,
        };
        let mut items: Vec<Frame> = self.shown.iter().map(Shown::frame).filter(|item| within(item.seq)).collect();
        let more = items.len() > limit;
        match which {
            Which::After(_) => items.truncate(limit),
            _ => drop(items.drain(..items.len().saturating_sub(limit))),
        }
        (items, more)
    }

    fn presence(&mut self, who: usize) {
        if self.standing[who] != Standing::Joined {
            return;
        }
        let session = self.device(who);
        let call = self.ask(session, Command::Presence { room: ROOM.into() });
        let people = self.attached().into_iter().map(|(who, _)| PEOPLE[who].into()).collect();
        self.answer(call, Answer::Present { people });
    }

    fn die(&mut self, edge: usize) {
        let name = Edge::from(EDGES[edge]);
        self.note(Observation::Died { service: Service::Edge(name.clone()) });
        let dead: Vec<usize> = self.devices.keys().copied().filter(|who| who % EDGES.len() == edge).collect();
        let devices: Vec<Device> = dead.iter().filter_map(|who| self.devices.remove(who)).collect();
        for (who, device) in dead.iter().zip(&devices) {
            self.note(Observation::Closed { session: device.session });
            if device.attached {
                self.now += LEASE_MS / devices.len() as u64;
                self.gone(*who);
            }
        }
        self.now += 3 * LEASE_MS;
        self.note(Observation::Started { service: Service::Edge(name) });
    }

    fn settle(&mut self) {
        self.now += LEASE_MS;
        self.note(Observation::Settled { room: ROOM.into(), seq: self.last_of_room });
        let service = Service::Edge(EDGES[0].into());
        self.note(Observation::Held { service, rss_bytes: 50 << 20, limit_bytes: 100 << 20 });
        for (how, projector) in [(Fold::Incremental, "p1"), (Fold::Rebuilt, "p2")] {
            let digest = format!("digest of {}", self.last.0);
            let (projector, epoch) = (projector.into(), EPOCH.into());
            self.note(Observation::Folded { projector, how, epoch, position: self.last, digest });
        }
    }

    fn read_back(&mut self) {
        let stored = std::mem::take(&mut self.stored);
        for observation in stored {
            let erased = match &observation {
                Observation::Stored { event, data, .. } => {
                    event != "chat.messageDeleted" && self.is_deleted(data["messageId"].as_str().unwrap_or_default())
                }
                _ => false,
            };
            if !(erased && self.erases) {
                self.note(observation);
            }
        }
        self.note(Observation::Replayed { epoch: EPOCH.into(), last: self.last });
    }
}
