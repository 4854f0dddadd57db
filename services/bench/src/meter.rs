//! What processes have used: processor time to the nanosecond, memory to the page. From the kernel, not from themselves.

use std::time::Duration;

use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

use crate::error::Error;

/// Processor time that a process has used since its start, in user and in kernel mode, all threads together: also those
/// that have ended (clock_getcpuclockid(3)).
pub(crate) fn cpu(pid: u32) -> Result<Duration, Error> {
    let failed = |cause: nix::Error| Error::Meter { pid, cause: cause.to_string() };
    let raw = i32::try_from(pid).map_err(|error| Error::Meter { pid, cause: error.to_string() })?;
    let clock = clock_getcpuclockid(Pid::from_raw(raw)).map_err(failed)?;
    Ok(Duration::from(clock.now().map_err(failed)?))
}

/// Memory that is a process's own, in bytes: its proportional set size (proc(5), smaps_rollup), so that the pages of a
/// program that several processes share are not counted in each.
pub(crate) fn memory(pid: u32) -> Result<u64, Error> {
    let failed = |cause: String| Error::Meter { pid, cause };
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&path).map_err(|error| failed(format!("{path}: {error}")))?;
    parse_pss(&text).ok_or_else(|| failed(format!("{path} names no Pss")))
}

fn parse_pss(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rollup_is_read_in_bytes() {
        let rollup =
            "5581-7ffc ---p 00000000 00:00 0  [rollup]\nRss:     1760 kB\nPss:      272 kB\nPss_Dirty: 116 kB\n";
        assert_eq!(parse_pss(rollup), Some(272 * 1024));
        assert_eq!(parse_pss("Rss: 1 kB"), None);
    }

    #[test]
    fn our_own_work_shows() {
        let me = std::process::id();
        let before = cpu(me).expect("our own clock");
        // Until it shows: a loop of fixed length might be done within a tick.
        let mut rounds = 0_u64;
        while cpu(me).expect("our own clock") < before + Duration::from_millis(2) {
            rounds += 1;
        }
        assert!(rounds > 0);
        assert!(memory(me).expect("our own memory") > 100 * 1024);
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        // The kernel's numbers end below this one (PID_MAX_LIMIT is 2^22), and a clock's number has room for it.
        let error = cpu(1 << 22).expect_err("nobody");
        assert!(error.to_string().contains("4194304"), "{error}");
    }
}
