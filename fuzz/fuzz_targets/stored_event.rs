//! Whatever lies in the stream is an event or undecodable; an event that was read is written and read alike.
#![no_main]

use klatch_domain::Event;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(event) = Event::decode(bytes) {
        assert_eq!(Event::decode(&event.encode()).ok(), Some(event));
    }
});
