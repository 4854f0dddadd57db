//! One person in one room: their standing, and the notice that tells the room of a change.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{RoomId, UserId};
use crate::time::Timestamp;

/// What a member may do: all that the role before may, and more.
// The table is in `authority`. Not in the documentation, which goes into the published schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Reads and marks.
    Reader,
    /// Also sends, reacts, types, edits and deletes their own.
    Member,
    /// Also deletes others' messages, invites, kicks, bans, mutes.
    Moderator,
    /// Also gives roles, changes settings, archives.
    Owner,
}

/// Where a person stands towards a room. What is not stored is [`Standing::Left`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "standing", rename_all = "camelCase")]
pub enum Standing {
    /// A member now.
    Joined,
    /// Asked to come; becomes a member by joining.
    Invited,
    /// Not a member: went by themselves, or was never there.
    Left,
    /// Put out by somebody; may join an open room again.
    Removed,
    /// Kept out; past `until` they count as left.
    Banned {
        /// The end of the ban; none is for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
}

/// As one object with an optional `until`, rather than a union: what it is flattened into stays one object, too.
impl JsonSchema for Standing {
    fn schema_name() -> Cow<'static, str> {
        "Standing".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let until = generator.subschema_for::<Timestamp>();
        schemars::json_schema!({
            "type": "object",
            "required": ["standing"],
            "properties": {
                "standing": {
                    "description": "Where they stand.",
                    "enum": ["joined", "invited", "left", "removed", "banned"],
                },
                "until": { "description": "The end of a ban; none is for ever.", "allOf": [until] },
            },
        })
    }
}

/// Muted: may read, but not write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mute {
    /// The end of the mute; none is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What brought a member event about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// Named as creator or participant when the room was made.
    Created,
    /// Joined by themselves.
    Joined,
    /// Joined after an invitation.
    Accepted,
    /// Went by themselves.
    Exited,
    /// Joined again, a member already, under another name or with another picture: the standing is as it was.
    Renamed,
    /// Somebody else (or an owner who went) changed it: the notice before it in the same batch tells the room.
    Noticed,
}

/// The stored event `chat.member`: a person's whole standing in a room after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// The room.
    pub room_id: RoomId,
    /// The person.
    pub user_id: UserId,
    /// Their name when this was stored; empty for somebody never seen.
    pub username: String,
    /// A picture's address, as the token claimed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// Where they stand.
    #[serde(flatten)]
    pub standing: Standing,
    /// Their role; kept through leaving, of weight only while joined.
    pub role: Role,
    /// Whether they are muted; kept through leaving and coming back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<Mute>,
    /// What brought it about.
    pub cause: Cause,
    /// The edge's clock.
    pub timestamp: Timestamp,
}

/// What a notice (or a frame made from a member event) says happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// Became a member by themselves.
    Joined,
    /// Became a member after an invitation.
    Accepted,
    /// Went by themselves.
    Exited,
    /// Was invited.
    Invited,
    /// Was put out.
    Kicked,
    /// Was put out and kept out.
    Banned,
    /// May come again.
    Unbanned,
    /// May not write for now.
    Muted,
    /// May write again.
    Unmuted,
    /// Has another role.
    Role,
}

/// The event `chat.memberChanged`: the timeline's notice that somebody changed a person's standing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberChanged {
    /// The room.
    pub room_id: RoomId,
    /// Whose standing changed.
    pub user_id: UserId,
    /// Their name, as far as it is known.
    pub username: String,
    /// What happened.
    pub change: Change,
    /// The role after the change, where that is what changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Who did it; not there where people did it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
    /// Why, in the doer's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When a ban or mute ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The edge's clock.
    pub timestamp: Timestamp,
}

impl Membership {
    /// Whether they are a member at `now`.
    pub fn is_joined(&self) -> bool {
        self.standing == Standing::Joined
    }

    /// Whether a ban holds at `now`; past its `until` a person counts as left.
    pub fn is_banned(&self, now: Timestamp) -> bool {
        matches!(self.standing, Standing::Banned { until } if until.is_none_or(|until| now < until))
    }

    /// Whether a mute holds at `now`.
    pub fn is_muted(&self, now: Timestamp) -> bool {
        self.muted.as_ref().is_some_and(|mute| mute.until.is_none_or(|until| now < until))
    }

    /// The frame's data for a member event that no notice precedes; `None` where one does, or at creation.
    pub fn unnoticed_change(&self) -> Option<MemberChanged> {
        let change = match self.cause {
            Cause::Joined => Change::Joined,
            Cause::Accepted => Change::Accepted,
            Cause::Exited => Change::Exited,
            Cause::Created | Cause::Renamed | Cause::Noticed => return None,
        };
        Some(MemberChanged {
            room_id: self.room_id.clone(),
            user_id: self.user_id.clone(),
            username: self.username.clone(),
            change,
            role: Some(self.role),
            by: None,
            reason: None,
            until: None,
            timestamp: self.timestamp,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_is_written_as_its_schema_says() {
        let schema = schemars::schema_for!(Standing);
        let known = schema.as_value()["properties"]["standing"]["enum"].as_array().unwrap().clone();
        let ban = Standing::Banned { until: Some(Timestamp::default()) };
        let all = [Standing::Joined, Standing::Invited, Standing::Left, Standing::Removed, ban];
        let written: Vec<_> = all.iter().map(|standing| serde_json::to_value(standing).unwrap()).collect();
        assert_eq!(written.iter().map(|one| one["standing"].clone()).collect::<Vec<_>>(), known);
        assert!(written[4]["until"].is_string());
    }
}
