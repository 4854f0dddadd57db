//! No subject that others wrote panics, and what is read as an address is written as the same subject.
#![no_main]

use klatch_eventlog::subject;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(address) = subject::parse_event(text) {
        assert_eq!(subject::event(&address), text);
    }
});
