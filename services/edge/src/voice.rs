//! How a session is spoken to: in which words, and in which frames. A room knows that its listeners have voices, and of
//! no voice what it says: what happened is put into a voice's words once, for everybody who listens with it.

use std::sync::Arc;

use bytes::Bytes;
use klatch_domain::{RoomId, Seq, UserId};
use klatch_wire::dialects::{Dialect, Door, Happening, Spoken};
use klatch_wire::native::server::{self, Joined};

use crate::outbox::{Delivery, Frame, Item};
use crate::socket::frame;

/// Words and frames of a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Voice {
    /// The words; Klatch's own where there are none.
    dialect: Option<&'static dyn Dialect>,
    carrier: Carrier,
}

/// What carries the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// Text frames of `{"event", "data"}`.
    WebSocket,
    /// Packets of Socket.IO, put together by its library.
    SocketIo,
}

impl Carrier {
    /// What carries those who come in there.
    pub(crate) fn of(door: Door) -> Self {
        match door {
            Door::WebSocket(_) => Carrier::WebSocket,
            Door::Token | Door::Plain | Door::Namespace(_) => Carrier::SocketIo,
        }
    }
}

/// Something to tell, and its native frame where that is there already.
#[derive(Debug)]
pub(crate) struct Telling<'a> {
    happening: Happening<'a>,
    native: Option<Bytes>,
}

/// Something told in one voice.
#[derive(Debug)]
pub(crate) struct Told {
    /// For the outbox of everybody who listens with this voice.
    pub item: Item,
    /// … but for this person.
    pub except: Option<UserId>,
}

impl<'a> Telling<'a> {
    /// To be put into words.
    pub(crate) fn of(happening: Happening<'a>) -> Self {
        Telling { happening, native: None }
    }

    /// With its native frame as it goes over the socket.
    pub(crate) fn framed(happening: Happening<'a>, native: Bytes) -> Self {
        Telling { happening, native: Some(native) }
    }

    /// Its place in the timeline, if it has one.
    pub(crate) fn seq(&self) -> Option<Seq> {
        match &self.happening {
            Happening::Timeline(timeline) => Some(timeline.seq),
            _ => None,
        }
    }
}

impl Voice {
    /// Klatch's own.
    pub(crate) const NATIVE: Voice = Voice { dialect: None, carrier: Carrier::WebSocket };

    /// A dialect over a carrier.
    pub(crate) fn new(dialect: &'static dyn Dialect, carrier: Carrier) -> Self {
        Voice { dialect: Some(dialect), carrier }
    }

    /// What those who listen with this voice hear of it, if anything. `hearer` is one of them.
    pub(crate) fn tell(self, telling: &Telling<'_>, hearer: &UserId) -> Option<Told> {
        let Some(dialect) = self.dialect else {
            let framed = telling.native.clone().unwrap_or_else(|| frame::text(&telling.happening.native()));
            return Some(Told { item: Item::live(Frame::WebSocket(framed)), except: None });
        };
        let spoken = dialect.tell(&telling.happening, hearer)?;
        let except = spoken.except.clone();
        let mut item = Item::live(self.frame(spoken));
        if let (true, Happening::Timeline(timeline)) = (dialect.hears_direct(), &telling.happening) {
            item.delivery = timeline.event().map(|event| Box::new(delivery(event.address().room(), timeline.seq)));
        }
        Some(Told { item, except })
    }

    /// What a session hears when it has come into a room.
    pub(crate) fn joined(self, joined: &Joined) -> Vec<Frame> {
        match self.dialect {
            None => vec![Frame::WebSocket(frame::text(&server::frame("chat.joined", joined)))],
            Some(dialect) => dialect.joined(joined).into_iter().map(|spoken| self.frame(spoken)).collect(),
        }
    }

    /// An event for one session.
    pub(crate) fn frame(self, Spoken { event, data, .. }: Spoken) -> Frame {
        match self.carrier {
            Carrier::SocketIo => Frame::SocketIo(event, Arc::from(data)),
            Carrier::WebSocket => Frame::WebSocket(frame::text(&server::frame(event, &data))),
        }
    }

    /// Whether two sessions are told the same.
    pub(crate) fn is(self, other: Voice) -> bool {
        self.carrier == other.carrier && self.dialect.map(|d| d.name()) == other.dialect.map(|d| d.name())
    }
}

/// A message of a room, to be marked as delivered once it is.
pub(crate) fn delivery(room: &RoomId, seq: Seq) -> Delivery {
    Delivery { room: room.clone(), seq, user: None, turn: None }
}
