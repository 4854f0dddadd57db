//! Every member event of the system, heard once: it keeps the standings current, and reaches people who have no room
//! open.

use std::sync::Arc;
use std::time::Duration;

use klatch_domain::{Cause, Change, Event, MemberChanged, Membership, Standing};
use klatch_wire::native::server::{self, RoomState};

use crate::hub::Hub;
use crate::socket::frame;
use crate::standing::room_info;

/// Where the subscription can't be had, it is tried again so soon.
const SUBSCRIBE_AGAIN: Duration = Duration::from_secs(1);

/// Follows until the edge has drained. What may have been missed is forgotten, so that the leader is asked.
pub(crate) async fn follow(hub: Arc<Hub>) {
    let mut disruptions = hub.log.disruptions();
    let mut members = None;
    loop {
        if members.is_none() {
            members = hub.log.live_members().await.ok();
            hub.standings.forget_all();
        }
        let is_deaf = members.is_none();
        let heard = async {
            match members.as_mut() {
                Some(members) => members.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(SUBSCRIBE_AGAIN), if is_deaf => {}
            event = heard => match event {
                None => members = None,
                Some(stored) => {
                    if let Ok(Event::Member(membership)) = stored.event() {
                        hub.standings.hear(stored.seq, &membership);
                        tell_elsewhere(&hub, &membership).await;
                    }
                }
            },
            changed = disruptions.changed() => match changed {
                Ok(()) => hub.standings.forget_all(),
                Err(_) => return,
            },
        }
    }
}

/// Tells a person's sessions that don't listen to the room that they were brought into it.
async fn tell_elsewhere(hub: &Hub, membership: &Membership) {
    if !matches!((&membership.cause, &membership.standing), (Cause::Created, _) | (_, Standing::Invited)) {
        return;
    }
    let mut sessions = hub.people.sessions_of(&membership.user_id);
    if let Some(room) = hub.interest.room(&membership.room_id) {
        sessions.retain(|(session, _)| !room.is_attached(*session));
    }
    if sessions.is_empty() {
        return;
    }
    let json = if membership.cause == Cause::Created {
        let Ok(info) = room_info(&hub.log, &membership.room_id).await else { return };
        let Some(info) = info.value else { return };
        server::frame("chat.roomCreated", &RoomState::from(&info))
    } else {
        server::frame("chat.memberChanged", &invitation(membership))
    };
    let frame = frame::text(&json);
    for (_, outbox) in sessions {
        outbox.push(frame.clone());
    }
}

fn invitation(membership: &Membership) -> MemberChanged {
    MemberChanged {
        room_id: membership.room_id.clone(),
        user_id: membership.user_id.clone(),
        username: membership.username.clone(),
        change: Change::Invited,
        role: Some(membership.role),
        by: None,
        reason: None,
        until: None,
        timestamp: membership.timestamp,
    }
}
