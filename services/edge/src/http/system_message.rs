//! `POST /send-system-message`: the operator's word in a room.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use klatch_domain::commands::{Actor, Command, Send};
use klatch_domain::{ClientId, MessageId, MessageType, RoomId, UserId};
use klatch_wire::Code;
use klatch_wire::native::server::{Failure, Stored};
use serde::Deserialize;
use uuid::Uuid;

use super::check_internal_key;
use super::problem::Problem;
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
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    body: Result<Json<SystemMessage>, JsonRejection>,
) -> Response {
    if let Err(problem) = check_internal_key(&hub, &headers) {
        return problem.into_response();
    }
    match say(&hub, body).await {
        Ok(stored) => Json(stored).into_response(),
        Err(failure) => Problem::from(failure).into_response(),
    }
}

async fn say(hub: &Hub, body: Result<Json<SystemMessage>, JsonRejection>) -> Result<Stored, Failure> {
    let Json(said) = body.map_err(|error| Failure::new(Code::InvalidField, error.body_text()))?;
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
    let done = hub.act(&Actor::System, &command, &message_id).await?;
    Ok(Stored {
        room_id: said.room_id,
        message_id: Some(message_id),
        seq: done.seq,
        epoch: hub.log.epoch(),
        timestamp: done.at,
    })
}
