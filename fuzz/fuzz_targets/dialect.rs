//! Whatever a client sends in the words of a dialect is understood or refused, and only events that the dialect knows are
//! understood; whatever lies in the stream is told as JSON or not at all.
#![no_main]

use klatch_domain::{Seq, UserId};
use klatch_wire::Code;
use klatch_wire::dialects::{ALL, Happening, Heard, Timeline};
use klatch_wire::native::server::User;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|input: (&str, &str)| {
    let (event, text) = input;
    let user_id = UserId::parse("1").expect("short");
    let speaker = User { user_id: user_id.clone(), username: "Ada".to_owned() };
    let args: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    let heard = Heard { event, args: &args };
    for dialect in ALL {
        let (claim, ask) = (dialect.claim(heard), dialect.read(heard, &speaker));
        assert!(dialect.knows(event) || (claim.is_none() && ask.is_err()));
        for failure in claim.and_then(Result::err).into_iter().chain(ask.err()) {
            assert_eq!(failure.code, Code::InvalidField);
            dialect.refused(event, &failure);
        }
        let timeline = Timeline::new(Seq(2), Seq(1), text.as_bytes());
        if let Some(spoken) = dialect.tell(&Happening::Timeline(timeline), &user_id) {
            assert!(serde_json::from_str::<serde::de::IgnoredAny>(spoken.data.get()).is_ok());
        }
    }
});
