//! What commands are decided by, heard of all rooms at once: it keeps standings and rooms' states current, and member events
//! reach people who have no room open.

use std::sync::Arc;
use std::time::Duration;

use klatch_domain::{Cause, Change, Event, MemberChanged, Membership, RoomType, Standing, UserId};
use klatch_wire::dialects::Happening;
use klatch_wire::native::server::RoomState;

use crate::hub::Hub;
use crate::people::{Ear, Ring};
use crate::standing::room_info;
use crate::voice::Telling;

/// Where the subscription can't be had, it is tried again so soon.
const SUBSCRIBE_AGAIN: Duration = Duration::from_secs(1);

/// Follows until the edge has drained. What may have been missed is forgotten, so that the leader is asked.
pub(crate) async fn follow(hub: Arc<Hub>) {
    let mut disruptions = hub.log.disruptions();
    let mut facts = None;
    loop {
        if facts.is_none() {
            facts = hub.log.live_facts().await.ok();
            hub.forget_facts();
            hub.people.look_again();
        }
        let is_deaf = facts.is_none();
        let heard = async {
            match facts.as_mut() {
                Some(facts) => facts.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(SUBSCRIBE_AGAIN), if is_deaf => {}
            event = heard => match event {
                None => facts = None,
                Some(stored) => match stored.event() {
                    Ok(Event::Member(membership)) => {
                        hub.standings.hear(stored.seq, &membership);
                        tell_elsewhere(&hub, &membership).await;
                    }
                    Ok(Event::Room(info)) => hub.infos.hear(stored.seq, info),
                    _ => {}
                },
            },
            changed = disruptions.changed() => match changed {
                Ok(()) => {
                    hub.forget_facts();
                    hub.people.look_again();
                }
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
    let mut ears = hub.people.sessions_of(&membership.user_id);
    if let Some(room) = hub.interest.room(&membership.room_id) {
        ears.retain(|ear| !room.is_attached(ear.session));
    }
    if ears.is_empty() {
        return;
    }
    if membership.cause == Cause::Created {
        let Ok(info) = room_info(&hub.log, &membership.room_id).await else { return hub.people.look_again() };
        let Some(info) = info.value else { return };
        tell(&ears, &membership.user_id, &Telling::of(Happening::RoomCreated(&RoomState::from(&info))));
        if info.room_type == RoomType::Direct {
            let doorbells = ears.iter().filter_map(|ear| ear.doorbell.as_ref());
            // A full one has not been answered yet; the answer finds this room, too.
            doorbells.for_each(|bell| drop(bell.try_send(Ring::Room(info.room_id.clone()))));
        }
    } else {
        tell(&ears, &membership.user_id, &Telling::of(Happening::Invited(&invitation(membership))));
    }
}

fn tell(ears: &[Ear], hearer: &UserId, telling: &Telling<'_>) {
    for ear in ears {
        if let Some(told) = ear.voice.tell(telling, hearer) {
            ear.outbox.push(told.item);
        }
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
