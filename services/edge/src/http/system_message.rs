//! `POST /send-system-message`: the operator's word in a room.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use klatch_domain::commands::{Actor, Command, Send};
use klatch_domain::{ClientId, MessageId, MessageType, RoomId, UserId};
use klatch_wire::Code;
use klatch_wire::native::server::{Failure, Stored};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::InternalKey;
use super::problem::Problem;
use crate::act::Key;
use crate::hub::Hub;

/// What is to be said where. With an `id` a repeat within two minutes is said once.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SystemMessage {
    room_id: RoomId,
    message: String,
    #[serde(default)]
    id: Option<ClientId>,
}

/// Says it: every session in the room gets `chat.system`.
pub(super) async fn send(
    _: InternalKey,
    State(hub): State<Arc<Hub>>,
    body: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Response {
    match say(&hub, body).await {
        Ok(stored) => Json(stored).into_response(),
        Err(failure) => Problem::from(failure).into_response(),
    }
}

async fn say(hub: &Hub, body: Result<Json<Map<String, Value>>, JsonRejection>) -> Result<Stored, Failure> {
    let Json(fields) = body.map_err(|error| {
        let is_too_large = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
        let code = if is_too_large { Code::TooLarge } else { Code::InvalidField };
        Failure::new(code, error.body_text())
    })?;
    let said: SystemMessage = serde_json::from_value(Value::Object(fields))
        .map_err(|error| Failure::new(Code::InvalidField, error.to_string()))?;
    let key = if said.id.is_some() { Key::Chosen } else { Key::Fresh };
    let id = said.id.unwrap_or_else(|| ClientId::unique(Uuid::now_v7()));
    let message_id = MessageId::derive(&said.room_id, &UserId::system(), &id, said.message.as_bytes());
    let command = Command::Send(Send {
        room_id: said.room_id.clone(),
        message_id: message_id.clone(),
        message: said.message,
        message_type: MessageType::System,
        reply_to: None,
        attachments: Vec::new(),
        mentions: Vec::new(),
    });
    let done = hub.act(&Actor::System, &command, &key(message_id.clone())).await?;
    Ok(Stored {
        room_id: said.room_id,
        message_id: Some(message_id),
        seq: done.seq,
        epoch: hub.log.epoch(),
        timestamp: done.at,
    })
}
