//! Promise 3: history = a replay of the stream. A rebuilt projection has the digest of the incremental one (compared at
//! positions from the newest erasure on); a checkpoint never passes the stream's end.

use std::collections::BTreeMap;

use super::history::{Frame, Observation, Which};
use super::ledger::Log;
use super::name::{Epoch, Person, Projector, Room, Seq};
use super::present::{Item, items};
use super::run::{Page, Run};

/// How the promise was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A page of history is not what a replay comes to, at its position or any later one.
    #[error("a page of {room} for {reader} ({which:?}, at {at}) is not what the log comes to: {why}")]
    Page {
        /// The room.
        room: Room,
        /// Who was shown it.
        reader: Person,
        /// Which page was asked for.
        which: Which,
        /// The position that it was made at.
        at: Seq,
        /// What is wrong with it.
        why: Wrong,
    },
    /// Two states at one position of one stream have different digests.
    #[error("at {position}, {one} has the digest {digest}, {other} has {other_digest}")]
    Digest {
        /// The position.
        position: Seq,
        /// One projector.
        one: Projector,
        /// Its digest.
        digest: String,
        /// Another, or the same after a rebuild.
        other: Projector,
        /// Its digest.
        other_digest: String,
    },
    /// A projector says that it folded what the stream doesn't have.
    #[error("{projector} has folded up to {position}; the stream ends at {last}")]
    PastTheEnd {
        /// The projector.
        projector: Projector,
        /// Its position.
        position: Seq,
        /// The stream's last sequence.
        last: Seq,
    },
}

/// What is wrong with a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Its items don't lie in the order of the log.
    #[error("{0} stands before an older one")]
    Order(Seq),
    /// An item is left out.
    #[error("{0} is left out")]
    LeftOut(Seq),
    /// It shows what is no item there.
    #[error("{0} is no item of this page")]
    Foreign(Seq),
    /// An item is not in the state that it should be in.
    #[error("{0}: {1}")]
    Differs(Seq, String),
    /// `more` doesn't say whether there is more.
    #[error("`more` is {0}")]
    More(bool),
}

/// Every break of the promise.
pub fn judge(run: &Run<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut references = References::default();
    for page in run.pages() {
        judge_page(run, &page, &mut references, &mut found);
    }
    judge_digests(run, &mut found);
    found
}

/// What rooms had to look like, remembered: a run has many pages at few positions.
#[derive(Default)]
struct References<'h> {
    items: BTreeMap<(&'h Epoch, &'h Room, Seq), Vec<Item<'h>>>,
}

/// So many are remembered: those of a long run would fill the memory.
const REFERENCES_MAX: usize = 64;

impl<'h> References<'h> {
    fn at(&mut self, log: &Log<'h>, epoch: &'h Epoch, room: &'h Room, position: Seq) -> &[Item<'h>] {
        if self.items.len() >= REFERENCES_MAX {
            self.items.clear();
        }
        self.items.entry((epoch, room, position)).or_insert_with(|| items(log, position))
    }
}

fn judge_page<'h>(run: &Run<'h>, page: &Page<'h>, references: &mut References<'h>, found: &mut Vec<Violation>) {
    if run.ledger.was_wiped(&page.at.epoch) {
        return;
    }
    let nothing = Log::default();
    let log = run.ledger.log(&page.at.epoch, page.room).unwrap_or(&nothing);
    let mut wrong = |position| {
        let floor = log.floor(page.person, position);
        let reference = references.at(log, &page.at.epoch, page.room, position);
        let visible = reference.partition_point(|item| item.seq < floor);
        compare(page, &reference[visible..]).err()
    };
    let Some(why) = wrong(page.at.seq) else { return };
    // The page may hold more than the position promises: it is right if it is right at any later one.
    let later = log.timeline.range(Seq(page.at.seq.0 + 1)..).map(|(seq, _)| *seq);
    if !later.into_iter().any(|position| wrong(position).is_none()) {
        found.push(Violation::Page {
            room: page.room.clone(),
            reader: page.person.clone(),
            which: page.which,
            at: page.at.seq,
            why,
        });
    }
}

/// Whether a page is a run of the reference's items, at the right end, with a true `more`.
fn compare(page: &Page<'_>, reference: &[Item<'_>]) -> Result<(), Wrong> {
    if let Some(pair) = page.items.windows(2).find(|pair| pair[0].seq >= pair[1].seq) {
        return Err(Wrong::Order(pair[0].seq));
    }
    let eligible = match page.which {
        Which::Newest | Which::Around(_) => reference,
        Which::Before(end) => &reference[..reference.partition_point(|item| item.seq < end)],
        Which::After(begin) => &reference[reference.partition_point(|item| item.seq <= begin)..],
    };
    let shown = page.items.len();
    if let Some(foreign) = foreign(page.items, eligible) {
        return Err(Wrong::Foreign(foreign));
    }
    let begin = match (page.which, page.items.first()) {
        (Which::Around(_), Some(first)) => eligible.partition_point(|item| item.seq < first.seq),
        (Which::After(_), _) => 0,
        _ => eligible.len() - shown,
    };
    let expected = &eligible[begin..(begin + shown).min(eligible.len())];
    for (item, served) in expected.iter().zip(page.items) {
        if item.seq != served.seq {
            return Err(Wrong::LeftOut(item.seq.max(served.seq)));
        }
        if let Some(why) = item.differs_from(served) {
            return Err(Wrong::Differs(item.seq, why));
        }
    }
    let around = matches!(page.which, Which::Around(_));
    if !around && page.more != (shown < eligible.len()) {
        return Err(if shown == 0 && !page.more { Wrong::LeftOut(eligible[0].seq) } else { Wrong::More(page.more) });
    }
    Ok(())
}

/// The first item served that is none of the reference's.
fn foreign(served: &[Frame], eligible: &[Item<'_>]) -> Option<Seq> {
    let known = |seq: Seq| eligible.binary_search_by_key(&seq, |item| item.seq).is_ok();
    served.iter().map(|item| item.seq).find(|seq| !known(*seq))
}

fn judge_digests(run: &Run<'_>, found: &mut Vec<Violation>) {
    let mut first: BTreeMap<(&Epoch, Seq), (&Projector, &str)> = BTreeMap::new();
    for entry in &run.history.entries {
        let Observation::Folded { projector, epoch, position, digest, .. } = &entry.what else { continue };
        let Some(life) = run.ledger.life(epoch).filter(|_| !run.ledger.was_wiped(epoch)) else { continue };
        if *position > life.last {
            let (projector, position, last) = (projector.clone(), *position, life.last);
            found.push(Violation::PastTheEnd { projector, position, last });
            continue;
        }
        let newest_erasure = life.rooms().flat_map(|(_, log)| log.deletions.values()).map(|one| one.seq).max();
        if newest_erasure.is_some_and(|erasure| *position < erasure) {
            continue;
        }
        let (one, known) = first.entry((epoch, *position)).or_insert((projector, digest));
        if known != digest {
            found.push(Violation::Digest {
                position: *position,
                one: (*one).clone(),
                digest: (*known).to_owned(),
                other: projector.clone(),
                other_digest: digest.clone(),
            });
        }
    }
}

/// How many pages and digests there were to compare.
pub fn compared(run: &Run<'_>) -> usize {
    let digests = run.history.entries.iter().filter(|entry| matches!(entry.what, Observation::Folded { .. }));
    run.pages().count() + digests.count()
}
