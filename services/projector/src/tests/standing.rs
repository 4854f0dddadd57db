//! Members, room lists and what is unread.

use klatch_domain::{Access, HistoryFrom, Role, Seq, Standing, Timestamp};
use klatch_eventlog::{Marked, Marks, Seen};
use klatch_wire::query::{MembersRequest, RoomsRequest, UNREAD_MAX};

use super::scene::{Log, Views, deleted, info, kicked, room, sent, standing, user};
use crate::views::{members, rooms, unread};

impl Views {
    fn unread(&self, who: &str) -> (u32, u32) {
        let reading = self.reading();
        let sight = reading.sight(&room("r"), &user(who)).unwrap();
        let counts = unread::count(&reading, &room("r"), &user(who), sight.floor).unwrap();
        (counts.unread, counts.mentions)
    }

    fn mark(&mut self, who: &str, read: u64, position: u64) {
        let marks = Marks { delivered: Seq(read), read: Seq(read) };
        let marked = Marked { room: room("r"), user: user(who), marks, seq: Seq(position) };
        self.fold.fold_marks(&[marked], &[], Seq(position)).unwrap();
    }

    fn room_list(&self, who: &str, limit: u32, cursor: Option<String>) -> (Vec<String>, Option<String>) {
        let request = RoomsRequest { asker: user(who), limit, cursor, min_seq: Seq::ZERO, min_mark: Seq::ZERO };
        let page = rooms::page(&self.reading(), &request).unwrap();
        (page.rooms.into_iter().map(|room| room.room_id.to_string()).collect(), page.cursor)
    }
}

#[test]
fn unread_are_messages_of_others_after_the_mark_but_not_notices_and_not_deleted_ones() {
    let mut log = Log::open_room();
    let one = log.say("ada", "m1", "one");
    let two = log.add(|seq| sent("r", "ada", "m2", "two", &["ben"], seq));
    log.add(|seq| kicked("r", "cem", "ada", seq));
    let three = log.say("ada", "m3", "three");
    let mut views = Views::of(&log);
    assert_eq!((views.unread("ben"), views.unread("ada")), ((3, 1), (0, 0)));
    views.mark("ben", one, 1);
    assert_eq!(views.unread("ben"), (2, 1));
    // Marks never go back, whatever comes.
    views.mark("ben", 0, 2);
    assert_eq!(views.unread("ben"), (2, 1));
    let before = log.0.len();
    log.add(|seq| deleted("r", "ada", "ada", "m2", two, seq));
    views.fold(&log.0[before..]);
    assert_eq!(views.unread("ben"), (1, 0));
    views.mark("ben", three, 3);
    assert_eq!(views.unread("ben"), (0, 0));
    assert_eq!(views.fold.marks_position(), Seq(3));
    views.restart();
    assert_eq!((views.fold.marks_position(), views.unread("ben")), (Seq(3), (0, 0)));
}

#[test]
fn who_speaks_has_read_what_came_before() {
    let mut log = Log::open_room();
    (0..100).for_each(|n| _ = log.say("ada", &format!("m{n}"), "hi"));
    let mine = log.say("ben", "mine", "ho");
    log.say("ada", "after", "hey");
    assert_eq!(Views::of(&log).unread("ben"), (1, 0));
    // Also after it was deleted.
    log.add(|seq| deleted("r", "ben", "ben", "mine", mine, seq));
    assert_eq!(Views::of(&log).unread("ben"), (1, 0));
}

#[test]
fn counting_ends_at_the_cap() {
    let mut log = Log::open_room();
    (0..1_200).for_each(|n| _ = log.say("ada", &format!("m{n}"), "hi"));
    assert_eq!(Views::of(&log).unread("ben"), (UNREAD_MAX, 0));
}

#[test]
fn what_lies_before_the_join_is_not_unread() {
    let mut log = Log::room(Access::Open, HistoryFrom::Joined);
    log.say("ada", "m1", "before");
    log.add(|seq| standing("r", "cem", Standing::Joined, Role::Member, seq));
    log.say("ada", "m2", "after");
    assert_eq!(Views::of(&log).unread("cem"), (1, 0));
}

#[test]
fn rooms_come_by_activity_in_pages_and_end_with_the_membership() {
    let mut log = Log::default();
    for n in 0..5 {
        let id = format!("r{n}");
        log.add(|seq| info(&id, Access::Private, HistoryFrom::Beginning, seq));
        log.add(|seq| standing(&id, "ben", Standing::Joined, Role::Member, seq));
    }
    log.add(|seq| sent("r1", "ben", "m1", "hi", &[], seq));
    log.add(|seq| sent("r3", "ben", "m2", "hi", &[], seq));
    let views = Views::of(&log);
    let (first, cursor) = views.room_list("ben", 3, None);
    assert_eq!(first, ["r3", "r1", "r4"]);
    let (rest, end) = views.room_list("ben", 3, cursor);
    assert_eq!((rest, end), (vec!["r2".to_owned(), "r0".to_owned()], None));
    log.add(|seq| standing("r3", "ben", Standing::Removed, Role::Member, seq));
    assert_eq!(Views::of(&log).room_list("ben", 10, None).0, ["r1", "r4", "r2", "r0"]);
    assert_eq!(Views::of(&log).room_list("eve", 10, None).0, Vec::<String>::new());
}

#[test]
fn the_last_message_is_the_newest_that_stands_and_that_the_reader_may_see() {
    let mut log = Log::room(Access::Open, HistoryFrom::Joined);
    log.say("ada", "m1", "early");
    log.add(|seq| standing("r", "cem", Standing::Joined, Role::Member, seq));
    let last = |log: &Log, who: &str| {
        let views = Views::of(log);
        let request =
            RoomsRequest { asker: user(who), limit: 9, cursor: None, min_seq: Seq::ZERO, min_mark: Seq::ZERO };
        let list = rooms::page(&views.reading(), &request).unwrap();
        list.rooms[0].last_message.as_ref().map(|item| super::scene::value(item)["data"]["message"].clone())
    };
    assert_eq!((last(&log, "ben").unwrap().as_str(), last(&log, "cem")), (Some("early"), None));
    let late = log.say("ada", "m2", "late");
    log.add(|seq| kicked("r", "dia", "ada", seq));
    assert_eq!(last(&log, "cem").unwrap(), "late");
    log.add(|seq| deleted("r", "ada", "ada", "m2", late, seq));
    assert_eq!((last(&log, "ben").unwrap().as_str(), last(&log, "cem")), (Some("early"), None));
}

#[test]
fn members_come_in_pages_without_those_who_left() {
    let mut log = Log::open_room();
    for n in 0..20 {
        let who = format!("u{n:02}");
        let how = match n % 4 {
            0 => Standing::Left,
            1 => Standing::Invited,
            2 => Standing::Banned { until: None },
            _ => Standing::Joined,
        };
        log.add(|seq| standing("r", &who, how, Role::Member, seq));
    }
    let views = Views::of(&log);
    let all = |asker: &str, limit: u32| {
        let (mut names, mut cursor) = (Vec::new(), None);
        loop {
            let request = MembersRequest { asker: user(asker), room_id: room("r"), limit, cursor, min_seq: Seq::ZERO };
            let page = members::page(&views.reading(), &request).unwrap();
            assert!(page.members.len() <= limit as usize);
            names.extend(page.members.into_iter().map(|member| member.user_id.to_string()));
            cursor = page.cursor;
            if cursor.is_none() {
                return names;
            }
        }
    };
    let members = all("ben", 3);
    assert_eq!(members.len(), 12);
    assert_eq!(members[..4], ["ada", "ben", "u01", "u03"]);
    assert_eq!((all("ben", 100), all("ada", 2).len()), (members, 17));
}

#[test]
fn members_show_when_they_were_last_connected_and_an_older_word_changes_nothing() {
    let log = Log::open_room();
    let mut views = Views::of(&log);
    let at = |ms| Seen { user: user("ben"), at: Timestamp::from_ms(ms) };
    views.fold.fold_marks(&[], &[at(2_000), at(1_000)], Seq(2)).unwrap();
    views.fold.fold_marks(&[], &[at(1_500)], Seq(3)).unwrap();
    let request =
        MembersRequest { asker: user("ada"), room_id: room("r"), limit: 10, cursor: None, min_seq: Seq::ZERO };
    let page = members::page(&views.reading(), &request).unwrap();
    let last_seen = |who| page.members.iter().find(|member| member.user_id == user(who)).unwrap().last_seen;
    assert_eq!((last_seen("ben"), last_seen("ada")), (Some(Timestamp::from_ms(2_000)), None));
}
