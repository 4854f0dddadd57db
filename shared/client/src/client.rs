//! The client as its owner sees it: a handle to hand around; all of its clones are one client.

use std::sync::Arc;
use std::time::Duration;

use klatch_domain::{ClientId, Epoch, MessageId, MessageType, Position, RoomId, Seq};
use klatch_wire::native::ClientFrame;
use klatch_wire::native::request::{AboutMessage, Auth, Edit, History, Mark, Message, Request, Typing};
use klatch_wire::native::server::{Joined, Stored, User};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::builder::Builder;
use crate::event::TimelineEvent;
use crate::failure::Failure;
use crate::inbox::Events;
use crate::limits::Limits;
use crate::outbox::Outbox;
use crate::requests::Answer;
use crate::session::Command;

const GONE: Failure = Failure::Closed("the connection's task ended");

/// A client: one connection at a time, kept up until it is closed or its last clone is dropped.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    events: Events,
    user: User,
    limits: Limits,
    outbox: Arc<Outbox>,
}

/// A page of a room's history.
#[derive(Debug)]
pub struct HistoryPage {
    /// Oldest first, in their present state.
    pub items: Vec<TimelineEvent>,
    /// Whether there is more in the direction of paging.
    pub more: bool,
    /// Everything up to here is in reach of the page.
    pub position: Position,
}

/// Which items of a room's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The newest.
    Newest,
    /// The newest before this sequence.
    Before(Seq),
    /// The oldest after this sequence.
    After(Seq),
    /// Those around this sequence, itself included.
    Around(Seq),
}

impl Client {
    /// A client for this address: `ws://127.0.0.1:5004/chat/ws`.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder::new(url)
    }

    pub(crate) fn new(commands: mpsc::Sender<Command>, events: Events, user: User, limits: Limits) -> Self {
        let outbox = Arc::new(Outbox::new(&limits));
        Client { commands, events, user, limits, outbox }
    }

    /// Whom the token named.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// What the client hears. All of these handles share one queue: each event goes to one of them.
    pub fn events(&self) -> Events {
        self.events.clone()
    }

    /// Attaches to a room, through every reconnect, until [`Client::leave`]. With `since`, from that position on, if
    /// the server still can: [`Event::Resumed`](crate::Event::Resumed) or [`Event::Reset`](crate::Event::Reset) says
    /// whether it could.
    ///
    /// Returns once the room is attached, or once the server has refused for good.
    pub async fn join(&self, room: &RoomId, since: Option<Position>) -> Result<Joined, Failure> {
        self.join_with_limit(room, since, None).await
    }

    /// [`Client::join`], with a newest page of at most `limit` items.
    pub async fn join_with_limit(
        &self,
        room: &RoomId,
        since: Option<Position>,
        limit: Option<usize>,
    ) -> Result<Joined, Failure> {
        let (reply, joined) = oneshot::channel();
        self.command(Command::Join { room: room.clone(), since, limit, reply }).await?;
        joined.await.map_err(|_| GONE)?
    }

    /// Detaches from a room; one stays its member.
    pub async fn leave(&self, room: &RoomId) -> Result<(), Failure> {
        self.command(Command::Leave(room.clone())).await
    }

    /// Up to where a room's events were handed out: what a later `since` wants. None where it is not attached.
    pub async fn position(&self, room: &RoomId) -> Option<Position> {
        let (reply, position) = oneshot::channel();
        self.command(Command::Position(room.clone(), reply)).await.ok()?;
        position.await.ok()?
    }

    /// Says something. It is stored once, however often it had to be sent, and after what was said to this room
    /// before through this client.
    ///
    /// Returns once it is stored, or once more tries would not change the answer; until
    /// [`Limits::send_ms_max`]. Who drops the future before doesn't know whether it was stored.
    pub async fn send(&self, room: &RoomId, text: impl Into<String>) -> Result<Stored, Failure> {
        let message = Message {
            room_id: room.clone(),
            message: text.into(),
            message_type: MessageType::Text,
            reply_to: None,
            attachments: Vec::new(),
            mentions: Vec::new(),
            username: None,
        };
        self.send_as(&fresh_id(), message).await
    }

    /// [`Client::send`] for any message, under an id of one's own: the same id and message again, even from another
    /// client of the same person, is no second message.
    pub async fn send_as(&self, id: &ClientId, message: Message) -> Result<Stored, Failure> {
        let room = message.room_id.clone();
        let request = Request::Message(message);
        self.outbox.send(&room, || self.request_as(id, &request)).await
    }

    /// Changes what one has said.
    pub async fn edit(
        &self,
        room: &RoomId,
        message: &MessageId,
        seq: Seq,
        text: impl Into<String>,
    ) -> Result<Stored, Failure> {
        let (room_id, message_id) = (room.clone(), message.clone());
        self.request(Request::Edit(Edit { room_id, message_id, seq, message: text.into() })).await
    }

    /// Takes away what was said.
    pub async fn delete(&self, room: &RoomId, message: &MessageId, seq: Seq) -> Result<Stored, Failure> {
        let (room_id, message_id) = (room.clone(), message.clone());
        self.request(Request::Delete(AboutMessage { room_id, message_id, seq })).await
    }

    /// A page of a room's history. It needs no attaching.
    pub async fn history(&self, room: &RoomId, window: Window, limit: usize) -> Result<HistoryPage, Failure> {
        #[derive(Deserialize)]
        struct Page {
            events: Vec<Box<RawValue>>,
            more: bool,
            epoch: Epoch,
            seq: Seq,
        }
        let mut history =
            History { room_id: room.clone(), before: None, after: None, around: None, limit: Some(limit) };
        match window {
            Window::Newest => {}
            Window::Before(seq) => history.before = Some(seq),
            Window::After(seq) => history.after = Some(seq),
            Window::Around(seq) => history.around = Some(seq),
        }
        let Page { events, more, epoch, seq } = self.request(Request::History(history)).await?;
        let items = events.iter().map(|item| TimelineEvent::parse(item)).collect::<Result<_, _>>()?;
        Ok(HistoryPage { items, more, position: Position { epoch, seq } })
    }

    /// Marks a room as read up to this sequence.
    pub async fn read(&self, room: &RoomId, seq: Seq) -> Result<(), Failure> {
        self.ask(&fresh_id(), &Request::Read(Mark { room_id: room.clone(), seq })).await.map(drop)
    }

    /// Tells the room that one types, or has stopped. Only now or never: nothing is kept for later.
    pub async fn typing(&self, room: &RoomId, is_typing: bool) -> Result<(), Failure> {
        let request = Request::Typing(Typing { room_id: room.clone(), is_typing, username: None });
        self.command(Command::Tell(ClientFrame { id: None, request }.encode())).await
    }

    /// Asks for anything else and waits for the data of its acknowledgement, through reconnects.
    pub async fn request<T: DeserializeOwned>(&self, request: Request) -> Result<T, Failure> {
        self.request_as(&fresh_id(), &request).await
    }

    /// [`Client::request`] under an id of one's own. Many may be under way at once; they are sent in the order in
    /// which they were handed over.
    pub async fn request_as<T: DeserializeOwned>(&self, id: &ClientId, request: &Request) -> Result<T, Failure> {
        let data = self.ask(id, request).await?;
        serde_json::from_str(data.get()).map_err(|why| Failure::Unreadable(format!("{}: {why}", request.event())))
    }

    /// Renews the token: on the open connection, and for those to come.
    pub async fn renew_token(&self, token: impl Into<String>) -> Result<(), Failure> {
        let token = token.into();
        self.command(Command::Token(token.clone())).await?;
        self.ask(&fresh_id(), &Request::Auth(Auth { token })).await.map(drop)
    }

    /// Ends it, for all clones: what waits for an answer fails, and the events come to their end.
    pub async fn close(&self) {
        let _ = self.command(Command::Close).await;
        // Ends when the task has dropped its end: everything is over then.
        self.commands.closed().await;
    }

    async fn ask(&self, id: &ClientId, request: &Request) -> Answer {
        let frame = ClientFrame { id: Some(id.clone()), request: request.clone() }.encode();
        let (reply, answer) = oneshot::channel();
        let timeout = Duration::from_millis(self.limits.request_ms_max);
        self.command(Command::Ask { id: id.to_string(), frame, timeout, reply }).await?;
        answer.await.map_err(|_| GONE)?
    }

    async fn command(&self, command: Command) -> Result<(), Failure> {
        self.commands.send(command).await.map_err(|_| GONE)
    }
}

fn fresh_id() -> ClientId {
    ClientId::unique(Uuid::now_v7())
}
