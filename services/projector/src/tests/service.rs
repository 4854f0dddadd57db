//! The micro service: what is asked over NATS and what comes back.

use klatch_domain::{Access, HistoryFrom, Role, Seq, Standing};
use klatch_eventlog::Marks;
use klatch_wire::query::{
    DigestRequest, DigestResponse, MemberRequest, MemberResponse, MembersRequest, MembersResponse, Phase, RoomsRequest,
    RoomsResponse, SERVICE, UnreadRequest, UnreadResponse, name,
};
use serde_json::{Value, json};

use super::running::House;
use super::scene::{info, room, sent, standing, user};

async fn furnished(access: Access) -> House {
    let house = House::new().await;
    house.append(&info("r", access, HistoryFrom::Beginning, 1), None).await;
    house.append(&standing("r", "ada", Standing::Joined, Role::Owner, 2), None).await;
    house.append(&standing("r", "ben", Standing::Joined, Role::Member, 3), None).await;
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_is_an_endpoint_of_the_service_and_counted() {
    let house = furnished(Access::Open).await;
    let projector = house.projector().await;
    house.history("ben", Seq::ZERO).await.unwrap();
    let client = house.nats.client().await;
    let info = client.request(format!("$SRV.INFO.{SERVICE}"), "".into()).await.unwrap();
    let info: Value = serde_json::from_slice(&info.payload).unwrap();
    let mut subjects: Vec<&str> =
        info["endpoints"].as_array().unwrap().iter().map(|endpoint| endpoint["subject"].as_str().unwrap()).collect();
    subjects.sort_unstable();
    let mut expected = name::ALL.map(|query| format!("chat.query.{query}"));
    expected.sort_unstable();
    assert_eq!(subjects, expected);
    let stats = client.request(format!("$SRV.STATS.{SERVICE}"), "".into()).await.unwrap();
    let stats: Value = serde_json::from_slice(&stats.payload).unwrap();
    let history = stats["endpoints"].as_array().unwrap().iter().find(|endpoint| endpoint["name"] == "history").unwrap();
    assert_eq!(history["num_requests"], 1);
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_holds_what_its_asker_wrote_before() {
    let house = furnished(Access::Open).await;
    let projector = house.projector().await;
    for n in 0..50 {
        let (id, text) = (format!("m{n}"), format!("message {n}"));
        let seq = house.append(&sent("r", "ben", &id, &text, &[], 10 + n), Some(&id)).await;
        let items = house.history("ada", seq).await.unwrap();
        let last = items.last().unwrap();
        assert_eq!((last["seq"].as_u64(), last["data"]["message"].as_str()), (Some(seq.0), Some(text.as_str())));
    }
    let beyond = Seq(house.status().await.seq.0 + 1);
    assert_eq!(house.history("ada", beyond).await.unwrap_err(), "unavailable");
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_come_with_their_codes() {
    let house = furnished(Access::Private).await;
    let seq = house.append(&standing("r", "cem", Standing::Removed, Role::Member, 4), None).await;
    let projector = house.projector().await;
    assert!(house.history("ben", seq).await.is_ok());
    for stranger in ["cem", "eve"] {
        assert_eq!(house.history(stranger, seq).await.unwrap_err(), "not_found");
    }
    let wrong: Result<Value, String> =
        house.ask(name::HISTORY, &json!({"asker": "ben", "roomId": "r", "limits": 5})).await;
    assert_eq!(wrong.unwrap_err(), "invalid_field");
    let empty: Result<Value, String> = house.ask(name::HISTORY, &json!({"asker": "", "roomId": "r", "limit": 5})).await;
    assert_eq!(empty.unwrap_err(), "invalid_field");
    let open = house.append(&info("r", Access::Open, HistoryFrom::Beginning, 5), None).await;
    assert!(house.history("cem", open).await.is_ok());
    let banned = house.append(&standing("r", "cem", Standing::Banned { until: None }, Role::Member, 6), None).await;
    assert_eq!(house.history("cem", banned).await.unwrap_err(), "banned");
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_are_followed_and_counted_from() {
    let house = furnished(Access::Open).await;
    let projector = house.projector().await;
    let mut seqs = Vec::new();
    for n in 0..6 {
        let id = format!("m{n}");
        let mentions: &[&str] = if n % 2 == 0 { &["ben"] } else { &[] };
        seqs.push(house.append(&sent("r", "ada", &id, "hi", mentions, 10 + n), Some(&id)).await);
    }
    let marked = house.log.mark(&room("r"), &user("ben"), Marks { delivered: seqs[5], read: seqs[2] }).await.unwrap();
    let rooms = vec![room("r"), room("nowhere")];
    let request = UnreadRequest { asker: user("ben"), rooms, min_seq: seqs[5], min_mark: marked.seq };
    let answer: UnreadResponse = house.ask(name::UNREAD, &request).await.unwrap();
    let [counts] = &answer.rooms[..] else { panic!("{answer:?}") };
    assert_eq!((counts.read, counts.unread, counts.mentions, counts.seq), (seqs[2], 3, 1, seqs[5]));
    let request = RoomsRequest { asker: user("ben"), limit: 10, cursor: None, min_seq: Seq::ZERO, min_mark: Seq::ZERO };
    let list: RoomsResponse = house.ask(name::ROOMS, &request).await.unwrap();
    assert_eq!((list.rooms.len(), list.rooms[0].unread, list.rooms[0].mentions), (1, 3, 1));
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_and_one_standing_are_told() {
    let house = furnished(Access::Private).await;
    let banned = house.append(&standing("r", "cem", Standing::Banned { until: None }, Role::Member, 4), None).await;
    let projector = house.projector().await;
    let members = |asker: &str| MembersRequest {
        asker: user(asker),
        room_id: room("r"),
        limit: 10,
        cursor: None,
        min_seq: banned,
    };
    let names = |page: MembersResponse| page.members.into_iter().map(|it| it.user_id.to_string()).collect::<Vec<_>>();
    assert_eq!(names(house.ask(name::MEMBERS, &members("ada")).await.unwrap()), ["ada", "ben", "cem"]);
    assert_eq!(names(house.ask(name::MEMBERS, &members("ben")).await.unwrap()), ["ada", "ben"]);
    let request = MemberRequest { room_id: room("r"), user_id: user("cem"), min_seq: banned };
    let member: MemberResponse = house.ask(name::MEMBER, &request).await.unwrap();
    assert_eq!((member.member_seq, member.floor), (banned, None));
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_projectors_and_a_fresh_fold_agree_at_a_position() {
    let house = furnished(Access::Open).await;
    let one = house.projector().await;
    let other = house.start(&house.home().join("other"));
    other.live().await;
    let mut last = Seq::ZERO;
    for n in 0..100 {
        let id = format!("m{n}");
        last = house.append(&sent("r", "ada", &id, "hi", &[], 10 + n), Some(&id)).await;
    }
    let mut digests = std::collections::HashSet::new();
    for at in [Seq(last.0 - 40), last] {
        digests.clear();
        // Requests go to either of the two.
        for _ in 0..20 {
            let request = DigestRequest { at: Some(at), min_seq: last };
            let answer: DigestResponse = house.ask(name::DIGEST, &request).await.unwrap();
            assert_eq!(answer.at, at);
            digests.insert(answer.digest);
        }
        assert_eq!(digests.len(), 1, "{digests:?}");
    }
    house.verified().await;
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered_after_it_stopped_and_it_goes_on_from_its_checkpoint() {
    let house = furnished(Access::Open).await;
    let projector = house.projector().await;
    let seq = house.append(&sent("r", "ada", "m1", "hi", &[], 10), Some("m1")).await;
    house.history("ben", seq).await.unwrap();
    projector.stop().await;
    let answer = house.log.request(name::STATUS, "".into(), std::time::Duration::from_millis(500)).await;
    assert!(answer.is_err(), "{answer:?}");
    let later = house.append(&sent("r", "ada", "m2", "ho", &[], 11), Some("m2")).await;
    let projector = house.projector().await;
    assert_eq!(house.history("ben", later).await.unwrap().len(), 2);
    let status = house.status().await;
    assert_eq!((status.phase, status.folded), (Phase::Live, 5));
    projector.stop().await;
}
