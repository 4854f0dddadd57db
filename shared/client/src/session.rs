//! The client without its socket: what comes in is handed over with the time, what is to be done comes out. One
//! loop, in `driver`, performs it.

use std::time::Duration;

use klatch_domain::{Position, RoomId};
use klatch_wire::Code;
use klatch_wire::native::ClientFrame;
use klatch_wire::native::request::{Ping, Request};
use klatch_wire::native::server::{self, Goodbye, Retry, User};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::backoff::full_jitter;
use crate::ending::{Advice, Ending};
use crate::event::{Event, TimelineEvent};
use crate::failure::Failure;
use crate::frame::{Frame, Welcome};
use crate::inbox::Inbox;
use crate::limits::Limits;
use crate::requests::{Answer, Requests};
use crate::rooms::{JoinReply, Out, Rooms};

/// What the client's owner wants.
pub(crate) enum Command {
    /// An answer to a frame with this id.
    Ask { id: String, frame: String, timeout: Duration, reply: oneshot::Sender<Answer> },
    /// A frame to be sent now or never.
    Tell(String),
    /// A room attached.
    Join { room: RoomId, since: Option<Position>, limit: Option<usize>, reply: JoinReply },
    /// A room no longer attached.
    Leave(RoomId),
    /// Where a room stands.
    Position(RoomId, oneshot::Sender<Option<Position>>),
    /// Another token, from the next connection on.
    Token(String),
    /// The end.
    Close,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Open a connection with this token.
    Open(String),
    /// Send this text.
    Send(String),
    /// Close the connection; nothing of it is heard any more.
    Shut,
}

enum State {
    Connecting { until: Instant },
    Waiting { at: Instant },
    Online { since: Instant, heard: Instant, give_up: Option<Instant> },
    Stopped,
}

/// Who waits for the first welcome.
pub(crate) type FirstReply = oneshot::Sender<Result<User, Failure>>;

pub(crate) struct Session {
    state: State,
    limits: Limits,
    retry: Retry,
    rooms: Rooms,
    requests: Requests,
    inbox: Inbox,
    actions: Vec<Action>,
    random: Box<dyn FnMut() -> f64 + Send>,
    token: String,
    /// A token that was refused: the same again is not worth a try.
    refused: Option<String>,
    /// Attempts since the last connection that held.
    attempt: u32,
    goodbye: Option<Goodbye>,
    first: Option<FirstReply>,
    /// Not later than this something is due; earlier than needed is harmless.
    wake_at: Option<Instant>,
}

impl Session {
    /// It begins by connecting.
    pub(crate) fn new(
        limits: Limits,
        token: String,
        inbox: Inbox,
        first: FirstReply,
        random: Box<dyn FnMut() -> f64 + Send>,
        now: Instant,
    ) -> Self {
        let retry = Retry { min_ms: limits.reconnect_ms_min, max_ms: limits.reconnect_ms_max };
        let mut session = Session {
            state: State::Stopped,
            retry,
            rooms: Rooms::new(limits.clone()),
            requests: Requests::new(limits.requests_max),
            limits,
            inbox,
            actions: Vec::new(),
            random,
            token,
            refused: None,
            attempt: 0,
            goodbye: None,
            first: Some(first),
            wake_at: None,
        };
        session.open(now);
        session
    }

    /// What is to be done now, in this order.
    pub(crate) fn actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// When [`Session::tick`] is to be called at the latest.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        self.wake_at
    }

    /// Whether nothing will ever be done again.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Stopped)
    }

    /// Takes what the owner wants.
    pub(crate) fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Ask { id, frame, timeout, reply } => {
                let frame = self.requests.ask(id, frame, timeout, now, reply);
                self.wake_by(now + timeout);
                if let (Some(frame), State::Online { .. }) = (frame, &self.state) {
                    self.actions.push(Action::Send(frame));
                }
            }
            Command::Tell(frame) => {
                if matches!(self.state, State::Online { .. }) {
                    self.actions.push(Action::Send(frame));
                }
            }
            Command::Join { room, since, limit, reply } => {
                self.with_rooms(now, |rooms, out| rooms.join(room, since, limit, reply, out));
                self.wake_by(now + Duration::from_millis(self.limits.request_ms_max));
            }
            Command::Leave(room) => self.with_rooms(now, |rooms, out| rooms.leave(&room, out)),
            Command::Position(room, reply) => {
                let _ = reply.send(self.rooms.position(&room));
            }
            Command::Token(token) => self.token = token,
            Command::Close => self.stop(Failure::Closed("by its owner")),
        }
    }

    /// Takes a sign of life that is no frame.
    pub(crate) fn heard(&mut self, now: Instant) {
        if let State::Online { heard, give_up, .. } = &mut self.state {
            *heard = now;
            *give_up = None;
        }
    }

    /// Takes a text frame.
    pub(crate) fn text(&mut self, text: &str, now: Instant) {
        self.heard(now);
        let Some(frame) = Frame::parse(text) else { return };
        match frame.event.as_str() {
            "chat.welcome" => self.welcome(&frame, now),
            "chat.goodbye" => self.goodbye = frame.read().ok(),
            "ack" => {
                if let Some(id) = &frame.id {
                    self.requests.answer(id, Ok(frame.data.clone()));
                }
            }
            "error" => self.error(&frame, now),
            "chat.joined" => match frame.read() {
                Ok(joined) => self.with_rooms(now, |rooms, out| rooms.joined(joined, out)),
                Err(failure) => self.inbox.push(Event::Failed(failure)),
            },
            _ => self.happened(frame, now),
        }
    }

    /// The connection is over, or never came to be.
    pub(crate) fn ended(&mut self, ending: Ending, now: Instant) {
        if self.is_over() {
            return;
        }
        self.actions.push(Action::Shut);
        self.rooms.disconnected();
        let online = match self.state {
            State::Online { since, .. } => now - since,
            _ => Duration::ZERO,
        };
        let advice = ending.advice();
        if advice == Advice::RenewToken {
            self.refused = Some(self.token.clone());
        }
        if advice == Advice::StayAway {
            self.inbox.push(Event::Stopped(ending.clone()));
            return self.stop(Failure::StayAway(ending));
        }
        if online >= Duration::from_millis(self.limits.steady_ms_min) {
            self.attempt = 0;
        }
        let goodbye = self.goodbye.take().map(|goodbye| Duration::from_millis(goodbye.reconnect_after_ms));
        let not_before = ending.not_before.or(goodbye).unwrap_or_default();
        let retry_in = not_before + full_jitter(self.attempt, self.retry, (self.random)());
        self.attempt = self.attempt.saturating_add(1);
        self.state = State::Waiting { at: now + retry_in };
        self.wake_by(now + retry_in);
        self.inbox.push(Event::Offline { ending, retry_in });
    }

    /// There is space for events again.
    pub(crate) fn space(&mut self, now: Instant) {
        self.with_rooms(now, |rooms, out| rooms.space(out));
        self.wake_by(now + Duration::from_millis(self.limits.request_ms_max));
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Instant) {
        let requests = self.requests.expire(now);
        let mut rooms = None;
        self.with_rooms(now, |all, out| rooms = all.tick(out));
        self.wake_at = [requests, rooms].into_iter().flatten().min();
        match self.state {
            State::Stopped => {}
            State::Waiting { at } if at <= now => self.open(now),
            State::Waiting { at } => self.wake_by(at),
            State::Connecting { until } if until <= now => self.ended(Ending::silent("no welcome in time"), now),
            State::Connecting { until } => self.wake_by(until),
            State::Online { give_up: Some(at), .. } if at <= now => {
                self.ended(Ending::silent("no answer to a ping"), now);
            }
            State::Online { give_up: Some(at), .. } => self.wake_by(at),
            State::Online { heard, .. } => self.watch(heard, now),
        }
    }

    fn open(&mut self, now: Instant) {
        if self.refused.as_ref() == Some(&self.token) {
            let ending = Ending::refused("the token was refused, and there is no other");
            self.inbox.push(Event::Stopped(ending.clone()));
            return self.stop(Failure::StayAway(ending));
        }
        self.goodbye = None;
        let until = now + Duration::from_millis(self.limits.connect_ms_max);
        self.state = State::Connecting { until };
        self.wake_by(until);
        self.actions.push(Action::Open(self.token.clone()));
    }

    fn welcome(&mut self, frame: &Frame, now: Instant) {
        let Ok(welcome) = frame.read::<Welcome>() else {
            return self.ended(Ending::closed(1002, "a welcome that can't be read"), now);
        };
        self.retry = welcome.retry.unwrap_or(self.retry);
        self.state = State::Online { since: now, heard: now, give_up: None };
        self.wake_by(now + Duration::from_millis(self.limits.silence_ms_max));
        if let Some(first) = self.first.take() {
            let _ = first.send(Ok(welcome.user.clone()));
        }
        let (user, session_id) = (welcome.user, welcome.session_id);
        let user_id = user.user_id.clone();
        self.inbox.push(Event::Online { user, session_id });
        // Rooms first: what is asked again right after may need to be attached.
        let retry = self.retry;
        self.with_rooms(now, |rooms, out| rooms.connected(user_id, retry, out));
        self.requests.set_frame_bytes_max(welcome.limits.frame_bytes_max);
        self.actions.extend(self.requests.unanswered().into_iter().map(Action::Send));
        self.wake_by(now + Duration::from_millis(self.limits.request_ms_max));
    }

    fn error(&mut self, frame: &Frame, now: Instant) {
        // A code that a newer server has and we don't know is a failure all the same.
        let failure = frame.read().unwrap_or_else(|_| server::Failure::new(Code::Internal, frame.data.get()));
        let failure = Failure::Refused(failure);
        let Some(id) = &frame.id else { return self.inbox.push(Event::Failed(failure)) };
        if self.requests.answer(id, Err(failure.clone())) {
            return;
        }
        let mut answered = false;
        self.with_rooms(now, |rooms, out| answered = rooms.failed(id, &failure, out));
        self.wake_by(now);
        if !answered {
            self.inbox.push(Event::Failed(failure));
        }
    }

    fn happened(&mut self, frame: Frame, now: Instant) {
        if let (Ok(Some(event)), Some(room)) = (TimelineEvent::from_frame(&frame), frame.room()) {
            return self.with_rooms(now, |rooms, out| rooms.timeline(&room, event, out));
        }
        match Event::from_frame(frame) {
            Event::MemberChanged(changed) => self.with_rooms(now, |rooms, out| rooms.member_changed(changed, out)),
            event => self.inbox.push(event),
        }
    }

    /// Anything heard is a sign of life; after a long silence the server is asked for one.
    fn watch(&mut self, heard_at: Instant, now: Instant) {
        let silent_at = heard_at + Duration::from_millis(self.limits.silence_ms_max);
        if now < silent_at {
            return self.wake_by(silent_at);
        }
        let at = now + Duration::from_millis(self.limits.pong_ms_max);
        if let State::Online { give_up, .. } = &mut self.state {
            *give_up = Some(at);
        }
        self.wake_by(at);
        let id = "still-there".parse().ok();
        self.actions.push(Action::Send(ClientFrame { id, request: Request::Ping(Ping {}) }.encode()));
    }

    fn stop(&mut self, failure: Failure) {
        self.state = State::Stopped;
        self.wake_at = None;
        self.actions.push(Action::Shut);
        self.requests.fail_all(&failure);
        self.rooms.fail_all(&failure);
        if let Some(first) = self.first.take() {
            let _ = first.send(Err(failure));
        }
    }

    fn with_rooms(&mut self, now: Instant, act: impl FnOnce(&mut Rooms, &mut Out<'_>)) {
        let mut frames = Vec::new();
        let random: &mut dyn FnMut() -> f64 = &mut *self.random;
        act(&mut self.rooms, &mut Out { inbox: &self.inbox, frames: &mut frames, random, now });
        if !frames.is_empty() {
            self.wake_by(now + Duration::from_millis(self.limits.request_ms_max));
        }
        self.actions.extend(frames.into_iter().map(Action::Send));
    }

    fn wake_by(&mut self, at: Instant) {
        self.wake_at = Some(self.wake_at.map_or(at, |before| before.min(at)));
    }
}
