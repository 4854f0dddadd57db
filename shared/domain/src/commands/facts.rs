//! What decisions stand on, and the steps that several of them share.

use crate::authority::{self, Act};
use crate::decision::{Draft, Guard, Known};
use crate::event::{Address, Event};
use crate::{
    Cause, Change, Decision, MemberChanged, Membership, MessageId, MessageSent, Position, Refusal, Role, RoomId,
    RoomInfo, Seq, Standing, Timestamp, UserId,
};

/// The longest reason that somebody can give for what they do to another, in bytes.
pub const REASON_BYTES_MAX: usize = 1024;

/// Who wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Somebody signed in, as their token names them.
    Person {
        /// Who they are.
        user_id: UserId,
        /// What they are called now.
        username: String,
        /// Their picture now.
        avatar: Option<String>,
    },
    /// The operator: the server itself, or whoever holds an API key.
    System,
}

impl Actor {
    /// The id that events carry.
    pub fn user_id(&self) -> UserId {
        match self {
            Actor::Person { user_id, .. } => user_id.clone(),
            Actor::System => UserId::system(),
        }
    }

    /// The name that events carry.
    pub fn username(&self) -> &str {
        match self {
            Actor::Person { username, .. } => username,
            Actor::System => "System",
        }
    }

    pub(crate) fn avatar(&self) -> Option<&str> {
        match self {
            Actor::Person { avatar, .. } => avatar.as_deref(),
            Actor::System => None,
        }
    }

    pub(crate) fn is(&self, user: &UserId) -> bool {
        matches!(self, Actor::Person { user_id, .. } if user_id == user)
    }
}

/// Which message a command refers to. The sequence finds it, the id proves that it is the one meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Its id.
    pub message_id: MessageId,
    /// Its sequence in the room's timeline.
    pub seq: Seq,
}

/// The message found at a [`Reference`]'s sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referred {
    /// Where it was found.
    pub position: Position,
    /// What lies there.
    pub sent: MessageSent,
}

/// What must be read before a decision, beside the room's info and (for a person) the actor's own standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs<'a> {
    /// The room to read it from.
    pub room: &'a RoomId,
    /// Whose standing.
    pub target: Option<&'a UserId>,
    /// The sequence of a timeline message.
    pub message: Option<Seq>,
}

/// What a decision stands on, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Who asks.
    pub actor: Actor,
    /// The room's state.
    pub info: Known<RoomInfo>,
    /// The actor's standing in it; [`Known::NOTHING`] for the operator.
    pub own: Known<Membership>,
    /// The standing of whom it is done to, where [`Needs::target`] asks for it.
    pub target: Known<Membership>,
    /// The message at [`Needs::message`]; none where nothing lies there, or something else than a message.
    pub message: Option<Referred>,
}

impl Facts {
    /// The room, if the actor may do this in it at all; to whom is another question.
    pub(crate) fn permit(&self, act: Act, now: Timestamp) -> Result<&RoomInfo, Refusal> {
        let info = self.info.value.as_ref().ok_or(Refusal::NoSuchRoom)?;
        match &self.actor {
            Actor::Person { .. } => authority::permit(info, self.own.value.as_ref(), act, now)?,
            Actor::System => authority::permit_system(info, act)?,
        }
        Ok(info)
    }

    /// The same, towards one person.
    pub(crate) fn permit_towards(&self, act: Act, user: &UserId, now: Timestamp) -> Result<&RoomInfo, Refusal> {
        let info = self.permit(act, now)?;
        if user.is_reserved() {
            return Err(Refusal::Invalid { field: "userId", why: "is no person" });
        }
        if let Actor::Person { user_id, .. } = &self.actor {
            if user_id == user && act != Act::Role {
                return Err(Refusal::Forbidden("nobody does this to themselves"));
            }
            if let (Some(own), Some(target)) = (&self.own.value, &self.target_of(user).value) {
                authority::permit_towards(own.role, target)?;
            }
        }
        Ok(info)
    }

    /// The standing of whom it is done to; the actor's own, where that is the same person.
    pub(crate) fn target_of(&self, user: &UserId) -> &Known<Membership> {
        if self.actor.is(user) { &self.own } else { &self.target }
    }

    /// The message that a command refers to, if it is that message and of that room.
    pub(crate) fn referred(&self, room: &RoomId, reference: &Reference) -> Result<&Referred, Refusal> {
        self.message
            .as_ref()
            .filter(|found| &found.sent.room_id == room && found.sent.message_id == reference.message_id)
            .filter(|found| found.position.seq == reference.seq)
            .ok_or(Refusal::NoSuchMessage)
    }

    /// An event of the timeline, under the guard of the actor's own standing: nothing of theirs lands after
    /// their removal. The operator has no standing to guard by.
    pub(crate) fn on_timeline(&self, info: &RoomInfo, event: Event) -> Draft {
        let guard = match &self.actor {
            Actor::Person { user_id, .. } => {
                Some(Guard { address: Address::Member(info.room_id.clone(), user_id.clone()), expected: self.own.seq })
            }
            Actor::System => None,
        };
        Draft { event, guard }
    }

    /// The room's next state, guarded by itself.
    pub(crate) fn on_info(&self, info: RoomInfo) -> Draft {
        guarded_by_itself(Event::Room(info), self.info.seq)
    }

    /// The operator has no membership: what only a member can do by themselves is not for them.
    pub(crate) fn person(&self) -> Result<(&UserId, &str, Option<&str>), Refusal> {
        match &self.actor {
            Actor::Person { user_id, username, avatar } => Ok((user_id, username, avatar.as_deref())),
            Actor::System => Err(Refusal::Forbidden("only people are members of rooms")),
        }
    }
}

/// An event under the guard of its own subject.
pub(crate) fn guarded_by_itself(event: Event, expected: Seq) -> Draft {
    let guard = Some(Guard { address: event.address(), expected });
    Draft { event, guard }
}

/// What one person does to another's standing: the notice, the owners where they change, the new standing.
pub(crate) struct Imposed<'a> {
    pub(crate) user_id: &'a UserId,
    pub(crate) change: Change,
    pub(crate) standing: Standing,
    pub(crate) role: Role,
    pub(crate) muted: Option<crate::Mute>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) until: Option<Timestamp>,
}

impl Imposed<'_> {
    /// The batch, in the order and under the guards of the table in the module's documentation.
    pub(crate) fn append(self, facts: &Facts, info: &RoomInfo, now: Timestamp) -> Result<Decision, Refusal> {
        let known = facts.target_of(self.user_id);
        let before = known.value.as_ref();
        let username = before.map(|m| m.username.clone()).unwrap_or_default();
        let notice = MemberChanged {
            room_id: info.room_id.clone(),
            user_id: self.user_id.clone(),
            username: username.clone(),
            change: self.change,
            role: matches!(self.change, Change::Role | Change::Invited).then_some(self.role),
            by: (!matches!(self.change, Change::Exited)).then(|| facts.actor.user_id()),
            reason: self.reason.map(str::to_owned),
            until: self.until,
            timestamp: now,
        };
        let mut drafts = vec![facts.on_timeline(info, Event::MemberChanged(notice))];
        // The role in the member event decides, not the list: whoever saw an old list must fail on its guard.
        let was_owner = before.is_some_and(|m| m.is_joined() && m.role == Role::Owner);
        let is_owner = self.standing == Standing::Joined && self.role == Role::Owner;
        if was_owner != is_owner {
            let owners = owners_after(info, self.user_id, is_owner)?;
            drafts.push(facts.on_info(RoomInfo { owners, timestamp: now, ..info.clone() }));
        }
        let after = Membership {
            room_id: info.room_id.clone(),
            user_id: self.user_id.clone(),
            username,
            avatar: before.and_then(|m| m.avatar.clone()),
            standing: self.standing,
            role: self.role,
            muted: self.muted,
            cause: Cause::Noticed,
            timestamp: now,
        };
        drafts.push(guarded_by_itself(Event::Member(after), known.seq));
        Ok(Decision::Append(drafts))
    }
}

/// The owners with this person among them or not. The last one can't go.
fn owners_after(info: &RoomInfo, user: &UserId, is_owner: bool) -> Result<Vec<UserId>, Refusal> {
    let mut owners: Vec<UserId> = info.owners.iter().filter(|other| *other != user).cloned().collect();
    if is_owner {
        owners.push(user.clone());
    }
    if owners.is_empty() {
        return Err(Refusal::Conflict("the room's last owner can't go: make somebody else an owner first"));
    }
    Ok(owners)
}

/// A reason as it is stored: none for an empty one.
pub(crate) fn reason(given: &Option<String>) -> Result<Option<&str>, Refusal> {
    match given.as_deref().map(str::trim) {
        Some(text) if text.len() > REASON_BYTES_MAX => {
            Err(Refusal::TooLarge { field: "reason", bytes_max: REASON_BYTES_MAX })
        }
        Some("") | None => Ok(None),
        reason => Ok(reason),
    }
}

/// An end must lie ahead.
pub(crate) fn ahead(until: Option<Timestamp>, now: Timestamp) -> Result<(), Refusal> {
    match until {
        Some(until) if until <= now => Err(Refusal::Invalid { field: "until", why: "is past" }),
        _ => Ok(()),
    }
}
