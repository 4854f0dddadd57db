//! One connection of a person, whose every word goes into the recording: over a WebSocket, or over whatever else hands
//! frames to an edge and back.
//!
//! It is deliberately simple-minded: no retry, no resume, no sorting, no dropping of repeats, so that the recording shows
//! what the server really sent, in the order of the wire. Whoever wants those things builds them on top
//! ([`talker`](crate::talker)).

mod answer;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use klatch_testkit::eventually;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::checker::Recorder;
use crate::checker::history::{Answer, Command, Deed, Frame, Joined, Observation, Position, Which};
use crate::checker::name::{CallId, Edge, Key, MessageId, Person, Room, Seq, Session};
use answer::{read_answer, read_frame, read_joined};

/// So long an answer is waited for before it counts as unclear.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// So long a connection may take until its welcome.
const WELCOME_WITHIN: Duration = Duration::from_secs(10);
/// A page of history must come within this time.
const WALK_MAX: Duration = Duration::from_secs(30);
/// So much of what is no frame is kept.
const GARBLED_CHARS_KEPT: usize = 200;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// An edge to connect to.
#[derive(Debug, Clone)]
pub struct Door {
    /// Its name, fresh for each start.
    pub edge: Edge,
    /// Where it listens, as `address:port`.
    pub address: String,
}

/// A connection. Dropping it closes it without a goodbye.
#[derive(Debug)]
pub struct Device {
    shared: Arc<Shared>,
    sink: Sink,
    reader: tokio::task::JoinHandle<()>,
}

/// Where its words go.
#[derive(Debug)]
enum Sink {
    Socket(Box<tokio::sync::Mutex<SplitSink<Socket, Message>>>),
    Line(mpsc::UnboundedSender<String>),
}

impl Sink {
    /// A broken connection shows by the reader's end, which answers everything.
    async fn send(&self, text: String) {
        match self {
            Sink::Socket(socket) => drop(socket.lock().await.send(Message::text(text)).await),
            Sink::Line(line) => drop(line.send(text)),
        }
    }
}

#[derive(Debug)]
struct Shared {
    recorder: Recorder,
    session: Session,
    person: Person,
    ids: AtomicU64,
    /// Held while a frame is noted, and while the end is: nothing is noted after the end.
    turn: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<String, Waiting>,
    places: HashMap<Room, Position>,
    closed: bool,
    close_code: Option<u16>,
    put_off: Option<String>,
}

/// A request without its answer.
#[derive(Debug)]
struct Waiting {
    call: CallId,
    command: Command,
    answer: oneshot::Sender<Answer>,
}

impl Device {
    /// Connects as `person`, and waits for the welcome. Fails in words when the edge doesn't take it.
    pub async fn connect(recorder: &Recorder, door: &Door, person: &Person, token: &str) -> Result<Self, String> {
        let connecting = tokio::time::timeout(WELCOME_WITHIN, open(door, token));
        let (sink, mut stream) = connecting.await.map_err(|_| "no welcome in time".to_owned())??;
        let shared = Shared::opened(recorder, person, &door.edge);
        let reading = Arc::clone(&shared);
        let reader = tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                match message {
                    Message::Text(text) => reading.hear(&text),
                    Message::Close(close) => {
                        reading.state().close_code = close.map(|close| close.code.into());
                    }
                    _ => {}
                }
            }
            reading.end();
        });
        let sink = Sink::Socket(Box::new(tokio::sync::Mutex::new(sink)));
        Ok(Self { shared, sink, reader })
    }

    /// A connection to an edge that is there already: what is said goes into `say`, what the edge says comes out of
    /// `hear`, until that ends.
    pub fn over(
        recorder: &Recorder,
        edge: &Edge,
        person: &Person,
        say: mpsc::UnboundedSender<String>,
        mut hear: mpsc::Receiver<String>,
    ) -> Self {
        let shared = Shared::opened(recorder, person, edge);
        let reading = Arc::clone(&shared);
        let reader = tokio::spawn(async move {
            while let Some(text) = hear.recv().await {
                reading.hear(&text);
            }
            reading.end();
        });
        Self { shared, sink: Sink::Line(say), reader }
    }

    /// Whose it is.
    pub fn person(&self) -> &Person {
        &self.shared.person
    }

    /// Whether the connection ended.
    pub fn is_closed(&self) -> bool {
        self.shared.state().closed
    }

    /// The close code that the server gave, if it has.
    pub fn close_code(&self) -> Option<u16> {
        self.shared.state().close_code
    }

    /// The code of the last retryable error that came: what stands behind an [`Answer::Unclear`] while the connection lasts.
    pub fn put_off(&self) -> Option<String> {
        self.shared.state().put_off.clone()
    }

    /// The last position in the room's timeline that it was given.
    pub fn place(&self, room: &Room) -> Option<Position> {
        self.shared.state().places.get(room).cloned()
    }

    /// Waits until it was given the room's timeline up to `seq`.
    pub async fn until_reached(&self, room: &Room, seq: Seq, bound: Duration) {
        let what = format!("{} to be given {seq} of {room}", self.person());
        eventually(bound, &what, || async {
            match self.place(room) {
                Some(place) if place.seq >= seq => Ok(()),
                place => Err(format!("{place:?}, closed: {}", self.is_closed())),
            }
        })
        .await;
    }

    /// Attaches, from `since` on if there is one.
    pub async fn join(&self, room: &Room, since: Option<Position>) -> Answer {
        let data = match &since {
            Some(since) => json!({"roomId": room, "since": since}),
            None => json!({"roomId": room}),
        };
        self.ask("chat.join", data, Command::Join { room: room.clone(), since }).await
    }

    /// Attaches, and fails the test if that is refused.
    pub async fn joined(&self, room: &Room, since: Option<Position>) -> Joined {
        match self.join(room, since).await {
            Answer::Joined(joined) => joined,
            other => panic!("{} can't join {room}: {other:?}", self.person()),
        }
    }

    /// Detaches.
    pub async fn leave(&self, room: &Room) -> Answer {
        self.ask("chat.leave", json!({"roomId": room}), Command::Leave { room: room.clone() }).await
    }

    /// Stops being a member.
    pub async fn exit(&self, room: &Room) -> Answer {
        self.ask("chat.exit", json!({"roomId": room}), Command::Exit { room: room.clone() }).await
    }

    /// Says something under a key of its own.
    pub async fn send(&self, room: &Room, key: &Key, text: &str) -> Answer {
        let (room, key, text) = (room.clone(), key.clone(), text.to_owned());
        let data = json!({"roomId": room, "message": text});
        let id = key.0.clone();
        self.ask_as(id, "chat.message", data, Command::Send { room, key, text }).await
    }

    /// Says something, and fails the test if it is not acknowledged.
    pub async fn say(&self, room: &Room, text: &str) -> (MessageId, Position) {
        let key = Key(format!("{}-{}", self.shared.session.0, self.shared.number()));
        match self.send(room, &key, text).await {
            Answer::Stored { message: Some(message), at } => (message, at),
            other => panic!("{} can't send {text:?}: {other:?}", self.person()),
        }
    }

    /// Changes what was said at `seq`.
    pub async fn edit(&self, room: &Room, message: &MessageId, seq: Seq, text: &str) -> Answer {
        let data = json!({"roomId": room, "messageId": message, "seq": seq, "message": text});
        let command = Command::Edit { room: room.clone(), message: message.clone(), text: text.to_owned() };
        self.ask("chat.edit", data, command).await
    }

    /// Takes away what was said at `seq`.
    pub async fn delete(&self, room: &Room, message: &MessageId, seq: Seq) -> Answer {
        let data = json!({"roomId": room, "messageId": message, "seq": seq});
        self.ask("chat.delete", data, Command::Delete { room: room.clone(), message: message.clone() }).await
    }

    /// Makes a room. `rules` are further fields of the request: type, participants, settings.
    pub async fn create(&self, room: &Room, mut rules: Value) -> Answer {
        rules["roomId"] = json!(room);
        let command = Command::Govern { room: room.clone(), deed: Deed::Create, target: None };
        self.ask("chat.createRoom", rules, command).await
    }

    /// Does something to somebody.
    pub async fn govern(&self, room: &Room, deed: Deed, target: &Person) -> Answer {
        let event = match deed {
            Deed::Invite => "chat.invite",
            Deed::Kick => "chat.kick",
            Deed::Ban => "chat.ban",
            Deed::Unban => "chat.unban",
            Deed::Mute => "chat.mute",
            Deed::Role | Deed::Create | Deed::Update | Deed::Archive => {
                panic!("{deed:?} needs more than a person")
            }
        };
        let command = Command::Govern { room: room.clone(), deed, target: Some(target.clone()) };
        self.ask(event, json!({"roomId": room, "userId": target}), command).await
    }

    /// Moves the read mark.
    pub async fn read(&self, room: &Room, seq: Seq) -> Answer {
        let command = Command::Read { room: room.clone(), seq };
        self.ask("chat.read", json!({"roomId": room, "seq": seq}), command).await
    }

    /// A page of history.
    pub async fn page(&self, room: &Room, which: Which, limit: usize) -> Answer {
        let mut data = json!({"roomId": room, "limit": limit});
        match which {
            Which::Newest => {}
            Which::Before(seq) => data["before"] = json!(seq),
            Which::After(seq) => data["after"] = json!(seq),
            Which::Around(seq) => data["around"] = json!(seq),
        }
        self.ask("chat.history", data, Command::Page { room: room.clone(), which }).await
    }

    /// The whole history, page by page from the beginning. Fails the test if a page is refused.
    pub async fn walk(&self, room: &Room) -> Vec<Frame> {
        let mut all: Vec<Frame> = Vec::new();
        loop {
            let after = all.last().map_or(Seq(0), |item| item.seq);
            // `unavailable` is retryable: a projector that was just started says so. A connection that ends is no such thing.
            let page = eventually(WALK_MAX, "the views to answer", || async {
                let answer = self.page(room, Which::After(after), 200).await;
                assert!(!self.is_closed(), "{} was closed ({:?}) while it read", self.person(), self.close_code());
                match answer {
                    Answer::Unclear => Err("a retryable error, or none in time"),
                    answer => Ok(answer),
                }
            });
            match page.await {
                Answer::Page { items, more, .. } => {
                    all.extend(items);
                    if !more {
                        return all;
                    }
                }
                other => panic!("{} can't read {room} after {after}: {other:?}", self.person()),
            }
        }
    }

    /// The own rooms.
    pub async fn rooms(&self) -> Answer {
        self.ask("chat.rooms", json!({}), Command::Rooms).await
    }

    /// The members of a room.
    pub async fn members(&self, room: &Room) -> Answer {
        self.ask("chat.members", json!({"roomId": room}), Command::Members { room: room.clone() }).await
    }

    /// Who is attached.
    pub async fn presence(&self, room: &Room) -> Answer {
        self.ask("chat.presence", json!({"roomId": room}), Command::Presence { room: room.clone() }).await
    }

    /// Ends the connection.
    pub async fn close(self) {
        if let Sink::Socket(socket) = &self.sink {
            // Whether the server still hears the goodbye makes no difference here.
            let _ = socket.lock().await.close().await;
        }
    }

    async fn ask(&self, event: &str, data: Value, command: Command) -> Answer {
        let id = format!("q{}", self.shared.number());
        self.ask_as(id, event, data, command).await
    }

    async fn ask_as(&self, id: String, event: &str, data: Value, command: Command) -> Answer {
        let call = self.shared.recorder.ask(self.shared.session, command.clone());
        let (answer, answered) = oneshot::channel();
        let ended = {
            let mut state = self.shared.state();
            if !state.closed {
                state.waiting.insert(id.clone(), Waiting { call, command, answer });
            }
            state.closed
        };
        if ended {
            self.shared.recorder.answer(call, Answer::Unclear);
            return Answer::Unclear;
        }
        let frame = json!({"event": event, "id": id, "data": data}).to_string();
        self.sink.send(frame).await;
        match tokio::time::timeout(ANSWER_WITHIN, answered).await {
            Ok(Ok(answer)) => answer,
            _ => {
                if let Some(waiting) = self.shared.state().waiting.remove(&id) {
                    self.shared.recorder.answer(waiting.call, Answer::Unclear);
                }
                Answer::Unclear
            }
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.reader.abort();
        self.shared.end();
    }
}

impl Shared {
    fn opened(recorder: &Recorder, person: &Person, edge: &Edge) -> Arc<Self> {
        let session = recorder.open(person, edge);
        Arc::new(Shared {
            recorder: recorder.clone(),
            session,
            person: person.clone(),
            ids: AtomicU64::new(1),
            turn: Mutex::default(),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// One frame of the server. Noted here, in the reading task: so the recording has the order of the wire.
    fn hear(&self, text: &str) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.state().closed {
            return;
        }
        let Ok(frame) = serde_json::from_str::<Value>(text) else {
            let text = text.chars().take(GARBLED_CHARS_KEPT).collect();
            self.recorder.note(Observation::Garbled { session: self.session, text });
            return;
        };
        let event = frame["event"].as_str().unwrap_or_default();
        let room = frame["data"]["roomId"].as_str().map(Room::from);
        match (event, room) {
            ("ack" | "error", _) => self.answered(&frame),
            ("chat.joined", Some(room)) => self.attached(&room, &frame["data"]),
            (_, Some(room)) if frame["seq"].is_u64() => {
                let frame = read_frame(&frame);
                let (seq, in_timeline) = (frame.seq, frame.prev.is_some());
                self.recorder.note(Observation::Live { session: self.session, room: room.clone(), frame });
                // Noted first: whoever waits for the place may judge the recording at once.
                if let (true, Some(place)) = (in_timeline, self.state().places.get_mut(&room)) {
                    place.seq = seq;
                }
            }
            (_, Some(room)) => {
                let (session, event) = (self.session, event.to_owned());
                let person = frame["data"]["userId"].as_str().map(Person::from);
                self.recorder.note(Observation::Heard { session, room, event, person });
            }
            _ => {}
        }
    }

    fn answered(&self, frame: &Value) {
        let Some(waiting) = frame["id"].as_str().and_then(|id| self.state().waiting.remove(id)) else { return };
        let answer = match frame["event"].as_str() {
            Some("ack") => read_answer(&waiting.command, &frame["data"]),
            _ if frame["data"]["retryable"] == true => {
                self.state().put_off = frame["data"]["code"].as_str().map(str::to_owned);
                Answer::Unclear
            }
            _ => Answer::Refused { code: frame["data"]["code"].as_str().unwrap_or_default().to_owned() },
        };
        // A join's answer is the `chat.joined` that came before its ack.
        self.recorder.answer(waiting.call, answer.clone());
        let _ = waiting.answer.send(answer);
    }

    fn attached(&self, room: &Room, data: &Value) {
        let joined = read_joined(data);
        let mut state = self.state();
        let asked = state.waiting.iter().find_map(|(id, waiting)| match &waiting.command {
            Command::Join { room: asked, .. } if asked == room => Some(id.clone()),
            _ => None,
        });
        let Some(waiting) = asked.and_then(|id| state.waiting.remove(&id)) else { return };
        state.places.insert(room.clone(), joined.at.clone());
        drop(state);
        let answer = Answer::Joined(joined);
        self.recorder.answer(waiting.call, answer.clone());
        let _ = waiting.answer.send(answer);
    }

    /// The connection is over: nothing more will be answered.
    fn end(&self) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        if std::mem::replace(&mut state.closed, true) {
            return;
        }
        let waiting: Vec<Waiting> = state.waiting.drain().map(|(_, waiting)| waiting).collect();
        drop(state);
        for waiting in waiting {
            self.recorder.answer(waiting.call, Answer::Unclear);
            let _ = waiting.answer.send(Answer::Unclear);
        }
        self.recorder.note(Observation::Closed { session: self.session });
    }
}

async fn open(door: &Door, token: &str) -> Result<(SplitSink<Socket, Message>, SplitStream<Socket>), String> {
    let url = format!("ws://{}/chat/ws", door.address);
    let mut request = url.into_client_request().map_err(|error| error.to_string())?;
    let bearer = format!("Bearer {token}").parse().map_err(|_| "a token that is no header".to_owned())?;
    request.headers_mut().insert("authorization", bearer);
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let connecting = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
    let (socket, _) = connecting.await.map_err(|error| error.to_string())?;
    let (sink, mut stream) = socket.split();
    match stream.next().await {
        Some(Ok(Message::Text(text))) if text.contains("\"chat.welcome\"") => Ok((sink, stream)),
        other => Err(format!("no welcome but {other:?}")),
    }
}
