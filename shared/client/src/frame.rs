//! A frame from the server, read as far as every frame is alike. Unknown fields are ignored, for a newer server may
//! say more.

use klatch_domain::{RoomId, Seq};
use klatch_wire::native::server::{Retry, User};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::failure::Failure;

/// A frame from the server.
#[derive(Debug, Clone, Deserialize)]
pub struct Frame {
    /// Its name.
    pub event: String,
    /// The id of the request that it answers.
    #[serde(default)]
    pub id: Option<String>,
    /// Its sequence, where it is an event of a room's timeline.
    #[serde(default)]
    pub seq: Option<Seq>,
    /// The sequence of the timeline event before it.
    #[serde(default)]
    pub prev: Option<Seq>,
    /// What it says.
    pub data: Box<RawValue>,
}

impl Frame {
    /// Reads a frame; none from what is no frame.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Reads its data.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(self.data.get()).map_err(|why| Failure::Unreadable(format!("{}: {why}", self.event)))
    }

    /// The room that it is about.
    pub(crate) fn room(&self) -> Option<RoomId> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct About {
            room_id: RoomId,
        }
        serde_json::from_str::<About>(self.data.get()).ok().map(|about| about.room_id)
    }
}

/// What a client needs of `chat.welcome`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Welcome {
    pub(crate) session_id: String,
    pub(crate) user: User,
    #[serde(default)]
    pub(crate) retry: Option<Retry>,
    #[serde(default)]
    pub(crate) limits: WelcomeLimits,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WelcomeLimits {
    #[serde(default)]
    pub(crate) frame_bytes_max: Option<usize>,
}
