//! Chance, from a seed: everything on a seeded thread that would ask the system for randomness gets the same again for the
//! same seed.
//!
//! Randomness comes into the process from one place, libc's `getrandom`: from it come the order of hash maps, the fairness
//! of `select!` and of `watch`, jitter, ids. The standard library leaves the symbol open "for interposition"; here it is
//! interposed. Threads without a seed go on asking the kernel.
//!
//! Tokio mixes in how many runtimes its process has had: so each run is the first in a process of its own.

use std::cell::Cell;

thread_local! {
    /// What the thread's randomness is made of; none where it is the kernel's.
    static STATE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Seeds this thread. To be called first of all on it: what has drawn from the kernel before goes on with that.
pub fn seed(seed: u64) {
    STATE.set(Some(seed));
}

/// The next number (SplitMix64), where this thread is seeded.
fn draw() -> Option<u64> {
    let state = STATE.get()?.wrapping_add(0x9E37_79B9_7F4A_7C15);
    STATE.set(Some(state));
    let mut mixed = state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    Some(mixed ^ (mixed >> 31))
}

/// In place of libc's: bytes of this thread's chance, or of the kernel's.
///
/// # Safety
/// As libc's: `buffer` is valid for writes of `length` bytes.
#[expect(unsafe_code, reason = "the symbol is C's, and so is the buffer")]
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, flags: u32) -> isize {
    if length == 0 {
        return 0;
    }
    // SAFETY: the caller's promise, which is getrandom(2)'s own.
    let buffer = unsafe { std::slice::from_raw_parts_mut(buffer, length) };
    for at in (0..length).step_by(8) {
        let Some(drawn) = draw() else { return kernel(buffer, flags) };
        let chunk = &mut buffer[at..length.min(at + 8)];
        chunk.copy_from_slice(&drawn.to_le_bytes()[..chunk.len()]);
    }
    length as isize
}

fn kernel(buffer: &mut [u8], flags: u32) -> isize {
    let flags = rustix::rand::GetRandomFlags::from_bits_retain(flags);
    match rustix::rand::getrandom(buffer, flags) {
        Ok(written) => written as isize,
        Err(_) => -1,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rand::RngExt;

    use super::*;

    /// What a thread comes across by chance.
    fn met(seeded: Option<u64>) -> String {
        let met = move || {
            if let Some(seeded) = seeded {
                seed(seeded);
            }
            let map: HashMap<u32, ()> = (0..50).map(|key| (key, ())).collect();
            let keys: Vec<u32> = map.into_keys().collect();
            let drawn: Vec<u32> = (0..5).map(|_| rand::rng().random()).collect();
            let id = klatch_eventlog::Clock::Wall.fresh_id().as_u64_pair().1;
            format!("{keys:?} {drawn:?} {id}")
        };
        std::thread::spawn(met).join().expect("no panic")
    }

    #[test]
    fn the_same_seed_meets_the_same_and_another_something_else() {
        assert_eq!(met(Some(7)), met(Some(7)));
        assert_ne!(met(Some(7)), met(Some(8)));
        assert_ne!(met(None), met(None));
    }
}
