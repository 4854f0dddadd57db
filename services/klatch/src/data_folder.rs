//! The folder that a running Klatch keeps everything in, used by one process at a time.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longer than another klatch may take to drain after its Ctrl-C.
const LOCKED_WITHIN: Duration = Duration::from_secs(12);
const PAUSE_BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// The data folder, ours alone until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    /// Held for its lock (flock): the kernel lets go of it even after a kill -9.
    _lock: File,
}

/// Why the data folder can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataFolderError {
    #[error("the data folder {} can't be used ({error}): choose another with --data", path.display())]
    Unusable { path: PathBuf, error: io::Error },
    #[error("{} is in use by another klatch{holder}: stop that one, or choose another folder with --data", path.display())]
    InUse { path: PathBuf, holder: String },
}

impl DataFolder {
    /// Makes the folder where it isn't there yet, and takes it. A klatch that is just stopping is waited for.
    pub(crate) async fn open(path: &Path) -> Result<DataFolder, DataFolderError> {
        let unusable = |error| DataFolderError::Unusable { path: path.to_owned(), error };
        fs::create_dir_all(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        let lock = File::options().read(true).write(true).create(true).truncate(false).open(path.join("klatch.lock"));
        let mut lock = lock.map_err(unusable)?;
        take(&path, &mut lock).await?;
        Ok(DataFolder { path, _lock: lock })
    }

    /// Its absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the broker keeps its streams.
    pub(crate) fn broker(&self) -> PathBuf {
        self.path.join("broker")
    }

    /// Where a nats-server goes that had to be fetched.
    pub(crate) fn tools(&self) -> PathBuf {
        self.path.join("tools")
    }
}

async fn take(path: &Path, lock: &mut File) -> Result<(), DataFolderError> {
    let unusable = |error| DataFolderError::Unusable { path: path.to_owned(), error };
    let deadline = Instant::now() + LOCKED_WITHIN;
    let mut told = false;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
            Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                return Err(DataFolderError::InUse { path: path.to_owned(), holder: holder(lock) });
            }
            Err(TryLockError::WouldBlock) => {
                if !told {
                    tracing::warn!(folder = %path.display(), "in use by another klatch{}; waiting for it", holder(lock));
                    told = true;
                }
                tokio::time::sleep(PAUSE_BETWEEN_TRIES).await;
            }
        }
    }
    lock.set_len(0).map_err(unusable)?;
    lock.rewind().map_err(unusable)?;
    write!(lock, "{}", std::process::id()).map_err(unusable)
}

fn holder(lock: &mut File) -> String {
    let mut pid = String::new();
    match lock.rewind().and_then(|()| lock.read_to_string(&mut pid)) {
        Ok(1..) => format!(" (process {pid})"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_is_made_and_waited_for_while_another_holds_it() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let path = parent.path().join("deep/data");
        let first = DataFolder::open(&path).await.expect("nobody holds it");
        assert_eq!(first.broker(), path.canonicalize().expect("made").join("broker"));

        let second = tokio::spawn({
            let path = path.clone();
            async move { DataFolder::open(&path).await }
        });
        tokio::time::sleep(PAUSE_BETWEEN_TRIES * 2).await;
        assert!(!second.is_finished(), "two hold the folder at once");
        drop(first);
        second.await.expect("no panic").expect("the first let go");
    }

    #[tokio::test]
    async fn a_file_in_its_place_is_told_with_a_remedy() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let error = DataFolder::open(file.path()).await.expect_err("a file is no folder");
        assert!(error.to_string().ends_with("choose another with --data"), "{error}");
    }
}
