//! Requests that become commands of the domain.

use klatch_domain::commands::{self, Actor, Command, Reference};
use klatch_domain::{ClientId, MessageId, RoomId};
use klatch_wire::Code;
use klatch_wire::native::Request;
use klatch_wire::native::request::{MessageRef, SettingsChange};
use klatch_wire::native::server::{Failure, Stored};
use uuid::Uuid;

use super::Session;
use crate::act::Key;
use crate::token::Person;

impl Session {
    pub(super) async fn command(
        &mut self,
        person: &Person,
        request: Request,
        id: Option<ClientId>,
    ) -> Result<Stored, Failure> {
        let actor = person.actor();
        let unique = || ClientId::unique(self.hub.log.fresh_id());
        let key = if id.is_some() { Key::Chosen } else { Key::Fresh };
        let (command, message_id) = translate(request, &actor, person, &id.unwrap_or_else(unique))?;
        let key = key(message_id);
        let done = self.hub.act(&actor, &command, &key).await?;
        if let Command::Exit(exit) = &command {
            self.detach(&exit.room_id);
        }
        Ok(Stored {
            room_id: command.room().clone(),
            message_id: message_of(&command),
            seq: done.seq,
            epoch: self.hub.log.epoch(),
            timestamp: done.at,
        })
    }
}

/// The command that a request stands for, and the key that makes it idempotent.
///
/// The key covers everything that the request says: the same id with another body is another command.
fn translate(request: Request, actor: &Actor, person: &Person, id: &ClientId) -> Result<(Command, MessageId), Failure> {
    let body = canonical(&request);
    let key_in = |room: &RoomId| MessageId::derive(room, &person.user_id, id, &body);
    if let Request::CreateRoom(c) = request {
        // A fresh id comes from the request's, so that a retry asks for the same room.
        let nowhere = RoomId::parse("~new").expect("fixed and short");
        let fresh = fresh_room(&key_in(&nowhere));
        let room_id = commands::CreateRoom::room_id(c.room_id, c.room_type, &c.participants, actor, fresh)
            .map_err(Failure::from)?;
        let key = key_in(&room_id);
        let (name, settings) = (c.name, settings(&c.settings));
        let create =
            commands::CreateRoom { room_id, room_type: c.room_type, name, participants: c.participants, settings };
        return Ok((Command::CreateRoom(create), key));
    }
    let command = in_room(request, key_in)?;
    let key = match &command {
        Command::Send(send) => send.message_id.clone(),
        other => key_in(other.room()),
    };
    Ok((command, key))
}

fn in_room(request: Request, key_in: impl Fn(&RoomId) -> MessageId) -> Result<Command, Failure> {
    Ok(match request {
        Request::Message(c) => Command::Send(commands::Send {
            message_id: key_in(&c.room_id),
            room_id: c.room_id,
            message: c.message,
            message_type: c.message_type,
            reply_to: c.reply_to.map(reference),
            attachments: c.attachments,
            mentions: c.mentions,
        }),
        Request::Edit(c) => Command::Edit(commands::Edit {
            room_id: c.room_id,
            message_ref: Reference { message_id: c.message_id, seq: c.seq },
            message: c.message,
        }),
        Request::Delete(c) => Command::Delete(commands::Delete {
            room_id: c.room_id,
            message_ref: Reference { message_id: c.message_id, seq: c.seq },
        }),
        Request::UpdateRoom(c) => Command::UpdateRoom(commands::UpdateRoom {
            room_id: c.room_id,
            name: c.name,
            settings: settings(&c.settings),
        }),
        Request::ArchiveRoom(c) => {
            Command::ArchiveRoom(commands::ArchiveRoom { room_id: c.room_id, archived: !c.remove })
        }
        Request::Invite(c) => {
            Command::Invite(commands::Invite { room_id: c.room_id, user_id: c.user_id, role: c.role, reason: c.reason })
        }
        Request::Kick(c) => Command::Kick(commands::Kick { room_id: c.room_id, user_id: c.user_id, reason: c.reason }),
        Request::Ban(c) => {
            Command::Ban(commands::Ban { room_id: c.room_id, user_id: c.user_id, reason: c.reason, until: c.until })
        }
        Request::Unban(c) => {
            Command::Unban(commands::Unban { room_id: c.room_id, user_id: c.user_id, reason: c.reason })
        }
        Request::Mute(c) if c.remove => {
            Command::Unmute(commands::Unmute { room_id: c.room_id, user_id: c.user_id, reason: c.reason })
        }
        Request::Mute(c) => {
            Command::Mute(commands::Mute { room_id: c.room_id, user_id: c.user_id, reason: c.reason, until: c.until })
        }
        Request::Role(c) => Command::SetRole(commands::SetRole {
            room_id: c.room_id,
            user_id: c.user_id,
            role: c.role,
            reason: c.reason,
        }),
        Request::Exit(c) => Command::Exit(commands::Exit { room_id: c.room_id }),
        other => return Err(Failure::new(Code::Internal, format!("{} is no command", other.event()))),
    })
}

fn reference(to: MessageRef) -> Reference {
    Reference { message_id: to.message_id, seq: to.seq }
}

fn settings(change: &SettingsChange) -> commands::SettingsChange {
    commands::SettingsChange { access: change.access, history: change.history }
}

/// The request as bytes that depend on what it says alone, not on how the client wrote it. The `username` of older
/// clients says nothing.
fn canonical(request: &Request) -> Vec<u8> {
    match request {
        Request::Message(message) if message.username.is_some() => {
            let mut message = message.clone();
            message.username = None;
            canonical(&Request::Message(message))
        }
        request => serde_json::to_vec(request).expect("requests have string keys"),
    }
}

fn fresh_room(key: &MessageId) -> Uuid {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(key.as_str().bytes().rev()) {
        *to = from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The message that an ack names.
fn message_of(command: &Command) -> Option<MessageId> {
    match command {
        Command::Send(send) => Some(send.message_id.clone()),
        Command::Edit(edit) => Some(edit.message_ref.message_id.clone()),
        Command::Delete(delete) => Some(delete.message_ref.message_id.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use klatch_domain::{Timestamp, UserId};
    use klatch_wire::native::ClientFrame;

    use super::*;

    fn translated(text: &str) -> (Command, MessageId) {
        let frame = ClientFrame::parse(text).unwrap();
        let person = Person {
            user_id: UserId::parse("ada").unwrap(),
            username: "Ada".into(),
            avatar: None,
            expires: Timestamp::from_ms(0),
        };
        translate(frame.request, &person.actor(), &person, &frame.id.unwrap()).unwrap()
    }

    #[test]
    fn a_retry_has_the_same_key_however_it_is_written_and_another_text_another() {
        let key = |text| translated(text).1;
        let first = key(r#"{"event":"chat.message","data":{"roomId":"r","message":"hi"},"id":"1"}"#);
        assert_eq!(
            first,
            key(r#"{"id":"1","data":{"message":"hi","roomId":"r","username":"X"},"event":"chat.message"}"#)
        );
        assert_ne!(first, key(r#"{"event":"chat.message","data":{"roomId":"r","message":"ho"},"id":"1"}"#));
        assert_ne!(first, key(r#"{"event":"chat.message","data":{"roomId":"r","message":"hi"},"id":"2"}"#));
    }

    #[test]
    fn a_room_without_an_id_gets_one_that_a_retry_asks_for_again() {
        let room = |text| translated(text).0.room().clone();
        let first = room(r#"{"event":"chat.createRoom","data":{"type":"group","name":"A"},"id":"1"}"#);
        assert_eq!(first, room(r#"{"event":"chat.createRoom","data":{"type":"group","name":"A"},"id":"1"}"#));
        assert_ne!(first, room(r#"{"event":"chat.createRoom","data":{"type":"group","name":"A"},"id":"2"}"#));
    }
}
