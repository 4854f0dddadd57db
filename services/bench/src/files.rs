//! How many files, and so connections, a process may have open: ours and those that we start, which inherit it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::Error;

/// With fewer not even the small rows can be measured.
const NEEDED: u64 = 4_096;
/// A server's own files (listeners, the broker, sled's), and a generous rest.
const KEPT_BACK: u64 = 200;

/// Raises the limit as far as the system lets us, and gives how many connections one process can hold then.
pub(crate) fn raise() -> Result<usize, Error> {
    let now = getrlimit(Resource::Nofile);
    let hard = now.maximum.unwrap_or(u64::MAX);
    if hard < NEEDED {
        return Err(Error::TooFewFiles { hard, needed: NEEDED });
    }
    // Unlimited by name is not by nature: the kernel's own bound is fs.nr_open, a million by default.
    let wanted = hard.min(1 << 20);
    let raised = Rlimit { current: Some(wanted), maximum: now.maximum };
    let holds = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(_) => now.current.unwrap_or(wanted),
    };
    if holds < NEEDED {
        return Err(Error::TooFewFiles { hard: holds, needed: NEEDED });
    }
    Ok(usize::try_from(holds - KEPT_BACK).unwrap_or(usize::MAX))
}
