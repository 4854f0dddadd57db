//! What a room tells where what it hears is not whole.

use std::collections::VecDeque;

use klatch_domain::{MemberChanged, Role, Timestamp};
use klatch_eventlog::memory::Delivery;
use klatch_eventlog::{Append, Entry};
use klatch_testkit::eventually;

use super::*;
use crate::outbox::Outbox;
use crate::voice::Voice;

const ME: SessionId = SessionId(1);

fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

/// A kick: the notice, and the standing behind it.
fn kick(room_id: &RoomId, user_id: &UserId, by: &UserId) -> [Event; 2] {
    let (room_id, user_id, username, timestamp) =
        (room_id.clone(), user_id.clone(), "Ben".to_owned(), Timestamp::from_ms(0));
    let notice = MemberChanged {
        room_id: room_id.clone(),
        user_id: user_id.clone(),
        username: username.clone(),
        change: Change::Kicked,
        role: None,
        by: Some(by.clone()),
        reason: None,
        until: None,
        timestamp,
    };
    let standing = Membership {
        room_id,
        user_id,
        username,
        avatar: None,
        standing: Standing::Removed,
        role: Role::Member,
        muted: None,
        cause: Cause::Noticed,
        timestamp,
    };
    [Event::MemberChanged(notice), Event::Member(standing)]
}

#[tokio::test]
async fn who_is_put_out_hears_the_notice_though_it_was_lost_on_its_way() {
    let (log, id) = (Log::memory(), RoomId::parse("r").unwrap());
    let around = Surroundings {
        log: log.clone(),
        edge: EdgeId::fresh(),
        limits: Limits::default(),
        undecodable: prometheus_client::metrics::counter::Counter::default(),
        announcements: Arc::default(),
        seen: Arc::default(),
    };
    let room = Room::open(id.clone(), Arc::new(around)).await.unwrap();
    let outbox = Arc::new(Outbox::new(1 << 20));
    let (ben, username) = (user("ben"), "Ben".to_owned());
    let listener = Listener {
        session: ME,
        user: ben.clone(),
        username,
        outbox: outbox.clone(),
        voice: Voice::NATIVE,
        has_up_to: Seq::ZERO,
    };
    room.capture(listener, None);
    room.release(ME, Vec::new());

    log.faults().unwrap().deliver([Delivery::Drop]);
    let entries = kick(&id, &ben, &user("ada")).map(|event| Entry {
        address: event.address(),
        payload: event.encode().into(),
        guard: None,
        id: None,
    });
    log.append(Append { author: user("ada"), entries: entries.into() }).await.unwrap();

    eventually(Duration::from_secs(20), "the notice", || async {
        let mut items = VecDeque::new();
        outbox.take(&mut items);
        let is_notice = |item: &Item| matches!(&item.frame, Frame::WebSocket(bytes) if String::from_utf8_lossy(bytes).contains("kicked"));
        if items.iter().any(is_notice) { Ok(()) } else { Err(format!("{items:?}")) }
    })
    .await;
    assert!(!room.is_attached(ME), "and nothing more");
}
