//! A session in Klatch's own words: frames in, `ack` and `error` out, a welcome first.

use bytes::Bytes;
use klatch_domain::ClientId;
use klatch_wire::ShownLimits;
use klatch_wire::native::ClientFrame;
use klatch_wire::native::server::{self, Retry, Welcome};

use super::{Identity, Session};
use crate::socket::frame;

impl Session {
    /// Says welcome to whoever was admitted.
    pub(crate) fn welcome(&self) {
        let Identity::Known { person, .. } = &self.identity else { return };
        let welcome = Welcome {
            session_id: self.hub.log.fresh_id().to_string(),
            user: person.user(),
            limits: ShownLimits::from(&self.hub.config.limits),
            server_time: self.hub.now(),
            retry: Retry::default(),
        };
        self.tell(&server::frame("chat.welcome", &welcome));
    }

    /// Works on one frame to its end; what there is to say lies in the outbox then. A frame with an `id` gets exactly one
    /// `ack` or `error`.
    pub(crate) async fn handle(&mut self, frame: ClientFrame) {
        let ClientFrame { id, request } = frame;
        let answer = self.perform(request, id.clone()).await;
        let id = id.as_ref().map(ClientId::as_str);
        match (answer, id) {
            (Ok(reply), Some(id)) => self.tell(&server::ack(id, &reply)),
            (Ok(_), None) => {}
            (Err(failure), id) => {
                self.hub.metrics.refused(failure.code);
                self.tell(&server::error(id, &failure));
            }
        }
    }

    fn tell(&self, json: &Bytes) {
        self.outbox.answer(frame::text(json));
    }
}
