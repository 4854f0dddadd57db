//! A command becomes an event: read the facts, decide, append under the guards, and decide again where the log says
//! that the facts have moved. No write waits for the projector, and no edge asks another.

use klatch_domain::commands::{Actor, Command, Facts, Referred};
use klatch_domain::{
    Address, Decision, Draft, Event, Known, MessageId, MessageSent, Position, Refusal, RoomId, RoomInfo, Seq, Timestamp,
};
use klatch_eventlog::{Append, AppendError, Entry, Outcome, ReadError};
use klatch_service::traces;
use klatch_wire::Code;
use klatch_wire::native::server::Failure;
use tracing::Instrument;

use crate::gone_back;
use crate::hub::Hub;
use crate::standing::{Freshness, room_info};

/// Decisions of one command at most: each but the first because somebody else was faster.
const DECISIONS_MAX: usize = 16;

/// What came of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Done {
    /// Where it was stored, or where the effect stands that was there already.
    pub seq: Seq,
    /// The moment of the decision.
    pub at: Timestamp,
}

/// What makes a command idempotent: within the log's window a repeat under the same key is answered with the first
/// sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// Of a client's own making: an earlier try may be stored under it.
    Chosen(MessageId),
    /// Made for this one try.
    Fresh(MessageId),
}

impl Key {
    fn id(&self) -> &MessageId {
        let (Key::Chosen(id) | Key::Fresh(id)) = self;
        id
    }
}

impl Hub {
    /// Carries a command out, idempotent by its key.
    pub(crate) async fn act(&self, actor: &Actor, command: &Command, key: &Key) -> Result<Done, Failure> {
        let mut how = Freshness::Cached;
        for _ in 0..DECISIONS_MAX {
            let facts = self.facts(actor, command, how).await?;
            let (at, before, life) = (self.now(), self.seen(), self.log.epoch());
            match command.decide(&facts, at) {
                Ok(Decision::Append(_)) if self.has_gone_back() => return Err(gone_back::unavailable()),
                Ok(Decision::Append(drafts)) => match self.append(actor, &drafts, key.id()).await? {
                    Outcome::Appended { seq } if seq <= before => return Err(self.find_gone_back(seq, before).await),
                    Outcome::Appended { seq } => {
                        self.saw(seq);
                        if self.log.epoch() == life {
                            self.learn(drafts, seq);
                        }
                        return Ok(Done { seq, at });
                    }
                    Outcome::Duplicate { seq } => {
                        self.saw(seq);
                        return Ok(Done { seq, at });
                    }
                    Outcome::StandingChanged => how = Freshness::Leader,
                },
                // Before a no, and before saying that nothing is to be done, the leader is asked.
                _ if how == Freshness::Cached => how = Freshness::Leader,
                Ok(Decision::Stands(seq)) => return Ok(Done { seq, at }),
                Err(refusal) => return self.settle_refusal(command, key, refusal, at).await,
            }
        }
        Err(Failure::new(Code::Unavailable, "others keep changing the same thing: try again"))
    }

    async fn facts(&self, actor: &Actor, command: &Command, how: Freshness) -> Result<Facts, Failure> {
        let needs = command.needs();
        // A stranger becomes a member by a guard on their own standing alone: of a room that may have become private, the
        // leader is asked.
        let is_unheard_join = matches!(command, Command::Join(_)) && self.interest.info_of(needs.room).is_none();
        let of_room = if is_unheard_join { Freshness::Leader } else { how };
        let info = self.info_of(needs.room, of_room).await?;
        let own = match actor {
            Actor::Person { user_id, .. } => self.standings.of(needs.room, user_id, how).await.map_err(unreadable)?,
            Actor::System => Known::NOTHING,
        };
        let target = match needs.target {
            Some(user) => self.standings.of(needs.room, user, how).await.map_err(unreadable)?,
            None => Known::NOTHING,
        };
        let message = match needs.message {
            Some(seq) => self.referred(needs.room, seq).await?,
            None => None,
        };
        Ok(Facts { actor: actor.clone(), info, own, target, message })
    }

    /// A room's state, as it must be known. No append is guarded by it: what was heard last may be a moment old, and where
    /// words were lost, seconds (`infos.rs`; a room that is listened to is compared with the log now and then).
    pub(crate) async fn info_of(&self, room: &RoomId, how: Freshness) -> Result<Known<RoomInfo>, Failure> {
        let read = match (how, self.interest.info_of(room)) {
            (Freshness::Cached, Some(heard)) => {
                let stored = self.infos.known(room).filter(|known| known.seq > heard.seq);
                return Ok(stored.unwrap_or(heard));
            }
            (Freshness::Cached, None) => self.infos.of(room).await,
            (Freshness::Leader, _) => room_info(&self.log, room).await,
        };
        read.map_err(unreadable)
    }

    async fn referred(&self, room: &RoomId, seq: Seq) -> Result<Option<Referred>, Failure> {
        let Some(stored) = self.log.get(seq).await.map_err(unreadable)? else { return Ok(None) };
        let sent: MessageSent = match stored.event() {
            Ok(Event::MessageSent(sent) | Event::SystemSaid(sent)) => sent,
            _ => return Ok(None),
        };
        if self.interest.room(room).is_some_and(|room| room.has_deleted(&sent.message_id)) {
            return Ok(None);
        }
        let position = Position { epoch: self.log.epoch(), seq };
        Ok(Some(Referred { position, sent }))
    }

    /// What was appended is known before it is heard. A batch's sequences are contiguous (ADR-50).
    fn learn(&self, drafts: Vec<Draft>, last: Seq) {
        for (draft, seq) in drafts.into_iter().rev().zip((0..=last.0).rev()) {
            match draft.event {
                Event::Member(membership) => self.standings.stored(Seq(seq), membership),
                Event::Room(info) => self.infos.stored(Seq(seq), info),
                _ => {}
            }
        }
    }

    async fn append(&self, actor: &Actor, drafts: &[Draft], key: &MessageId) -> Result<Outcome, Failure> {
        let entries = drafts.iter().enumerate().map(|(at, draft)| Entry {
            address: draft.event.address(),
            payload: draft.event.encode().into(),
            guard: draft.guard.clone(),
            id: Some(entry_id(key, at)),
        });
        let append = Append { author: actor.user_id(), entries: entries.collect() };
        let span = tracing::trace_span!(target: traces::TARGET, "edge.append", otel.kind = "producer");
        let appending = async { self.log.append_under(traces::current(), append).await };
        appending.instrument(span).await.map_err(not_appended)
    }

    /// What an earlier try of this very command has stored, whose answer was lost, is acknowledged whatever has changed
    /// since: somebody muted after they spoke has spoken.
    async fn settle_refusal(
        &self,
        command: &Command,
        key: &Key,
        refusal: Refusal,
        at: Timestamp,
    ) -> Result<Done, Failure> {
        let Key::Chosen(key) = key else { return Err(refusal.into()) };
        let (address, entries_max) = first_entry(command);
        let stored = async |entry| self.log.stored_under(&entry_id(key, entry), &address).await.map_err(not_appended);
        let Some(mut seq) = stored(0).await? else { return Err(refusal.into()) };
        // An ack names the last entry of a batch.
        for entry in (1..entries_max).rev() {
            if let Some(last) = stored(entry).await? {
                seq = last;
                break;
            }
        }
        self.saw(seq);
        Ok(Done { seq, at })
    }
}

/// Where a command's first event lies, and how many it may have stored.
fn first_entry(command: &Command) -> (Address, usize) {
    let room = command.room().clone();
    match command {
        Command::Send(_) | Command::Edit(_) | Command::Delete(_) => (Address::Timeline(room), 1),
        // The others of a founding are found by the first.
        Command::CreateRoom(_) => (Address::Info(room), 1),
        _ => (Address::Timeline(room), 3),
    }
}

/// Each entry of a batch has an id of its own; the first one has the command's.
fn entry_id(key: &MessageId, at: usize) -> MessageId {
    match at {
        0 => key.clone(),
        at => MessageId::parse(format!("{key}-{at}")).expect("a derived key is 32 bytes"),
    }
}

/// What a client hears of a read that failed; the log has the cause.
pub(crate) fn unreadable(error: ReadError) -> Failure {
    tracing::warn!(%error, "can't read the log");
    Failure::new(Code::Unavailable, "the log can't be read just now: try again under the same id")
}

fn not_appended(error: AppendError) -> Failure {
    match error {
        AppendError::TooLarge => Failure::new(Code::TooLarge, "larger than the log takes"),
        AppendError::Refused(why) => {
            tracing::error!(why, "the log refuses an append");
            Failure::new(Code::Internal, "the log refused: this is a fault of the server")
        }
        AppendError::Unavailable(why) | AppendError::Unclear(why) => {
            tracing::warn!(why, "no append");
            Failure::new(Code::Unavailable, "not acknowledged by the log: try again under the same id")
        }
    }
}
