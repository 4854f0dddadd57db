//! A client that speaks a dialect: which one, who it is, and what becomes of each of its events.
//!
//! Several dialects may be spoken at the door where a client comes in; it is the first one's client until it uses an event of
//! another. Events are worked on one after the other; each is answered in the dialect's words and, where the client asked
//! for one, by an acknowledgement.

use std::sync::Arc;
use std::time::Duration;

use klatch_domain::{Seq, Timestamp, UserId};
use klatch_wire::Code;
use klatch_wire::dialects::{self, Ask, Claim, Dialect, Door, Heard, Sent};
use klatch_wire::native::Request;
use klatch_wire::native::server::{Failure, User};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use crate::hub::Hub;
use crate::outbox::Outbox;
use crate::people::{Doorbell, Ring};
use crate::session::Session;
use crate::token::Person;
use crate::voice::{Carrier, Voice};

/// A client whose token came with its connection may be one that hears what was written to it, or one that says first
/// what it wants: it has so long to say so.
const SETTLE_AFTER: Duration = Duration::from_millis(250);
/// Between tries to find out what was written to somebody.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// New rooms that wait to be listened to; past that all of a person's rooms are looked at.
const RINGS_WAITING_MAX: usize = 64;
/// What any client without an identity is told; the words are seed 001's.
const NOT_AUTHENTICATED: &str = "Not authenticated";
/// What the ids of people begin with whom nobody knows. They are nobody's before, and can be banned like anybody's.
const GUEST: &str = "guest-";

/// Who a client is when it comes in.
#[derive(Debug)]
pub(crate) enum Caller {
    /// Its token holds.
    Proven(Person),
    /// It says so, and is believed only where the operator allows that.
    Claims(Claim),
    /// It says nothing.
    Nobody,
}

/// How sure it is who a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Proof {
    /// Nobody knows.
    None,
    /// A name that the server made up.
    Guest,
    /// It was believed.
    Word,
    /// A token.
    Token,
}

/// What an interpreter does by itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// The client had its time to say which it is.
    Settle,
    /// It is in rooms of two that it does not listen to.
    Look,
    /// It is in this one.
    Room(klatch_domain::RoomId),
}

/// Stands between a session and a client that has other words.
#[derive(Debug)]
pub(crate) struct Interpreter {
    hub: Arc<Hub>,
    outbox: Arc<Outbox>,
    door: Door,
    dialect: &'static dyn Dialect,
    session: Session,
    proof: Proof,
    doorbell: Doorbell,
    rings: mpsc::Receiver<Ring>,
    settles_at: Option<Instant>,
    looks_at: Option<Instant>,
    /// Where the log stood when the client came in, if that matters and is known.
    came_at: Option<Seq>,
}

impl Interpreter {
    /// Somebody came in by a door that a dialect names, and nobody knows yet who.
    pub(crate) fn new(hub: Arc<Hub>, outbox: Arc<Outbox>, door: Door) -> Self {
        let dialect = dialects::at(door).next().expect("a door is there for a dialect");
        let (doorbell, rings) = mpsc::channel(RINGS_WAITING_MAX);
        let voice = Voice::new(dialect, Carrier::of(door));
        Interpreter {
            session: Session::new(hub.clone(), outbox.clone(), voice),
            hub,
            outbox,
            door,
            dialect,
            proof: Proof::None,
            doorbell,
            rings,
            settles_at: None,
            looks_at: None,
            came_at: None,
        }
    }

    /// Who it is, as far as its connection says. Refused where the person has too many connections.
    pub(crate) async fn begin(&mut self, caller: Caller) -> Result<(), Failure> {
        if dialects::at(self.door).any(Dialect::hears_direct) {
            self.came_at = self.hub.log.last_seq().await.ok();
        }
        match caller {
            Caller::Proven(person) => self.admit(person, Proof::Token)?,
            Caller::Claims(claim) if self.trusts() => {
                let person = believed(claim)?;
                self.admit(person, Proof::Word)?;
            }
            Caller::Nobody if self.trusts() && self.dialect.home().is_some() => self.admit(guest(), Proof::Guest)?,
            Caller::Claims(_) | Caller::Nobody => {}
        }
        if self.door == Door::Token {
            self.settles_at = Some(Instant::now() + SETTLE_AFTER);
            Ok(())
        } else {
            self.settle().await
        }
    }

    /// What it speaks now.
    pub(crate) fn dialect(&self) -> &'static dyn Dialect {
        self.dialect
    }

    /// Whose session it is.
    pub(crate) fn user(&self) -> Option<&UserId> {
        self.session.person().map(|person| &person.user_id)
    }

    /// When the session must end.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        self.session.expires()
    }

    /// Works on one event to its end; what there is to say lies in the outbox then. Gives the data of the
    /// acknowledgement, for whoever asked for one.
    pub(crate) async fn hear(&mut self, event: &str, args: &[Value]) -> Value {
        self.hub.metrics.frames_in.inc();
        match self.answer(Heard { event, args }).await {
            Ok(done) => done,
            Err(failure) => self.refuse(event, &failure),
        }
    }

    /// Says that an event came to nothing. Gives the data of the acknowledgement.
    pub(crate) fn refuse(&self, event: &str, failure: &Failure) -> Value {
        self.hub.metrics.refused(failure.code);
        let dialect = self.dialect_of(event);
        self.outbox.answer(self.voice(dialect).frame(dialect.refused(event, failure)));
        json!({ "error": failure.message, "code": failure.code })
    }

    /// The next thing to do beside events. Cancel-safe.
    pub(crate) async fn prompted(&mut self) -> Prompt {
        let at = |at: Option<Instant>| async move {
            match at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = at(self.settles_at) => Prompt::Settle,
            () = at(self.looks_at) => Prompt::Look,
            Some(ring) = self.rings.recv() => match ring {
                Ring::Room(room) if self.rings.len() + 1 < RINGS_WAITING_MAX => Prompt::Room(room),
                Ring::Room(_) | Ring::Look => Prompt::Look,
            },
        }
    }

    /// Does it.
    pub(crate) async fn follow(&mut self, prompt: Prompt) {
        let done = match prompt {
            Prompt::Settle => self.settle().await,
            Prompt::Look => self.look().await,
            Prompt::Room(room) if self.dialect.hears_direct() => self.session.hear_direct(vec![room]).await,
            Prompt::Room(_) => Ok(()),
        };
        self.came_of_listening(done);
    }

    /// What can't be listened to now is tried again in a moment. Whoever may not listen is told so by what becomes of what
    /// they say.
    fn came_of_listening(&mut self, done: Result<(), Failure>) {
        match done {
            Ok(()) => {}
            Err(failure) if failure.retryable => {
                tracing::info!(failure.message, "can't listen to rooms just now: it is tried again");
                self.looks_at = Some(Instant::now() + LOOK_AGAIN_AFTER);
            }
            Err(failure) => tracing::debug!(failure.message, "may not listen"),
        }
    }

    async fn answer(&mut self, heard: Heard<'_>) -> Result<Value, Failure> {
        let dialect = self.dialect_of(heard.event);
        if let Some(claim) = dialect.claim(heard) {
            return self.identify(dialect, claim?).await;
        }
        let is_known = match self.proof {
            Proof::None => false,
            // Guests are for those whose dialect knows no names.
            Proof::Guest => dialect.home().is_some(),
            Proof::Word | Proof::Token => true,
        };
        let speaker = self.session.person().filter(|_| is_known).map(Person::user).ok_or_else(unknown)?;
        if dialect.knows(heard.event) {
            self.adopt(dialect).await?;
        }
        let ask = dialect.read(heard, &speaker)?;
        self.perform(ask, &speaker).await
    }

    /// The dialect that has this event; the present one where none has.
    fn dialect_of(&self, event: &str) -> &'static dyn Dialect {
        let known = dialects::at(self.door).find(|dialect| dialect.knows(event));
        known.unwrap_or(self.dialect)
    }

    async fn perform(&mut self, ask: Ask, speaker: &User) -> Result<Value, Failure> {
        let (message, stored) = match ask {
            Ask::Request(Request::Message(message)) => {
                let stored = self.session.say(&message).await?;
                (message, stored)
            }
            Ask::SayHere(message) => {
                let stored = match self.session.say(&message).await {
                    Err(failure) if matches!(failure.code, Code::NotAMember | Code::NotFound) => {
                        self.session.become_member(&message.room_id).await?;
                        let listens = self.session.listen(&message.room_id).await;
                        self.came_of_listening(listens);
                        self.session.say(&message).await?
                    }
                    said => said?,
                };
                (message, stored)
            }
            Ask::SayTo { receiver, message } => {
                let room = klatch_domain::RoomId::direct(&speaker.user_id, &receiver);
                let message = klatch_wire::native::request::Message::text(room, message);
                let stored = self.session.say_to(&message, &receiver).await?;
                (message, stored)
            }
            Ask::Quiet(room) => {
                self.session.quiet(&room);
                return Ok(json!({}));
            }
            Ask::Request(request) => {
                let reply = self.session.perform(request, None).await?;
                return Ok(serde_json::to_value(reply).unwrap_or_default());
            }
        };
        if let Some(message_id) = &stored.message_id {
            let sent = Sent { message: &message, author: speaker, message_id, timestamp: stored.timestamp };
            if let Some(spoken) = self.dialect.sent(&sent) {
                self.outbox.answer(self.voice(self.dialect).frame(spoken));
            }
        }
        Ok(serde_json::to_value(stored).unwrap_or_default())
    }

    /// The client says who it is. What a token says is never changed by that.
    async fn identify(&mut self, dialect: &'static dyn Dialect, claim: Claim) -> Result<Value, Failure> {
        let (person, proof) = match &claim.token {
            Some(token) => (self.hub.verifier.verify_anew(token).await?, Proof::Token),
            None if self.proof == Proof::Token => {
                self.adopt(dialect).await?;
                return Ok(json!({ "userId": self.user() }));
            }
            None if self.trusts() => (believed(claim)?, Proof::Word),
            None => return Err(unknown()),
        };
        if self.user() == Some(&person.user_id) && self.proof != Proof::Guest {
            // Once more the same: what it listens to stays.
            self.session.renew(person);
            self.proof = self.proof.max(proof);
            return self.adopt(dialect).await.map(|()| json!({ "userId": self.user() }));
        }
        self.speak(dialect);
        self.proof = Proof::None;
        self.admit(person, proof)?;
        self.settle().await?;
        Ok(json!({ "userId": self.user() }))
    }

    /// From now on it is a client of this dialect: what it listened to in the last one's words it gives up.
    async fn adopt(&mut self, dialect: &'static dyn Dialect) -> Result<(), Failure> {
        let is_news = dialect.name() != self.dialect.name();
        if !is_news && self.settles_at.is_none() {
            return Ok(());
        }
        if is_news {
            let person = self.session.person().cloned();
            self.speak(dialect);
            if let Some(person) = person {
                self.admit(person, self.proof)?;
            }
        }
        self.settle().await
    }

    /// A new session, spoken to in this dialect, of nobody yet.
    fn speak(&mut self, dialect: &'static dyn Dialect) {
        self.session = Session::new(self.hub.clone(), self.outbox.clone(), self.voice(dialect));
        self.dialect = dialect;
        self.looks_at = None;
        // Nobody answers the last one's bell; and what it did not hear in this dialect it gets as anybody who comes back.
        (self.doorbell, self.rings) = mpsc::channel(RINGS_WAITING_MAX);
        self.came_at = None;
    }

    fn admit(&mut self, person: Person, proof: Proof) -> Result<(), Failure> {
        let doorbell = self.dialect.hears_direct().then(|| self.doorbell.clone());
        self.session.admit(person, doorbell)?;
        self.session.came_at(self.came_at);
        self.proof = proof;
        Ok(())
    }

    /// Begins to hear what its dialect hears without asking.
    async fn settle(&mut self) -> Result<(), Failure> {
        self.settles_at = None;
        if self.session.person().is_none() {
            return Ok(());
        }
        if let Some(home) = self.dialect.home() {
            // Before anything is answered.
            let listens = self.session.listen(&home).await;
            self.came_of_listening(listens);
        }
        if self.dialect.hears_direct() {
            self.looks_at = Some(Instant::now());
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<(), Failure> {
        self.looks_at = None;
        if let Some(home) = self.dialect.home() {
            self.session.listen(&home).await?;
        }
        if self.dialect.hears_direct() { self.session.hear_all_direct().await } else { Ok(()) }
    }

    fn voice(&self, dialect: &'static dyn Dialect) -> Voice {
        Voice::new(dialect, Carrier::of(self.door))
    }

    fn trusts(&self) -> bool {
        self.hub.config.auth.trust_client_identity
    }
}

fn unknown() -> Failure {
    Failure::new(Code::NotAuthenticated, NOT_AUTHENTICATED)
}

/// A person as a client names itself.
fn believed(claim: Claim) -> Result<Person, Failure> {
    let missing = || Failure::new(Code::InvalidField, "userId should not be empty");
    let user_id = claim.user_id.ok_or_else(missing)?;
    if user_id.is_reserved() {
        return Err(Failure::new(Code::InvalidField, "userId: such ids are the server's own"));
    }
    let username = claim.username.unwrap_or_else(|| user_id.to_string());
    Person::believed(user_id, username)
}

fn guest() -> Person {
    let id = format!("{GUEST}{}", Uuid::now_v7().simple());
    let user_id = UserId::parse(id).expect("short and without control characters");
    Person::believed(user_id, "Guest".to_owned()).expect("a short name")
}

#[cfg(test)]
mod tests;
