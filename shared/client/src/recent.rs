//! The newest things of a kind: a set that forgets the oldest.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

#[derive(Debug)]
pub(crate) struct Recent<T> {
    known: HashSet<T>,
    order: VecDeque<T>,
    max: usize,
}

impl<T: Eq + Hash + Clone> Recent<T> {
    pub(crate) fn new(max: usize) -> Self {
        Recent { known: HashSet::new(), order: VecDeque::new(), max }
    }

    /// Takes it in; false where it was known.
    pub(crate) fn add(&mut self, item: T) -> bool {
        if !self.known.insert(item.clone()) {
            return false;
        }
        self.order.push_back(item);
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_the_newest_and_forgets_the_oldest() {
        let mut recent = Recent::new(2);
        assert!(recent.add(1) && recent.add(2) && !recent.add(1));
        assert!(recent.add(3));
        assert!(!recent.add(2) && recent.add(1), "1 was the oldest");
    }
}
