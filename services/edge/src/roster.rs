//! Who is attached to a room, over all edges. A person is there while at least one entry of theirs is; joined and
//! left are the moments when the first comes and the last goes.

use std::collections::BTreeMap;

use klatch_domain::UserId;
use klatch_eventlog::EdgeId;
use klatch_wire::native::server::User;

/// The union of all edges' entries for one room.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    people: BTreeMap<UserId, Attached>,
}

#[derive(Debug)]
struct Attached {
    username: String,
    edges: Vec<EdgeId>,
}

impl Roster {
    /// An entry came; whether the person was not there before.
    pub(crate) fn add(&mut self, user: &UserId, username: &str, edge: &EdgeId) -> bool {
        let mut is_first = false;
        let attached = self.people.entry(user.clone()).or_insert_with(|| {
            is_first = true;
            Attached { username: username.to_owned(), edges: Vec::new() }
        });
        if !attached.edges.contains(edge) {
            attached.edges.push(edge.clone());
        }
        is_first
    }

    /// An entry went; who left with it.
    pub(crate) fn remove(&mut self, user: &UserId, edge: &EdgeId) -> Option<User> {
        let attached = self.people.get_mut(user)?;
        attached.edges.retain(|at| at != edge);
        if !attached.edges.is_empty() {
            return None;
        }
        let username = self.people.remove(user)?.username;
        Some(User { user_id: user.clone(), username })
    }

    /// Edges died: all of their entries go. Who left with them.
    pub(crate) fn retain_edges(&mut self, is_alive: impl Fn(&EdgeId) -> bool) -> Vec<User> {
        let mut left = Vec::new();
        self.people.retain(|user_id, attached| {
            attached.edges.retain(&is_alive);
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
        assert!(roster.add(&user("ada"), "Ada", &one));
        assert!(!roster.add(&user("ada"), "Ada", &two));
        assert!(!roster.add(&user("ada"), "Ada", &two), "a repeat changes nothing");
        assert_eq!(roster.remove(&user("ada"), &two), None);
        assert_eq!(roster.remove(&user("ada"), &two), None, "a repeat changes nothing");
        assert_eq!(roster.remove(&user("ada"), &one).unwrap().username, "Ada");
        assert_eq!(roster.remove(&user("ada"), &one), None);
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
