//! Whatever bytes come over a socket, and however they are cut: the same messages, or the same close code.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (step, bytes) = input;
    let whole = klatch_edge::messages_in(bytes, bytes.len().max(1));
    let cut = klatch_edge::messages_in(bytes, usize::from(step).max(1));
    assert_eq!(whole, cut);
});
