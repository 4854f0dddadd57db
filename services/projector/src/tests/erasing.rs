//! What was deleted is erased from the log: the message, its edits, its repeats, and what raced the deletion.

use klatch_domain::{Access, HistoryFrom, Role, Seq, Standing};

use super::running::House;
use super::scene::{Log, Views, deleted, edited, info, sent, standing};

#[test]
fn orders_name_every_place_of_the_words_and_go_with_the_deletion() {
    let mut log = Log::open_room();
    let said = log.say("ben", "m", "secret");
    let edit = log.add(|seq| edited("r", "ben", "m", "secret too", seq));
    let kept = log.say("ben", "n", "not secret");
    let mut views = Views::of(&log);
    assert!(views.to_erase().is_empty());
    let before = log.0.len();
    log.add(|seq| deleted("r", "ada", "ben", "m", said, seq));
    let raced = log.add(|seq| edited("r", "ben", "m", "secret three", seq));
    let repeated = log.say("ben", "m", "secret");
    views.fold(&log.0[before..]);
    assert_eq!(views.to_erase(), [said, edit, raced, repeated]);
    let items = views.items("r");
    assert_eq!(items.len(), 2);
    assert!(!serde_json::to_string(&items).unwrap().contains("secret too"));
    assert_eq!(items[1]["seq"], kept);
    for (_, page) in views.rows(b'p') {
        assert!(!String::from_utf8_lossy(&page).contains("\"secret"), "the page still holds the words");
    }
}

#[test]
fn a_deletion_of_what_lies_elsewhere_says_is_shown_where_it_lies() {
    let mut log = Log::open_room();
    let said = log.say("ben", "m", "hi");
    let other = log.say("ada", "n", "ho");
    // A log that was renumbered without its deletions: the position is another message's.
    log.add(|seq| deleted("r", "ada", "ben", "m", other, seq));
    let views = Views::of(&log);
    let items = views.items("r");
    assert_eq!((items[0]["seq"].as_u64(), items[0]["data"]["deleted"].as_bool()), (Some(said), Some(true)));
    assert_eq!((items[1]["seq"].as_u64(), items[1]["data"]["message"].as_str()), (Some(other), Some("ho")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_holds_nothing_of_a_deleted_message_and_the_views_stand_a_rebuild() {
    let house = House::new().await;
    house.append(&info("r", Access::Open, HistoryFrom::Beginning, 1), None).await;
    house.append(&standing("r", "ada", Standing::Joined, Role::Owner, 2), None).await;
    let projector = house.projector().await;
    let said = house.append(&sent("r", "ada", "m", "secret", &[], 3), Some("m")).await;
    let edit = house.append(&edited("r", "ada", "m", "secret too", 4), Some("e")).await;
    let kept = house.append(&sent("r", "ada", "n", "not secret", &[], 5), Some("n")).await;
    // Set aside by some earlier doubt: it may hold the words too.
    let aside = house.home().join("projector.bad-1");
    std::fs::create_dir(&aside).unwrap();
    let gone = house.append(&deleted("r", "ada", "ada", "m", said.0, 6), Some("d")).await;
    let raced = house.append(&edited("r", "ada", "m", "secret three", 7), Some("f")).await;
    house.until("the orders to be done", |status| status.seq >= raced && status.to_erase == 0).await;
    for seq in [said, edit, raced] {
        assert_eq!(house.log.get(seq).await.unwrap(), None, "{seq}");
    }
    for seq in [kept, gone] {
        assert!(house.log.get(seq).await.unwrap().is_some(), "{seq}");
    }
    assert!(!aside.exists());
    house.verified().await;
    let before = house.history("ada", raced).await.unwrap();
    projector.stop().await;

    crate::rebuild(&house.dir()).unwrap();
    let projector = house.projector().await;
    assert_eq!(house.history("ada", gone).await.unwrap(), before);
    house.until("the orders to be done again", |status| status.to_erase == 0).await;
    house.verified().await;
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_erased_however_wrong_a_position_is() {
    let house = House::new().await;
    house.append(&info("r", Access::Open, HistoryFrom::Beginning, 1), None).await;
    let other = house.append(&sent("r", "ada", "n", "not secret", &[], 3), Some("n")).await;
    let said = house.append(&sent("r", "ada", "m", "secret", &[], 3), Some("m")).await;
    let projector = house.projector().await;
    let last = house.append(&deleted("r", "ada", "ada", "m", other.0, 6), Some("d")).await;
    house.until("the orders to be done", |status| status.seq >= last && status.to_erase == 0).await;
    assert_eq!(house.log.get(said).await.unwrap(), None);
    for seq in [Seq(1), other, last] {
        assert!(house.log.get(seq).await.unwrap().is_some(), "{seq}");
    }
    projector.stop().await;
}
