//! `schemas/` is what the code generates: the JSON Schemas of every frame and stored event, and golden examples of
//! every frame and of what clients of each dialect send and hear. A difference fails; `UPDATE_SCHEMAS=1 cargo test -p klatch-wire --test schemas` writes it.

mod client_examples;
mod dialect_examples;
mod dialects;
mod server_examples;
mod validate;

use std::collections::BTreeSet;
use std::path::PathBuf;

use klatch_wire::native::{ClientFrame, Request, catalogue};
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas")
}

/// Holds a file to what the code says now, or writes it.
fn hold(path: &str, text: &str) {
    let file = folder().join(path);
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::create_dir_all(file.parent().expect("a folder")).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == text,
        "schemas/{path} is not what the code says: UPDATE_SCHEMAS=1 cargo test -p klatch-wire --test schemas"
    );
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a schema is JSON") + "\n"
}

/// The constant `event`s of all frames in a schema.
fn events(schema: &Value) -> BTreeSet<String> {
    let unions = [schema, &schema["definitions"]["TimelineFrame"], &schema["definitions"]["SessionFrame"]];
    let frames = unions.into_iter().filter_map(|union| union["oneOf"].as_array()).flatten();
    frames.filter_map(|frame| frame["properties"]["event"]["const"].as_str().map(str::to_owned)).collect()
}

#[test]
fn the_schemas_are_what_the_code_says() {
    hold("client-frames.json", &pretty(&catalogue::client_frames()));
    hold("server-frames.json", &pretty(&catalogue::server_frames()));
    hold("stored-events.json", &pretty(&catalogue::stored_events()));
}

#[test]
fn every_request_is_in_the_schema_and_has_an_example_that_is_read_back() {
    let schema = catalogue::client_frames();
    let all: BTreeSet<String> = Request::EVENTS.iter().map(|event| (*event).to_owned()).collect();
    assert_eq!(events(&schema), all);
    let examples = client_examples::all();
    assert_eq!(examples.iter().map(|frame| frame.request.event().to_owned()).collect::<BTreeSet<_>>(), all);
    for frame in examples {
        let text = frame.encode();
        hold(&format!("golden/client/{}.json", frame.request.event()), &format!("{text}\n"));
        assert_eq!(ClientFrame::parse(&text), Ok(frame));
        validate::check(&schema, &serde_json::from_str(&text).unwrap());
    }
}

#[test]
fn every_ack_that_a_request_names_is_defined() {
    let server = catalogue::server_frames();
    for event in Request::EVENTS {
        let ack = catalogue::ack_of(event);
        assert!(server["definitions"][ack].is_object(), "{event}: {ack}");
    }
}

#[test]
fn every_frame_of_the_servers_has_an_example_that_fits_its_schema() {
    let schema = catalogue::server_frames();
    let mut seen = BTreeSet::new();
    for (name, bytes) in server_examples::all() {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        hold(&format!("golden/server/{name}.json"), &format!("{text}\n"));
        let frame: Value = serde_json::from_str(&text).unwrap();
        validate::check(&schema, &frame);
        seen.insert(frame["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, events(&schema));
}

#[test]
fn every_ack_has_an_example_of_its_own_shape() {
    let schema = catalogue::server_frames();
    for (name, bytes) in server_examples::all() {
        let Some(event) = name.strip_prefix("ack.") else { continue };
        let frame: Value = serde_json::from_slice(&bytes).unwrap();
        validate::check_against(&schema, &schema["definitions"][catalogue::ack_of(event)], &frame["data"]);
    }
}

#[test]
fn every_stored_example_fits_the_schema_of_stored_events() {
    let schema = catalogue::stored_events();
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(folder().join("golden/events")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let event: Value = serde_json::from_str(&text).unwrap();
        validate::check(&schema, &event);
        seen.insert(event["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, events(&schema));
}

#[test]
fn each_frame_is_told_by_a_title_of_its_own() {
    for schema in [catalogue::client_frames(), catalogue::server_frames(), catalogue::stored_events()] {
        let unions = [&schema, &schema["definitions"]["TimelineFrame"], &schema["definitions"]["SessionFrame"]];
        for union in unions {
            let titles: Vec<&Value> =
                union["oneOf"].as_array().into_iter().flatten().map(|one| &one["title"]).collect();
            let different: BTreeSet<&str> = titles.iter().map(|title| title.as_str().expect("a title")).collect();
            assert_eq!(different.len(), titles.len());
        }
    }
}
