//! Without sockets, where time matters.

use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::ending::Ending;
use crate::event::Event;
use crate::failure::Failure;
use crate::inbox::{Events, Inbox};
use crate::limits::Limits;
use crate::requests::Answer;
use crate::session::{Action, Command, Session};
use klatch_wire::native::server::User;

struct Stage {
    session: Session,
    events: Events,
    first: oneshot::Receiver<Result<User, Failure>>,
    now: Instant,
}

impl Stage {
    /// It was told to open, and waits for its welcome. The jitter is always all of its bound.
    fn set() -> Self {
        let limits = Limits::default();
        let (inbox, events) = Inbox::new(limits.events_max);
        let (reply, first) = oneshot::channel();
        let now = Instant::now();
        let mut session = Session::new(limits, "token".into(), inbox, reply, Box::new(|| 1.0), now);
        assert_eq!(session.actions(), [Action::Open("token".into())]);
        Stage { session, events, first, now }
    }

    fn online() -> Self {
        let mut stage = Stage::set();
        stage.welcome();
        stage
    }

    fn welcome(&mut self) {
        let welcome = json!({"event": "chat.welcome", "data": {
            "sessionId": "s", "user": {"userId": "ada", "username": "Ada"}, "retry": {"minMs": 100, "maxMs": 1000},
        }});
        self.session.text(&welcome.to_string(), self.now);
    }

    fn goodbye(&mut self, reconnect_after_ms: u64) {
        let data = json!({"reason": "going", "reconnectAfterMs": reconnect_after_ms, "resume": true});
        self.session.text(&json!({"event": "chat.goodbye", "data": data}).to_string(), self.now);
    }

    /// Lets so much time pass, waking the session whenever it wants.
    fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(at) = self.session.wake_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.session.tick(self.now);
        }
        self.now = end;
    }

    fn ask(&mut self, id: &str, timeout_ms: u64) -> oneshot::Receiver<Answer> {
        let (reply, answer) = oneshot::channel();
        let timeout = Duration::from_millis(timeout_ms);
        self.session.command(Command::Ask { id: id.into(), frame: id.into(), timeout, reply }, self.now);
        answer
    }

    fn ends(&mut self, code: u16) {
        self.session.ended(Ending::closed(code, "test"), self.now);
        let actions = self.session.actions();
        assert_eq!(actions, [Action::Shut]);
    }

    fn opens(&mut self) -> bool {
        self.session.actions().iter().any(|action| matches!(action, Action::Open(_)))
    }
}

#[test]
fn each_failed_attempt_doubles_the_wait_and_a_goodbye_says_when_at_the_earliest() {
    let mut stage = Stage::online();
    stage.session.actions();
    for wait_ms in [100, 200, 400, 800, 1000, 1000] {
        stage.ends(1006);
        stage.pass(wait_ms - 1);
        assert!(!stage.opens(), "{wait_ms}");
        stage.pass(1);
        assert!(stage.opens(), "{wait_ms}");
    }
    stage.welcome();
    stage.pass(Limits::default().steady_ms_min);
    stage.goodbye(5_000);
    stage.session.actions();
    stage.ends(4000);
    stage.pass(5_099);
    assert!(!stage.opens());
    stage.pass(1);
    assert!(stage.opens(), "a connection that held makes the count start anew");
}

#[test]
fn a_refused_token_is_not_tried_twice_but_another_one_is() {
    let mut stage = Stage::online();
    stage.session.actions();
    stage.ends(4101);
    stage.pass(100);
    assert!(stage.session.is_over());
    let mut stage = Stage::online();
    stage.session.actions();
    stage.ends(4101);
    stage.session.command(Command::Token("newer".into()), stage.now);
    stage.pass(100);
    assert!(stage.session.actions().contains(&Action::Open("newer".into())));
}

#[test]
fn a_silent_server_is_asked_and_then_given_up() {
    let limits = Limits::default();
    let mut stage = Stage::online();
    stage.session.actions();
    stage.pass(limits.silence_ms_max);
    let asked = stage.session.actions();
    assert!(matches!(&asked[..], [Action::Send(ping)] if ping.contains("chat.ping")), "{asked:?}");
    stage.session.heard(stage.now);
    stage.pass(limits.pong_ms_max);
    assert!(stage.session.actions().is_empty(), "it answered");
    stage.pass(limits.silence_ms_max);
    assert!(matches!(&stage.session.actions()[..], [Action::Send(_), Action::Shut, ..]));
}

#[test]
fn no_welcome_in_time_is_no_connection() {
    let mut stage = Stage::set();
    stage.pass(Limits::default().connect_ms_max);
    assert_eq!(stage.session.actions().first(), Some(&Action::Shut));
    assert!(matches!(stage.events.try_next(), Some(Event::Offline { .. })));
    assert!(stage.first.try_recv().is_err(), "who waits for the first welcome goes on waiting");
}

#[test]
fn a_request_has_its_time_over_reconnects_and_goes_out_again_in_its_order() {
    let mut stage = Stage::online();
    stage.session.actions();
    let mut answers: Vec<_> = ["one", "two", "three"].map(|id| stage.ask(id, 10_000)).into();
    let sent = ["one", "two", "three"].map(|id| Action::Send(id.into()));
    assert_eq!(stage.session.actions(), sent);
    let ack = json!({"event": "ack", "id": "two", "data": {"n": 2}}).to_string();
    stage.session.text(&ack, stage.now);
    assert_eq!(answers[1].try_recv().unwrap().unwrap().get(), r#"{"n":2}"#);
    stage.ends(1006);
    stage.pass(100);
    assert!(stage.opens());
    stage.welcome();
    assert_eq!(stage.session.actions(), [sent[0].clone(), sent[2].clone()]);
    stage.pass(9_899);
    assert!(answers[0].try_recv().is_err());
    stage.pass(1);
    assert!(matches!(answers[0].try_recv(), Ok(Err(Failure::Timeout(10_000)))));
    stage.session.text(&json!({"event": "ack", "id": "one", "data": {}}).to_string(), stage.now);
}

#[test]
fn what_it_does_not_know_it_leaves_alone() {
    let mut stage = Stage::online();
    let taken: Vec<Event> = std::iter::from_fn(|| stage.events.try_next()).collect();
    assert!(matches!(taken[..], [Event::Online { .. }]));
    for text in ["", "nonsense", "[]", r#"{"event":"ack"}"#, r#"{"event":"ack","id":"x","data":{}}"#] {
        stage.session.text(text, stage.now);
        assert!(stage.events.try_next().is_none(), "{text}");
    }
    stage.session.text(r#"{"event":"chat.brandNew","data":{"roomId":"r"}}"#, stage.now);
    assert!(matches!(stage.events.try_next(), Some(Event::Other(frame)) if frame.event == "chat.brandNew"));
    stage.session.text(r#"{"event":"error","data":{"code":"brand_new"}}"#, stage.now);
    assert!(matches!(stage.events.try_next(), Some(Event::Failed(_))));
}
