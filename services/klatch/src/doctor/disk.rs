//! Room for what comes: on the disks under the data folder, and within JetStream's own limits.

use std::path::{Path, PathBuf};

use klatch_eventlog::{AccountUse, Unseen};

use super::finding::{Check, Finding};

/// Of a disk: below this much of it free, and below this many bytes.
const FREE_PERCENT_NOTABLE: u64 = 10;
const FREE_BYTES_MIN: u64 = 512 * 1024 * 1024;
/// Of a limit.
const USED_PERCENT_NOTABLE: u64 = 80;
const USED_PERCENT_MAX: u64 = 95;

/// A folder, and the disk that it lies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) free: u64,
    pub(super) size: u64,
}

/// Those of the folders that are there; on another machine they are somebody else's to look at.
pub(super) fn gather(folders: &[PathBuf]) -> Vec<Folder> {
    folders.iter().filter_map(|path| look(path)).collect()
}

fn look(path: &Path) -> Option<Folder> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(Folder { path: path.to_owned(), free: disk.f_bavail * disk.f_frsize, size: disk.f_blocks * disk.f_frsize })
}

pub(super) fn judge(folders: &[Folder]) -> Vec<Finding> {
    if folders.is_empty() {
        let remedy = "run doctor beside the projector, and on the broker's machine, with their --data";
        return vec![Finding::note(Check::Disk, "disk", "no data folder here, so no disk was looked at", remedy)];
    }
    folders.iter().map(of_folder).collect()
}

fn of_folder(folder: &Folder) -> Finding {
    let about = format!("disk of {}", folder.path.display());
    let percent = folder.free.saturating_mul(100) / folder.size.max(1);
    let what = format!("{} free, {percent} %", bytes(folder.free));
    let remedy = "make room or move the folder to a larger disk: a full one stops all writes, and the log only grows";
    if folder.free < FREE_BYTES_MIN {
        return Finding::problem(Check::Disk, about, what, remedy);
    }
    if percent < FREE_PERCENT_NOTABLE {
        return Finding::warning(Check::Disk, about, what, remedy);
    }
    Finding::ok(Check::Disk, about, what)
}

/// Whether JetStream is there for us, and how near its limits.
pub(super) fn judge_account(account: &Result<AccountUse, Unseen>) -> Vec<Finding> {
    match account {
        Err(Unseen::NoResponder) => {
            let what = "nobody answers for JetStream";
            let remedy = "turn it on (jetstream { store_dir: … }), and for our account where the server has several";
            vec![Finding::problem(Check::Jetstream, "JetStream", what, remedy)]
        }
        Err(why) => vec![Finding::unseen(Check::Jetstream, "JetStream", why)],
        Ok(account) => vec![
            of_limit("JetStream's disk", account.storage, account.limits.max_storage),
            of_limit("JetStream's memory", account.memory, account.limits.max_memory),
        ],
    }
}

fn of_limit(about: &str, used: u64, limit: i64) -> Finding {
    // Negative for none; 0 where a server says nothing.
    let Some(limit) = u64::try_from(limit).ok().filter(|limit| *limit > 0) else {
        return Finding::ok(Check::Jetstream, about, format!("{} used, the account has no limit", bytes(used)));
    };
    let percent = used.saturating_mul(100) / limit;
    let what = format!("{} of {} used, {percent} %", bytes(used), bytes(limit));
    let remedy = "raise the account's limit at the server: at the limit nothing is stored any more";
    match percent {
        USED_PERCENT_MAX.. => Finding::problem(Check::Jetstream, about, what, remedy),
        USED_PERCENT_NOTABLE.. => Finding::warning(Check::Jetstream, about, what, remedy),
        _ => Finding::ok(Check::Jetstream, about, what),
    }
}

fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut count = count as f64;
    let mut unit = 0;
    while count >= 1024.0 && unit + 1 < UNITS.len() {
        count /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{count:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    const GIB: u64 = 1024 * 1024 * 1024;

    #[test]
    fn a_disk_is_full_before_it_is_full() {
        let judged = |free, size| of_folder(&Folder { path: "/data".into(), free, size }).severity;
        assert_eq!(judged(50 * GIB, 100 * GIB), Severity::Ok);
        assert_eq!(judged(9 * GIB, 100 * GIB), Severity::Warning);
        assert_eq!(judged(GIB / 4, 100 * GIB), Severity::Problem);
        assert_eq!(judged(GIB / 4, GIB / 2), Severity::Problem, "half of next to nothing is next to nothing");
        assert_eq!(judge(&[])[0].severity, Severity::Note);
        assert_eq!(gather(&["/nowhere/at/all".into()]), []);
    }

    #[test]
    fn a_limit_is_near_before_it_is_reached() {
        let judged = |used, limit| of_limit("JetStream's disk", used, limit).severity;
        assert_eq!(judged(GIB, -1), Severity::Ok);
        assert_eq!(judged(10, 100), Severity::Ok);
        assert_eq!(judged(80, 100), Severity::Warning);
        assert_eq!(judged(95, 100), Severity::Problem);
        assert_eq!(judge_account(&Err(Unseen::NoResponder))[0].severity, Severity::Problem);
    }

    #[test]
    fn sizes_are_for_people() {
        assert_eq!([bytes(17), bytes(1536), bytes(3 * GIB)], ["17 B", "1.5 KiB", "3.0 GiB"]);
    }
}
