//! What may be asked. One decision a file: its command, its refusals, its tests.
//!
//! All decisions have one shape, so that an edge has one way to carry them out: it asks [`Command::needs`] which
//! facts to read, reads them, calls [`Command::decide`], and appends what comes out, all or nothing, in order.
//! A decision may stand on stale facts: each draft's guard makes the log refuse what the facts no longer carry,
//! and the edge then reads again and decides again.
//!
//! Order within a batch: the notice in the timeline, the room's info, the person's member event. The notice is
//! guarded by the actor's own standing, the other two by themselves. No guard names a subject that an earlier
//! event of the same batch writes: nats-server 2.15 refuses those batches, always.

mod archive_room;
mod ban;
mod create_room;
mod delete;
mod edit;
mod exit;
mod facts;
mod invite;
mod join;
mod kick;
mod mute;
mod role;
#[cfg(test)]
pub(crate) mod scene;
mod send;
mod unban;
mod update_room;

pub use archive_room::ArchiveRoom;
pub use ban::Ban;
pub use create_room::{CreateRoom, NAME_BYTES_MAX, PARTICIPANTS_MAX};
pub use delete::Delete;
pub use edit::Edit;
pub use exit::Exit;
pub use facts::{Actor, Facts, Needs, REASON_BYTES_MAX, Reference, Referred};
pub use invite::Invite;
pub use join::Join;
pub use kick::Kick;
pub use mute::{Mute, Unmute};
pub use role::SetRole;
pub use send::{ATTACHMENTS_MAX, MENTIONS_MAX, MESSAGE_BYTES_MAX, Send};
pub use unban::Unban;
pub use update_room::{SettingsChange, UpdateRoom};

use crate::{Decision, Refusal, RoomId, Timestamp, UserId};

/// Something that somebody wants to happen in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Make a room.
    CreateRoom(CreateRoom),
    /// Become a member, by oneself or after an invitation.
    Join(Join),
    /// Stop being a member.
    Exit(Exit),
    /// Put somebody out.
    Kick(Kick),
    /// Put somebody out and keep them out.
    Ban(Ban),
    /// Let somebody come again.
    Unban(Unban),
    /// Take the word from somebody.
    Mute(Mute),
    /// Give it back.
    Unmute(Unmute),
    /// Ask somebody to come.
    Invite(Invite),
    /// Give somebody another role.
    SetRole(SetRole),
    /// Say something.
    Send(Send),
    /// Change what one has said.
    Edit(Edit),
    /// Take away what was said.
    Delete(Delete),
    /// Change the room's name or rules.
    UpdateRoom(UpdateRoom),
    /// Close the room for writing, or open it again.
    ArchiveRoom(ArchiveRoom),
}

impl Command {
    /// The room that it is about.
    pub fn room(&self) -> &RoomId {
        match self {
            Command::CreateRoom(c) => &c.room_id,
            Command::Join(c) => &c.room_id,
            Command::Exit(c) => &c.room_id,
            Command::Kick(c) => &c.room_id,
            Command::Ban(c) => &c.room_id,
            Command::Unban(c) => &c.room_id,
            Command::Mute(c) => &c.room_id,
            Command::Unmute(c) => &c.room_id,
            Command::Invite(c) => &c.room_id,
            Command::SetRole(c) => &c.room_id,
            Command::Send(c) => &c.room_id,
            Command::Edit(c) => &c.room_id,
            Command::Delete(c) => &c.room_id,
            Command::UpdateRoom(c) => &c.room_id,
            Command::ArchiveRoom(c) => &c.room_id,
        }
    }

    /// Whom it is done to, where that is one person.
    pub fn target(&self) -> Option<&UserId> {
        match self {
            Command::Kick(c) => Some(&c.user_id),
            Command::Ban(c) => Some(&c.user_id),
            Command::Unban(c) => Some(&c.user_id),
            Command::Mute(c) => Some(&c.user_id),
            Command::Unmute(c) => Some(&c.user_id),
            Command::Invite(c) => Some(&c.user_id),
            Command::SetRole(c) => Some(&c.user_id),
            _ => None,
        }
    }

    /// The message that it refers to, where it does.
    pub fn reference(&self) -> Option<&Reference> {
        match self {
            Command::Send(c) => c.reply_to.as_ref(),
            Command::Edit(c) => Some(&c.message_ref),
            Command::Delete(c) => Some(&c.message_ref),
            _ => None,
        }
    }

    /// Which facts [`Command::decide`] stands on, beside the room's info and the actor's own standing.
    pub fn needs(&self) -> Needs<'_> {
        Needs { room: self.room(), target: self.target(), message: self.reference().map(|reference| reference.seq) }
    }

    /// What it comes to, the facts being so. `now` is the edge's clock.
    ///
    /// Never panics, whatever the facts. Facts that [`Command::needs`] didn't name are not looked at.
    pub fn decide(&self, facts: &Facts, now: Timestamp) -> Result<Decision, Refusal> {
        match self {
            Command::CreateRoom(c) => create_room::decide(facts, c, now),
            Command::Join(c) => join::decide(facts, c, now),
            Command::Exit(c) => exit::decide(facts, c, now),
            Command::Kick(c) => kick::decide(facts, c, now),
            Command::Ban(c) => ban::decide(facts, c, now),
            Command::Unban(c) => unban::decide(facts, c, now),
            Command::Mute(c) => mute::decide(facts, c, now),
            Command::Unmute(c) => mute::decide_unmute(facts, c, now),
            Command::Invite(c) => invite::decide(facts, c, now),
            Command::SetRole(c) => role::decide(facts, c, now),
            Command::Send(c) => send::decide(facts, c, now),
            Command::Edit(c) => edit::decide(facts, c, now),
            Command::Delete(c) => delete::decide(facts, c, now),
            Command::UpdateRoom(c) => update_room::decide(facts, c, now),
            Command::ArchiveRoom(c) => archive_room::decide(facts, c, now),
        }
    }
}
