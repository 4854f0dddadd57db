//! Pages of a room's history, for whoever may read it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use klatch_domain::authority::may_read;
use klatch_domain::{Known, Membership, RoomId, RoomInfo, Seq};
use klatch_eventlog::ReadError;
use klatch_wire::Code;
use klatch_wire::native::request::History;
use klatch_wire::native::server::Failure;
use klatch_wire::query::{HistoryRequest, HistoryResponse, Window, name};

use crate::act::unreadable;
use crate::hub::Hub;
use crate::standing::Freshness;
use crate::token::Person;

/// What this edge knows it finds at once; for what it does not, it would ask a leader that is not there.
const KNOWN_WITHIN: Duration = Duration::from_millis(100);

impl Hub {
    /// A page: everything that this edge had acknowledged or delivered when it was asked for is in reach of it. While the log
    /// has no leader the views can't catch up: then it goes as far as they have come, which it says.
    pub(crate) async fn history(&self, person: &Person, history: History) -> Result<HistoryResponse, Failure> {
        let window = match (history.before, history.after, history.around) {
            (None, None, None) => Window::Newest,
            (Some(seq), None, None) => Window::Before(seq),
            (None, Some(seq), None) => Window::After(seq),
            (None, None, Some(seq)) => Window::Around(seq),
            _ => return Err(Failure::new(Code::InvalidField, "name one of before, after and around")),
        };
        let min_seq = self.check_before_views(person, &history.room_id).await?;
        let request = HistoryRequest {
            asker: person.user_id.clone(),
            room_id: history.room_id,
            window,
            limit: self.page_limit(history.limit),
            min_seq,
        };
        self.query(name::HISTORY, &request).await
    }

    /// Before a no, and before anything of a private room is shown, the leader is asked.
    pub(crate) async fn check_readable(&self, person: &Person, room: &RoomId) -> Result<(), Failure> {
        self.check(person, room, Freshness::Leader).await
    }

    /// The same before the views are asked, which decide once more by their own fold. How far they must have come: as far as
    /// this edge has seen. Without a leader they can't catch up, and what they have must do; then they decide alone, but for
    /// what this edge knows: nobody is put out meanwhile, for nothing can be stored.
    pub(crate) async fn check_before_views(&self, person: &Person, room: &RoomId) -> Result<Seq, Failure> {
        // To find out by the question itself that nobody answers it takes seconds.
        let was_led = self.is_led.load(Ordering::Relaxed);
        if was_led || !self.has_no_leader().await {
            match self.check_readable(person, room).await {
                Ok(()) => return Ok(self.seen()),
                Err(failure) if failure.code == Code::Unavailable && self.has_no_leader().await => {}
                Err(failure) => return Err(failure),
            }
        }
        let known = tokio::time::timeout(KNOWN_WITHIN, self.check(person, room, Freshness::Cached)).await;
        match known {
            Ok(Err(failure)) if failure.code != Code::Unavailable => Err(failure),
            _ => Ok(Seq::ZERO),
        }
    }

    async fn has_no_leader(&self) -> bool {
        matches!(self.log.ask_leader().await, Err(ReadError::NoLeader))
    }

    async fn check(&self, person: &Person, room: &RoomId, how: Freshness) -> Result<(), Failure> {
        let (info, own) = self.facts_of(person, room, how).await?;
        may_read(info.value.as_ref(), own.as_ref(), self.now()).map_err(Failure::from)
    }

    /// The room, and where a person stands towards it.
    pub(crate) async fn facts_of(
        &self,
        person: &Person,
        room: &RoomId,
        how: Freshness,
    ) -> Result<(Known<RoomInfo>, Option<Membership>), Failure> {
        let info = self.info_of(room, how).await?;
        let own = self.standings.of(room, &person.user_id, how).await.map_err(unreadable)?;
        Ok((info, own.value))
    }

    /// As many items as were asked for, within the limits.
    pub(crate) fn page_limit(&self, limit: Option<usize>) -> u32 {
        let limits = &self.config.limits;
        limit.unwrap_or(limits.page_items_default).clamp(1, limits.page_items_max) as u32
    }
}
