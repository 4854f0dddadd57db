//! Who is attached to a room, over all edges. A person is there while at least one entry of theirs is; joined and
//! left are the moments when the first comes and the last goes.

use std::collections::{BTreeMap, HashSet};

use klatch_domain::UserId;
use klatch_eventlog::EdgeId;
use klatch_wire::native::server::User;

/// The union of all edges' entries for one room.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    people: BTreeMap<UserId, Attached>,
    /// While entries are read anew: those that changed meanwhile.
    changed: Option<HashSet<Entry>>,
}

/// A person's entry: who is attached, and through which edge.
pub(crate) type Entry = (UserId, EdgeId);

#[derive(Debug)]
struct Attached {
    username: String,
    edges: Vec<EdgeId>,
}

/// What an entry that came has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coming {
    /// The edge had none of this person before.
    pub(crate) is_new_entry: bool,
    /// The person was not there before.
    pub(crate) is_new_person: bool,
}

/// What an entry that went has taken along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Going {
    /// There was no such entry.
    Nothing,
    /// The person is still there, through another edge.
    Entry,
    /// The person left.
    Person(User),
}

impl Roster {
    /// All entries are about to be read anew. What is read may be older than what is heard from now on.
    pub(crate) fn begin_reading(&mut self) {
        self.changed = Some(HashSet::new());
    }

    /// The reading is over: the entries that came or went since it began, of which it tells nothing.
    pub(crate) fn end_reading(&mut self) -> HashSet<Entry> {
        self.changed.take().unwrap_or_default()
    }

    fn note(&mut self, user: &UserId, edge: &EdgeId) {
        if let Some(changed) = &mut self.changed {
            changed.insert((user.clone(), edge.clone()));
        }
    }

    /// An entry came.
    pub(crate) fn add(&mut self, user: &UserId, username: &str, edge: &EdgeId) -> Coming {
        self.note(user, edge);
        let mut coming = Coming { is_new_entry: false, is_new_person: false };
        let attached = self.people.entry(user.clone()).or_insert_with(|| {
            coming.is_new_person = true;
            Attached { username: username.to_owned(), edges: Vec::new() }
        });
        if !attached.edges.contains(edge) {
            coming.is_new_entry = true;
            attached.edges.push(edge.clone());
        }
        coming
    }

    /// An entry went.
    pub(crate) fn remove(&mut self, user: &UserId, edge: &EdgeId) -> Going {
        self.note(user, edge);
        let Some(attached) = self.people.get_mut(user) else { return Going::Nothing };
        let Some(at) = attached.edges.iter().position(|at| at == edge) else { return Going::Nothing };
        attached.edges.swap_remove(at);
        if !attached.edges.is_empty() {
            return Going::Entry;
        }
        match self.people.remove(user) {
            Some(Attached { username, .. }) => Going::Person(User { user_id: user.clone(), username }),
            None => Going::Nothing,
        }
    }

    /// All entries of other edges than this one.
    pub(crate) fn entries_of_others(&self, edge: &EdgeId) -> Vec<Entry> {
        let of_person = |(user, attached): (&UserId, &Attached)| {
            let others = attached.edges.iter().filter(|at| *at != edge);
            others.map(|at| (user.clone(), at.clone())).collect::<Vec<_>>()
        };
        self.people.iter().flat_map(of_person).collect()
    }

    /// The entries of one edge: who, and their names.
    pub(crate) fn entries_of(&self, edge: &EdgeId) -> Vec<(UserId, String)> {
        let of_edge = self.people.iter().filter(|(_, attached)| attached.edges.contains(edge));
        of_edge.map(|(user, attached)| (user.clone(), attached.username.clone())).collect()
    }

    /// Edges died: all of their entries go. Who left with them.
    pub(crate) fn retain_edges(&mut self, mut is_alive: impl FnMut(&EdgeId) -> bool) -> Vec<User> {
        let mut left = Vec::new();
        self.people.retain(|user_id, attached| {
            attached.edges.retain(&mut is_alive);
            let stays = !attached.edges.is_empty();
            if !stays {
                left.push(User { user_id: user_id.clone(), username: attached.username.clone() });
            }
            stays
        });
        left
    }

    /// At most `most` of those attached, by id, with `first` among them if they are there.
    pub(crate) fn list(&self, most: usize, first: Option<&UserId>) -> Vec<User> {
        let named = |(user_id, attached): (&UserId, &Attached)| User {
            user_id: user_id.clone(),
            username: attached.username.clone(),
        };
        let first = first.and_then(|user| self.people.get_key_value(user));
        let others = self.people.iter().filter(|(user, _)| first.is_none_or(|(first, _)| first != *user));
        first.into_iter().chain(others).take(most).map(named).collect()
    }

    /// How many are attached.
    pub(crate) fn len(&self) -> usize {
        self.people.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    #[test]
    fn a_person_on_two_edges_joins_once_and_leaves_once() {
        let (one, two) = (EdgeId::parse("one").unwrap(), EdgeId::parse("two").unwrap());
        let mut roster = Roster::default();
        let coming = |is_new_entry, is_new_person| Coming { is_new_entry, is_new_person };
        assert_eq!(roster.add(&user("ada"), "Ada", &one), coming(true, true));
        assert_eq!(roster.add(&user("ada"), "Ada", &two), coming(true, false));
        assert_eq!(roster.add(&user("ada"), "Ada", &two), coming(false, false), "a repeat changes nothing");
        assert_eq!(roster.entries_of_others(&one), [(user("ada"), two.clone())]);
        assert_eq!(roster.entries_of(&one), [(user("ada"), "Ada".to_owned())]);
        assert_eq!(roster.remove(&user("ada"), &two), Going::Entry);
        assert_eq!(roster.remove(&user("ada"), &two), Going::Nothing, "a repeat changes nothing");
        assert!(matches!(roster.remove(&user("ada"), &one), Going::Person(ada) if ada.username == "Ada"));
        assert_eq!(roster.remove(&user("ada"), &one), Going::Nothing);
    }

    #[test]
    fn what_is_heard_during_a_reading_is_not_overruled_by_it() {
        let edge = EdgeId::parse("one").unwrap();
        let mut roster = Roster::default();
        roster.add(&user("ada"), "Ada", &edge);
        roster.begin_reading();
        roster.remove(&user("ada"), &edge);
        roster.add(&user("ben"), "Ben", &edge);
        let changed = [(user("ada"), edge.clone()), (user("ben"), edge.clone())];
        assert_eq!(roster.end_reading(), HashSet::from(changed));
        roster.remove(&user("ben"), &edge);
        assert_eq!(roster.end_reading(), HashSet::new(), "nothing is noted while nothing is read");
    }

    #[test]
    fn a_dead_edge_takes_along_those_who_were_only_there() {
        let (one, two) = (EdgeId::parse("one").unwrap(), EdgeId::parse("two").unwrap());
        let mut roster = Roster::default();
        roster.add(&user("ada"), "Ada", &one);
        roster.add(&user("ben"), "Ben", &one);
        roster.add(&user("ben"), "Ben", &two);
        let left = roster.retain_edges(|edge| *edge != one);
        assert_eq!(left.iter().map(|user| user.user_id.as_str()).collect::<Vec<_>>(), ["ada"]);
        assert_eq!(roster.len(), 1);
    }

    #[test]
    fn a_list_is_bounded_and_names_the_asker_first() {
        let edge = EdgeId::fresh();
        let mut roster = Roster::default();
        for n in 0..10 {
            roster.add(&user(&format!("u{n}")), "U", &edge);
        }
        let list = roster.list(3, Some(&user("u9")));
        assert_eq!(list.iter().map(|user| user.user_id.as_str()).collect::<Vec<_>>(), ["u9", "u0", "u1"]);
        assert_eq!(roster.list(3, Some(&user("nobody"))).len(), 3);
    }
}
