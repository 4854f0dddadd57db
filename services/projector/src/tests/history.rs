//! Pages of history: which items, in which order, for whom.

use klatch_domain::{Access, HistoryFrom, Role, Seq, Standing};
use klatch_wire::Code;
use klatch_wire::query::{HistoryRequest, HistoryResponse, Window};

use super::scene::{Log, Views, deleted, edited, kicked, room, standing, stored, user, value};
use crate::views::retention::Retention;
use crate::views::{Failure, Reading, history};

/// A room of 300 messages, sequences 4 to 303.
fn talkative() -> Views {
    let mut log = Log::open_room();
    (0..300).for_each(|n| _ = log.say("ada", &format!("m{n}"), "hi"));
    Views::of(&log)
}

fn range(from: u64, to: u64) -> Vec<u64> {
    (from..=to).collect()
}

#[test]
fn a_window_lies_where_it_was_asked_for_and_says_whether_there_is_more() {
    let views = talkative();
    let page = |window, limit| views.seqs("ben", window, limit);
    assert_eq!(page(Window::Newest, 50), (range(254, 303), true));
    assert_eq!(page(Window::Before(Seq(254)), 100), (range(154, 253), true));
    assert_eq!(page(Window::Before(Seq(54)), 50), (range(4, 53), false));
    assert_eq!(page(Window::Before(Seq(55)), 50), (range(5, 54), true));
    assert_eq!(page(Window::Before(Seq(4)), 50), (vec![], false));
    assert_eq!(page(Window::After(Seq(0)), 10), (range(4, 13), true));
    assert_eq!(page(Window::After(Seq(200)), 200), (range(201, 303), false));
    assert_eq!(page(Window::After(Seq(303)), 10), (vec![], false));
    assert_eq!(page(Window::Around(Seq(100)), 5), (range(98, 102), true));
    assert_eq!(page(Window::Around(Seq(302)), 4), (vec![301, 302, 303], true));
    assert_eq!(page(Window::Newest, 1000).0.len(), 200, "a page has 200 items at most");
    assert_eq!(page(Window::Newest, 0).0.len(), 1);
}

#[test]
fn all_pages_together_are_the_whole_history() {
    let views = talkative();
    for limit in [1, 7, 64, 200] {
        let (mut seqs, mut before) = (Vec::new(), Seq(u64::MAX));
        loop {
            let (mut page, more) = views.seqs("ben", Window::Before(before), limit);
            before = Seq(page[0]);
            page.extend(seqs);
            seqs = page;
            if !more {
                break;
            }
        }
        assert_eq!(seqs, range(4, 303), "by {limit}");
    }
}

#[test]
fn a_page_ends_where_the_answer_would_be_too_large_but_holds_one_item_at_least() {
    let views = talkative();
    let page = |window, bytes_max| {
        let reading = Reading { bytes_max, ..views.reading() };
        let request = HistoryRequest { asker: user("ben"), room_id: room("r"), window, limit: 200, min_seq: Seq::ZERO };
        let page = history::page(&reading, &request).unwrap();
        let page: HistoryResponse = serde_json::from_slice(&page).unwrap();
        let bytes: usize = page.events.iter().map(|item| item.get().len()).sum();
        let seqs: Vec<u64> = page.events.iter().map(|item| value(item)["seq"].as_u64().unwrap()).collect();
        (seqs, bytes, page.more)
    };
    let (newest, bytes, more) = page(Window::Newest, 5_000);
    assert!(bytes <= 5_000 && more && newest.len() > 10 && newest.last() == Some(&303), "{newest:?}");
    let (oldest, bytes, more) = page(Window::After(Seq::ZERO), 5_000);
    assert!(bytes <= 5_000 && more && oldest.first() == Some(&4));
    assert_eq!((page(Window::Newest, 1).0, page(Window::Newest, 1).2), (vec![303], true));
}

#[test]
fn a_reader_by_join_sees_from_their_join_and_a_stranger_nothing_of_what_was() {
    let mut log = Log::room(Access::Open, HistoryFrom::Joined);
    log.say("ada", "m1", "before");
    log.add(|seq| standing("r", "cem", Standing::Joined, Role::Member, seq));
    let after = log.say("ada", "m2", "after");
    let views = Views::of(&log);
    assert_eq!(views.seqs("cem", Window::Newest, 50), (vec![after], false));
    assert_eq!(views.seqs("cem", Window::After(Seq::ZERO), 50), (vec![after], false));
    assert_eq!(views.seqs("cem", Window::Around(Seq(1)), 50), (vec![after], false));
    assert_eq!(views.seqs("eve", Window::Newest, 50), (vec![], false));
    assert_eq!(views.seqs("ben", Window::Newest, 50).0.len(), 2);
    // Coming back begins anew.
    log.add(|seq| standing("r", "cem", Standing::Left, Role::Member, seq));
    log.add(|seq| standing("r", "cem", Standing::Joined, Role::Member, seq));
    assert_eq!(Views::of(&log).seqs("cem", Window::Newest, 50), (vec![], false));
}

#[test]
fn nothing_after_the_position_that_the_standing_was_read_at_is_shown() {
    let views = talkative();
    for window in [Window::Newest, Window::After(Seq(195)), Window::Around(Seq(200))] {
        let mut reading = views.reading();
        reading.position.seq = Seq(200);
        let request = HistoryRequest { asker: user("ben"), room_id: room("r"), window, limit: 9, min_seq: Seq::ZERO };
        let page: HistoryResponse = serde_json::from_slice(&history::page(&reading, &request).unwrap()).unwrap();
        assert_eq!(value(page.events.last().unwrap())["seq"], 200, "{window:?}");
        assert_eq!(page.seq, Seq(200));
    }
}

#[test]
fn a_private_room_is_not_there_for_others_and_a_removed_person_is_another() {
    let mut log = Log::room(Access::Private, HistoryFrom::Beginning);
    log.say("ada", "m1", "hi");
    let refused = |log: &Log, who: &str| match Views::of(log).history(who, Window::Newest, 9) {
        Err(Failure::Refused { code, .. }) => Some(code),
        Err(damaged) => panic!("{damaged}"),
        Ok(_) => None,
    };
    assert_eq!((refused(&log, "ben"), refused(&log, "eve")), (None, Some(Code::NotFound)));
    log.add(|seq| kicked("r", "ben", "ada", seq));
    log.add(|seq| standing("r", "ben", Standing::Removed, Role::Member, seq));
    assert_eq!(refused(&log, "ben"), Some(Code::NotFound));
    assert_eq!(refused(&Log::default(), "ada"), Some(Code::NotFound));
}

#[test]
fn edits_and_deletions_reach_old_pages_and_are_no_items() {
    let mut log = Log::open_room();
    (0..300).for_each(|n| _ = log.say("ada", &format!("m{n}"), "hi"));
    let mut views = Views::of(&log);
    let before = log.0.len();
    log.add(|seq| edited("r", "ada", "m5", "ho", seq));
    log.add(|seq| deleted("r", "ada", "ada", "m7", 11, seq));
    log.add(|seq| edited("r", "ada", "m7", "back", seq));
    let notice = log.add(|seq| kicked("r", "cem", "ada", seq));
    views.fold(&log.0[before..]);
    let items = views.items("r");
    assert_eq!(items.len(), 301);
    assert_eq!((&items[5]["data"]["message"], items[5]["data"]["editedAt"].is_string()), (&"ho".into(), true));
    assert_eq!((items[7]["data"].get("message"), &items[7]["data"]["deleted"]), (None, &true.into()));
    assert_eq!((&items[300]["event"], &items[300]["seq"]), (&"chat.memberChanged".into(), &notice.into()));
}

#[test]
fn the_same_message_under_its_id_is_no_second_one_for_seven_days() {
    let mut log = Log::open_room();
    let first = log.say("ada", "m", "hi");
    log.say("ada", "m", "hi");
    assert_eq!(Views::of(&log).seqs("ben", Window::Newest, 9).0, [first]);
    let event = super::scene::sent("r", "ada", "m", "hi", &[], 1);
    let mut late = stored(1_000, None, &event);
    late.at = klatch_domain::Timestamp::from_ms(late.at.as_ms() + 8 * 24 * 3_600_000);
    log.0.push(late);
    assert_eq!(Views::of(&log).seqs("ben", Window::Newest, 9).0, [first, 1_000]);
}

#[test]
fn a_notice_stands_beside_its_change_though_a_client_has_used_its_id_before() {
    let mut log = Log::open_room();
    let kicks = [(); 2].map(|()| {
        let seq = log.next();
        log.0.push(stored(seq, Some("kick"), &kicked("r", "cem", "ada", seq)));
        seq
    });
    assert_eq!(Views::of(&log).seqs("ben", Window::Newest, 9).0, kicks);
}

#[test]
fn what_an_operator_lets_fade_is_kept_and_not_served() {
    let views = talkative();
    let newest = |messages_max, age_s_max, now_ms: i64| {
        let retention = Retention { messages_max, age_s_max };
        let reading = Reading { retention, now: klatch_domain::Timestamp::from_ms(now_ms), ..views.reading() };
        let window = Window::Newest;
        let request = HistoryRequest { asker: user("ben"), room_id: room("r"), window, limit: 200, min_seq: Seq::ZERO };
        let page: HistoryResponse = serde_json::from_slice(&history::page(&reading, &request).unwrap()).unwrap();
        page.events.iter().map(|item| value(item)["seq"].as_u64().unwrap()).collect::<Vec<u64>>()
    };
    let of_last = &views.history("ben", Window::Newest, 1).unwrap().events[0];
    let said = klatch_domain::Timestamp::parse(value(of_last)["data"]["timestamp"].as_str().unwrap()).unwrap().as_ms();
    assert_eq!(newest(3, 0, said), range(301, 303));
    assert_eq!(newest(1_000, 0, said), range(104, 303), "fewer than that are there");
    assert_eq!(newest(0, 60, said + 60_000).last(), Some(&303));
    assert_eq!(newest(0, 60, said + 60_001), Vec::<u64>::new());
    assert_eq!(newest(0, u64::MAX, said).len(), 200, "no moment lies so far back");
}
