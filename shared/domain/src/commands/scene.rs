//! Given, when, then: a room told by the commands that made it, over a log that keeps guards as JetStream does.

use crate::commands::*;
use crate::*;

/// A log in memory with the two properties that decisions rely on: a guard holds or nothing of the batch is
/// stored, and a batch whose guard names a subject that it wrote before is refused whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(pub(crate) Vec<Event>);

/// Why a batch was not stored.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotStored {
    /// A guard's subject has moved (10071).
    Moved,
    /// A guard names a subject that the batch itself wrote before it (10164).
    Tangled,
}

impl Log {
    /// What lay there last, looking at the first `len` events only.
    pub(crate) fn last_as_of(&self, len: usize, address: &Address) -> (Seq, Option<&Event>) {
        let found = self.0[..len].iter().enumerate().rev().find(|(_, event)| event.address() == *address);
        found.map_or((Seq::ZERO, None), |(at, event)| (Seq(at as u64 + 1), Some(event)))
    }

    pub(crate) fn append(&mut self, drafts: Vec<Draft>) -> Result<Seq, NotStored> {
        let mut written: Vec<Address> = Vec::new();
        for draft in &drafts {
            if let Some(Guard { address, expected }) = &draft.guard {
                if written.contains(address) {
                    return Err(NotStored::Tangled);
                }
                if self.last_as_of(self.0.len(), address).0 != *expected {
                    return Err(NotStored::Moved);
                }
            }
            written.push(draft.event.address());
        }
        self.0.extend(drafts.into_iter().map(|draft| draft.event));
        Ok(Seq(self.0.len() as u64))
    }

    /// What an edge reads before it decides, from a log that is so long for it.
    pub(crate) fn facts_as_of(&self, len: usize, actor: &Actor, command: &Command) -> Facts {
        let needs = command.needs();
        let member = |user: &UserId| match self.last_as_of(len, &Address::Member(needs.room.clone(), user.clone())) {
            (seq, Some(Event::Member(member))) => Known::at(seq, member.clone()),
            _ => Known::NOTHING,
        };
        let message = needs.message.and_then(|seq| match self.0[..len].get((seq.0 as usize).checked_sub(1)?) {
            Some(Event::MessageSent(sent) | Event::SystemSaid(sent)) => {
                Some(Referred { position: Position { epoch: EPOCH, seq }, sent: sent.clone() })
            }
            _ => None,
        });
        Facts {
            actor: actor.clone(),
            info: match self.last_as_of(len, &Address::Info(needs.room.clone())) {
                (seq, Some(Event::Room(info))) => Known::at(seq, info.clone()),
                _ => Known::NOTHING,
            },
            own: if *actor == Actor::System { Known::NOTHING } else { member(&actor.user_id()) },
            target: needs.target.map_or(Known::NOTHING, member),
            message,
        }
    }
}

pub(crate) const EPOCH: Epoch = Epoch(uuid::Uuid::from_u128(7));

/// A room as it came to be, and the time.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) log: Log,
    pub(crate) now: Timestamp,
}

impl Scene {
    /// Nothing has happened. It is the first second of 2026.
    pub(crate) fn empty() -> Self {
        Scene { log: Log::default(), now: time("2026-01-01T00:00:00Z") }
    }

    /// The open room "lobby" with its owner ada, made by her join: events 1 (info) and 2 (ada).
    pub(crate) fn lobby() -> Self {
        Scene::empty().given("ada", join())
    }

    /// The lobby, made private, with ada the owner (2) and ben a member (3).
    pub(crate) fn private() -> Self {
        let create = CreateRoom {
            room_id: room(),
            room_type: RoomType::Group,
            name: None,
            participants: vec![user("ben")],
            settings: SettingsChange::default(),
        };
        Scene::empty().given("ada", Command::CreateRoom(create))
    }

    /// The lobby with ada the owner (2), ben a member (3), mod a moderator (5) and eve never seen.
    pub(crate) fn staffed() -> Self {
        Scene::lobby().given("ben", join()).given("mod", join()).given("ada", role("mod", Role::Moderator))
    }

    /// Something that was done, and must have worked.
    pub(crate) fn given(mut self, actor: &str, command: Command) -> Self {
        match self.when(actor, command) {
            Ok(Decision::Append(drafts)) => self.log.append(drafts).expect("fresh facts carry their guards"),
            other => panic!("what is given must be stored: {other:?}"),
        };
        self
    }

    /// So much later.
    pub(crate) fn after_ms(mut self, ms: i64) -> Self {
        self.now = Timestamp::from_ms(self.now.as_ms() + ms);
        self
    }

    pub(crate) fn when(&self, actor: &str, command: Command) -> Result<Decision, Refusal> {
        let facts = self.log.facts_as_of(self.log.0.len(), &person(actor), &command);
        command.decide(&facts, self.now)
    }

    /// What comes of it, as the log sees it: one line an event, `subject if guarded subject = sequence`.
    pub(crate) fn plan(&self, actor: &str, command: Command) -> Vec<String> {
        match self.when(actor, command) {
            Ok(Decision::Append(drafts)) => drafts.iter().map(line).collect(),
            other => panic!("nothing is appended: {other:?}"),
        }
    }

    /// The events that come of it.
    pub(crate) fn events(&self, actor: &str, command: Command) -> Vec<Event> {
        match self.when(actor, command) {
            Ok(Decision::Append(drafts)) => drafts.into_iter().map(|draft| draft.event).collect(),
            other => panic!("nothing is appended: {other:?}"),
        }
    }

    /// The standing that somebody has after it.
    pub(crate) fn member_after(&self, actor: &str, command: Command) -> Membership {
        match self.events(actor, command).pop() {
            Some(Event::Member(member)) => member,
            other => panic!("the last event is no standing: {other:?}"),
        }
    }

    pub(crate) fn refuses(&self, actor: &str, command: Command) -> Refusal {
        self.when(actor, command).expect_err("this should have been refused")
    }

    pub(crate) fn stands(&self, actor: &str, command: Command) -> Seq {
        match self.when(actor, command) {
            Ok(Decision::Stands(seq)) => seq,
            other => panic!("this should have stood: {other:?}"),
        }
    }
}

fn line(draft: &Draft) -> String {
    let subject = |address: &Address| match address {
        Address::Timeline(_) => "timeline".to_owned(),
        Address::Member(_, user) => user.to_string(),
        Address::Info(_) => "info".to_owned(),
    };
    let event = subject(&draft.event.address());
    match &draft.guard {
        Some(guard) => format!("{event} if {} = {}", subject(&guard.address), guard.expected),
        None => event,
    }
}

pub(crate) fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

pub(crate) fn room() -> RoomId {
    RoomId::parse("lobby").unwrap()
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

/// Somebody signed in, or the operator under the name `~system`.
pub(crate) fn person(id: &str) -> Actor {
    match id {
        "~system" => Actor::System,
        _ => Actor::Person { user_id: user(id), username: id.to_uppercase(), avatar: None },
    }
}

pub(crate) fn join() -> Command {
    Command::Join(Join { room_id: room(), create_on_join: true })
}

pub(crate) fn exit() -> Command {
    Command::Exit(Exit { room_id: room() })
}

pub(crate) fn kick(whom: &str) -> Command {
    Command::Kick(Kick { room_id: room(), user_id: user(whom), reason: None })
}

pub(crate) fn ban(whom: &str, until: Option<Timestamp>) -> Command {
    Command::Ban(Ban { room_id: room(), user_id: user(whom), reason: None, until })
}

pub(crate) fn unban(whom: &str) -> Command {
    Command::Unban(Unban { room_id: room(), user_id: user(whom), reason: None })
}

pub(crate) fn mute(whom: &str, until: Option<Timestamp>) -> Command {
    Command::Mute(commands::Mute { room_id: room(), user_id: user(whom), reason: None, until })
}

pub(crate) fn unmute(whom: &str) -> Command {
    Command::Unmute(Unmute { room_id: room(), user_id: user(whom), reason: None })
}

pub(crate) fn invite(whom: &str, role: Option<Role>) -> Command {
    Command::Invite(Invite { room_id: room(), user_id: user(whom), role, reason: None })
}

pub(crate) fn role(whom: &str, role: Role) -> Command {
    Command::SetRole(SetRole { room_id: room(), user_id: user(whom), role, reason: None })
}

pub(crate) fn say(text: &str) -> Command {
    Command::Send(send(text))
}

/// A message whose id is made from its text.
pub(crate) fn send(text: &str) -> Send {
    Send {
        room_id: room(),
        message_id: message_id(text),
        message: text.to_owned(),
        message_type: MessageType::Text,
        reply_to: None,
        attachments: Vec::new(),
        mentions: Vec::new(),
    }
}

/// The id of [`send`]'s message of this text.
pub(crate) fn message_id(text: &str) -> MessageId {
    MessageId::parse(format!("m-{}", &text[..text.len().min(16)])).unwrap()
}

/// The message of this text at this sequence.
pub(crate) fn reference(text: &str, seq: u64) -> Reference {
    Reference { message_id: message_id(text), seq: Seq(seq) }
}

pub(crate) fn edit(text: &str, seq: u64, to: &str) -> Command {
    Command::Edit(Edit { room_id: room(), message_ref: reference(text, seq), message: to.to_owned() })
}

pub(crate) fn delete(text: &str, seq: u64) -> Command {
    Command::Delete(Delete { room_id: room(), message_ref: reference(text, seq) })
}

pub(crate) fn archive(archived: bool) -> Command {
    Command::ArchiveRoom(ArchiveRoom { room_id: room(), archived })
}

pub(crate) fn update(name: Option<&str>, settings: SettingsChange) -> Command {
    Command::UpdateRoom(UpdateRoom { room_id: room(), name: name.map(str::to_owned), settings })
}

/// A direct room: its state (1) and its two people (2, 3 in the order of their ids).
pub(crate) fn direct_room(one: &str, other: &str) -> (Scene, RoomId) {
    let room_id = RoomId::direct(&user(one), &user(other));
    let create = CreateRoom {
        room_id: room_id.clone(),
        room_type: RoomType::Direct,
        name: None,
        participants: vec![user(other)],
        settings: SettingsChange::default(),
    };
    (Scene::empty().given(one, Command::CreateRoom(create)), room_id)
}
