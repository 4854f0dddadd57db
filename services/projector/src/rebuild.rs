//! Doubt, and what follows from it: the views are set aside and made anew from the log.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use klatch_domain::Epoch;
use klatch_eventlog::{Log, ReadError};

use crate::store::checkpoint::{Checkpoint, Fingerprint, SCHEMA};
use crate::store::{Damage, Store};

/// Why views can't be gone on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Doubt {
    /// They are of another life of the stream.
    #[error("the stream begins anew: its epoch is {now}, the views are of {was}")]
    OtherEpoch {
        /// The views'.
        was: Epoch,
        /// The stream's.
        now: Epoch,
    },
    /// They hold more than the stream.
    #[error("the views were folded past the stream's end")]
    PastEnd,
    /// Where they stand, the stream holds another message than they folded.
    #[error("the stream holds another message at the checkpoint than was folded")]
    AnotherMessage,
    /// Another version of Klatch made them.
    #[error("the views have schema {0}, this version's is {SCHEMA}")]
    Schema(u32),
    /// They can't be read or written.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

impl Doubt {
    /// Whether it is the stream that went back: then positions that clients hold are void, and the epoch must say so.
    pub(crate) fn voids_positions(&self) -> bool {
        matches!(self, Doubt::PastEnd | Doubt::AnotherMessage)
    }
}

/// Holds a checkpoint against the log. An erased message at the checkpoint is no doubt.
pub(crate) async fn assess(log: &Log, checkpoint: &Checkpoint) -> Result<Option<Doubt>, ReadError> {
    if checkpoint.schema != SCHEMA {
        return Ok(Some(Doubt::Schema(checkpoint.schema)));
    }
    let now = log.epoch();
    if checkpoint.epoch != now {
        return Ok(Some(Doubt::OtherEpoch { was: checkpoint.epoch, now }));
    }
    if checkpoint.seq > log.last_seq().await? {
        return Ok(Some(Doubt::PastEnd));
    }
    let Some(mark) = checkpoint.mark else { return Ok(None) };
    let there = log.get(checkpoint.seq).await?;
    let is_another = there.is_some_and(|there| Fingerprint::of(&there) != mark);
    Ok(is_another.then_some(Doubt::AnotherMessage))
}

/// Moves the views out of the way, to be looked at: one set is kept at most, and none above `bytes_max`.
pub(crate) fn set_aside(dir: &Path, bytes_max: u64) -> io::Result<()> {
    let older = all_set_aside(dir)?;
    let number = older.iter().map(|(number, _)| number + 1).max().unwrap_or(1);
    for (_, path) in older {
        fs::remove_dir_all(path)?;
    }
    match fs::exists(dir)? {
        false => Ok(()),
        true if bytes(dir)? > bytes_max => fs::remove_dir_all(dir),
        true => fs::rename(dir, named(dir, number)),
    }
}

/// Removes what was set aside: after an erasure nothing may keep the words.
pub(crate) fn forget_set_aside(dir: &Path) -> io::Result<()> {
    all_set_aside(dir)?.into_iter().try_for_each(|(_, path)| fs::remove_dir_all(path))
}

/// Removes the views in `dir`, so that the next projector that starts there makes them anew; what was erased from the log
/// is then in no file any more. Refuses while a projector works on them.
pub fn rebuild(dir: &Path) -> io::Result<()> {
    if fs::exists(dir)? {
        match Store::open(dir, 1 << 20) {
            Err(Damage::Disk(why)) => return Err(io::Error::other(format!("the views can't be removed now: {why}"))),
            // Whatever else is wrong with them, nobody holds them.
            Ok(_) | Err(_) => fs::remove_dir_all(dir)?,
        }
    }
    forget_set_aside(dir)
}

fn named(dir: &Path, number: u64) -> PathBuf {
    let mut path = dir.as_os_str().to_owned();
    path.push(format!(".bad-{number}"));
    PathBuf::from(path)
}

fn all_set_aside(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let name = named(dir, 0);
    let prefix =
        name.file_name().map(|name| name.to_string_lossy().trim_end_matches('0').to_owned()).unwrap_or_default();
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !fs::exists(parent)? {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let number = entry.file_name().to_string_lossy().strip_prefix(&prefix).and_then(|number| number.parse().ok());
        found.extend(number.map(|number| (number, entry.path())));
    }
    Ok(found)
}

fn bytes(dir: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn views(dir: &Path, content: &str) {
        fs::create_dir_all(dir.join("blobs")).unwrap();
        fs::write(dir.join("blobs/1"), content).unwrap();
    }

    #[test]
    fn one_set_is_kept_and_none_that_is_too_large() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("projector");
        fs::create_dir(home.path().join("projector.bad-x")).unwrap();
        for n in 1..=3 {
            views(&dir, &n.to_string());
            set_aside(&dir, 10).unwrap();
            assert!(!dir.exists());
            let kept = all_set_aside(&dir).unwrap();
            assert_eq!(kept, [(n, home.path().join(format!("projector.bad-{n}")))]);
            assert_eq!(fs::read_to_string(kept[0].1.join("blobs/1")).unwrap(), n.to_string());
        }
        views(&dir, "more than ten bytes");
        set_aside(&dir, 10).unwrap();
        assert!(!dir.exists() && all_set_aside(&dir).unwrap().is_empty());
        assert!(home.path().join("projector.bad-x").exists(), "what is not ours stays");
        set_aside(&dir, 10).unwrap();
    }

    #[test]
    fn views_in_use_are_not_removed() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("projector");
        let store = Store::open(&dir, 1 << 20).unwrap();
        assert!(rebuild(&dir).unwrap_err().to_string().contains("lock"));
        drop(store);
        rebuild(&dir).unwrap();
        assert!(!dir.exists());
        rebuild(&dir).unwrap();
    }
}
