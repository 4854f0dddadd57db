//! What else can befall the processes of a [`Cluster`]: they freeze, their network is bad, leaders step down, and somebody
//! writes into the log what nobody can read. The recording is told where that excuses something.

use std::time::Duration;

use futures_util::StreamExt;
use klatch_domain::{Address, RoomId};
use klatch_eventlog::subject;
use klatch_testkit::eventually;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::checker::history::{Observation, Service as Part};
use crate::checker::name::{Person, Room};
use crate::cluster::Cluster;
use crate::link::Weather;
use crate::program::Service;

/// A leader is found again within seconds; under load it was seen to take ten.
const LED_WITHIN: Duration = Duration::from_secs(60);

/// Who can be frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frozen {
    /// An edge.
    Edge(usize),
    /// A projector.
    Projector(usize),
    /// The notifier.
    Notifier,
    /// A server of the broker.
    Node(usize),
}

/// What no fold can read.
pub const POISON: [&[u8]; 4] = [
    b"\xff\xfe\x00 no text at all",
    br#"{"event":"chat.message","v":1,"data":{"roomId":"lobby","mess"#,
    br#"["no object"]"#,
    br#"{"event":"chat.message","v":1,"data":{"roomId":"lobby"}} and more"#,
];

/// A person who connects, joins, asks for more and more and never reads an answer. Dropped, the connection is gone.
#[derive(Debug)]
pub struct Deaf {
    _socket: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>,
}

impl Cluster {
    /// Freezes somebody (SIGSTOP): their sockets stay open and they do nothing.
    pub fn freeze(&self, who: Frozen) {
        self.recorder.note(Observation::Hindered { service: self.part(who) });
        match who {
            Frozen::Node(node) => self.broker.node(node).pause(),
            _ => self.service(who).iter().for_each(|service| service.pause()),
        }
    }

    /// Lets them go on.
    pub fn thaw(&self, who: Frozen) {
        match who {
            Frozen::Node(node) => self.broker.node(node).resume(),
            _ => self.service(who).iter().for_each(|service| service.resume()),
        }
        self.recorder.note(Observation::Freed { service: self.part(who) });
    }

    fn service(&self, who: Frozen) -> Option<&Service> {
        match who {
            Frozen::Edge(edge) => self.edges[edge].as_ref(),
            Frozen::Projector(number) => self.projectors[number].as_ref(),
            Frozen::Notifier => self.notifier.as_ref(),
            Frozen::Node(_) => None,
        }
    }

    fn part(&self, who: Frozen) -> Part {
        match who {
            Frozen::Edge(edge) => Part::Edge(self.doors.door(edge).edge),
            Frozen::Projector(number) => Part::Projector(self.projector_name(number)),
            Frozen::Notifier => Part::Notifier,
            Frozen::Node(_) => Part::Broker,
        }
    }

    /// Changes the weather between an edge and the whole broker. Needs [`linked`](crate::cluster::Builder::linked).
    pub fn turn_weather(&self, edge: usize, weather: Weather) {
        let service = self.part(Frozen::Edge(edge));
        if weather != Weather::Clear {
            self.recorder.note(Observation::Hindered { service: service.clone() });
        }
        self.links[edge].iter().for_each(|link| link.turn(weather));
        if weather == Weather::Clear {
            self.recorder.note(Observation::Freed { service });
        }
    }

    /// The leader of a stream steps down; returns when there is one again. On a single server nothing happens.
    pub async fn step_down(&self, stream: &str) {
        if self.broker.size() == 1 {
            return;
        }
        self.recorder.note(Observation::Hindered { service: Part::Broker });
        eventually(LED_WITHIN, &format!("the leader of {stream} to step down"), || self.broker.step_down(stream)).await;
        eventually(LED_WITHIN, &format!("{stream} to be led"), || async {
            self.broker.leader_of(stream).await.ok_or("nobody")
        })
        .await;
        self.recorder.note(Observation::Freed { service: Part::Broker });
    }

    /// Writes into a room's timeline what no fold can read, past every service.
    ///
    /// # Panics
    /// When it isn't acknowledged.
    pub async fn poison(&self, room: &Room, poison: &'static [u8]) {
        let room = RoomId::parse(&room.0).expect("a room of these tests has an id");
        let subject = subject::event(&Address::Timeline(room));
        eventually(LED_WITHIN, "poison to be stored", || async {
            let context = async_nats::jetstream::new(self.broker.client().await);
            let sent = context.publish(subject.clone(), poison.into()).await.map_err(|error| error.to_string())?;
            sent.await.map_err(|error| error.to_string())
        })
        .await;
    }

    /// Waits until the (first) projector's log has these words.
    pub async fn until_projector_says(&self, words: &str, bound: Duration) {
        let log = self.folder().join("projector-0.log");
        eventually(bound, &format!("the projector to say {words:?}"), || async {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            let last = said.lines().last().unwrap_or_default().to_owned();
            if said.contains(words) { Ok(()) } else { Err(last) }
        })
        .await;
    }

    /// Somebody who asks for page after page of a room through an edge, and reads nothing.
    pub async fn deaf(&self, edge: usize, person: &str, room: &Room) -> Result<Deaf, String> {
        use futures_util::SinkExt;
        use tokio_tungstenite::tungstenite::Message;

        const QUESTIONS: usize = 200;
        let token = self.doors.token(&Person::from(person)).await;
        let url = format!("ws://{}/chat/ws", self.doors.door(edge).address);
        let mut request = url.into_client_request().map_err(|error| error.to_string())?;
        let bearer = format!("Bearer {token}").parse().map_err(|_| "a token that is no header".to_owned())?;
        request.headers_mut().insert("authorization", bearer);
        let connecting = tokio_tungstenite::connect_async(request);
        let (mut socket, _) = connecting.await.map_err(|error| error.to_string())?;
        socket.next().await.ok_or("no welcome")?.map_err(|error| error.to_string())?;
        let join = serde_json::json!({"event": "chat.join", "id": "join", "data": {"roomId": room}}).to_string();
        socket.send(Message::text(join)).await.map_err(|error| error.to_string())?;
        for number in 0..QUESTIONS {
            let data = serde_json::json!({"roomId": room, "limit": 200});
            let page = serde_json::json!({"event": "chat.history", "id": format!("q{number}"), "data": data});
            // The edge may stop reading from somebody who reads nothing: then that is enough.
            let sending = socket.send(Message::text(page.to_string()));
            if tokio::time::timeout(Duration::from_millis(100), sending).await.is_err() {
                break;
            }
        }
        Ok(Deaf { _socket: socket })
    }
}
