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

async fn opened(log: &Log, id: &RoomId) -> Arc<Room> {
    let around = Surroundings {
        log: log.clone(),
        edge: EdgeId::fresh(),
        limits: Limits::default(),
        undecodable: Counter::default(),
        announcements: Arc::default(),
        seen: Arc::default(),
    };
    Room::open(id.clone(), Arc::new(around)).await.unwrap()
}

fn ben(outbox: &Arc<Outbox>) -> Listener {
    Listener {
        session: ME,
        user: user("ben"),
        username: "Ben".to_owned(),
        outbox: outbox.clone(),
        voice: Voice::NATIVE,
        has_up_to: Seq::ZERO,
    }
}

#[tokio::test]
async fn who_joins_while_the_room_closes_stays_and_a_stranger_goes() {
    let (log, id) = (Log::memory(), RoomId::parse("r").unwrap());
    for (joined_at, stays) in [(Some(Seq(4)), true), (Some(Seq(2)), false), (None, false)] {
        let room = opened(&log, &id).await;
        room.capture(ben(&Arc::new(Outbox::new(1 << 20))), None);
        // As it is asked, the log knows of no membership of theirs.
        room.perform(Effect::Sift { closed_at: Seq(3) }).await;
        if let Some(joined_at) = joined_at {
            room.has_up_to(ME, joined_at);
        }
        room.release(ME, Vec::new());
        assert_eq!(room.is_attached(ME), stays, "{joined_at:?}");
    }
}

#[tokio::test]
async fn who_is_put_out_hears_the_notice_though_it_was_lost_on_its_way() {
    let (log, id) = (Log::memory(), RoomId::parse("r").unwrap());
    let room = opened(&log, &id).await;
    let outbox = Arc::new(Outbox::new(1 << 20));
    room.capture(ben(&outbox), None);
    room.release(ME, Vec::new());

    log.faults().unwrap().deliver([Delivery::Drop]);
    let entries = kick(&id, &user("ben"), &user("ada")).map(|event| Entry {
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

#[tokio::test]
async fn what_is_heard_while_entries_are_read_anew_is_newer_than_what_is_read() {
    let (log, id, there) = (Log::memory(), RoomId::parse("r").unwrap(), EdgeId::fresh());
    let (ada, ben) = (user("ada"), user("ben"));
    log.renew_lease(&there, Duration::from_secs(60)).await.unwrap();
    log.attach(&id, &ada, &there, "Ada").await.unwrap();
    let room = opened(&log, &id).await;
    let present = || room.presence(None).users.into_iter().map(|user| user.user_id).collect::<Vec<_>>();
    assert_eq!(present(), std::slice::from_ref(&ada));

    let mut reading = std::pin::pin!(room.reconcile());
    assert!(futures_util::poll!(&mut reading).is_pending());
    room.apply(LiveEvent::Detached { user: ada.clone(), edge: there.clone() });
    room.apply(LiveEvent::Attached { user: ben.clone(), username: "Ben".to_owned(), edge: there.clone() });
    reading.await.unwrap();
    assert_eq!(present(), [ben], "a copy of the stream that lags knows neither that ada went nor that ben came");

    room.reconcile().await.unwrap();
    assert_eq!(present(), [ada], "what was heard before a reading may be wrong: words get lost");
}
