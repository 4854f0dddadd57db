//! Whatever a client sends is a frame or a documented refusal; a frame that was read is written and read alike.
#![no_main]

use klatch_wire::Code;
use klatch_wire::native::ClientFrame;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match ClientFrame::parse(text) {
        Ok(frame) => assert_eq!(ClientFrame::parse(&frame.encode()).as_ref(), Ok(&frame)),
        Err(bad) => assert!(matches!(bad.code, Code::InvalidFrame | Code::InvalidField)),
    }
});
