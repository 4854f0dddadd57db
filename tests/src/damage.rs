//! What can happen to a folder of files while nobody writes to it.

use std::fs;
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand::rngs::StdRng;

/// A way to damage a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// It is gone.
    Deleted,
    /// Every file lost at least half of its end.
    Truncated,
    /// Bits all over every file are flipped.
    BitFlipped,
}

impl Damage {
    /// All of them.
    pub const ALL: [Damage; 3] = [Damage::Deleted, Damage::Truncated, Damage::BitFlipped];

    /// Does it to a folder.
    ///
    /// # Panics
    /// When the folder isn't there or isn't ours.
    pub fn befall(self, folder: &Path, choices: &mut StdRng) {
        match self {
            Damage::Deleted => fs::remove_dir_all(folder).expect("it is a folder"),
            Damage::Truncated => truncate(folder, choices),
            Damage::BitFlipped => flip_bits(folder, choices),
        }
    }
}

fn truncate(folder: &Path, choices: &mut StdRng) {
    for file in files(folder) {
        let length = fs::metadata(&file).expect("it is there").len();
        let file = fs::File::options().write(true).open(&file).expect("it can be written");
        file.set_len(choices.random_range(0..=length / 2)).expect("it can be cut");
    }
}

fn flip_bits(folder: &Path, choices: &mut StdRng) {
    const FLIPS_A_FILE: usize = 200;
    for file in files(folder) {
        let mut bytes = fs::read(&file).expect("it can be read");
        for _ in 0..FLIPS_A_FILE.min(bytes.len()) {
            let place = choices.random_range(0..bytes.len());
            bytes[place] ^= 1 << choices.random_range(0..8);
        }
        fs::write(&file, bytes).expect("it can be written");
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("it is a folder").map(|entry| entry.expect("readable").path());
    let (folders, mut all): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    all.extend(folders.iter().flat_map(|folder| files(folder)));
    all.sort();
    all
}
