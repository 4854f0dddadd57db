//! Text frames that are no JSON, no frame, or no command.

use klatch_tests::checker::name::Room;
use serde_json::json;

use super::Scene;
use super::raw_socket::*;

/// What is sent, the code that it must be answered with, and the id that the answer must carry.
fn wrong() -> Vec<(&'static str, String, &'static str, Option<&'static str>)> {
    let frame = |event: &str, data: &str| format!(r#"{{"event":"{event}","id":"7","data":{data}}}"#);
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    vec![
        ("nothing", String::new(), "invalid_frame", None),
        ("no JSON", "hello".into(), "invalid_frame", None),
        ("half of it", r#"{"event":"chat.ping""#.into(), "invalid_frame", None),
        ("a list", "[]".into(), "invalid_frame", None),
        ("a list that reads like a frame", r#"["chat.ping",{},"7"]"#.into(), "invalid_frame", None),
        ("a bomb of brackets", deep.clone(), "invalid_frame", None),
        ("a bomb in data", format!(r#"{{"event":"chat.ping","id":"7","data":{deep}}}"#), "invalid_field", Some("7")),
        ("no event", r#"{"id":"7","data":{}}"#.into(), "invalid_frame", Some("7")),
        ("an unknown event", frame("chat.explode", "{}"), "invalid_field", Some("7")),
        ("a server's event", frame("chat.memberChanged", "{}"), "invalid_field", Some("7")),
        ("no room", frame("chat.join", "{}"), "invalid_field", Some("7")),
        ("an unknown field", frame("chat.join", r#"{"roomId":"r","colour":1}"#), "invalid_field", Some("7")),
        ("a field twice", frame("chat.join", r#"{"roomId":"r","roomId":"s"}"#), "invalid_field", Some("7")),
        ("a wrong type", frame("chat.join", r#"{"roomId":["r"]}"#), "invalid_field", Some("7")),
        (
            "an empty message",
            frame("chat.message", r#"{"roomId":"elsewhere","message":""}"#),
            "invalid_field",
            Some("7"),
        ),
        ("a list for data", frame("chat.join", r#"["elsewhere"]"#), "invalid_field", Some("7")),
        ("an empty list for data", frame("chat.ping", "[]"), "invalid_field", Some("7")),
        (
            "a list for a position",
            frame("chat.join", r#"{"roomId":"elsewhere","since":["00000000-0000-0000-0000-000000000000",1]}"#),
            "invalid_field",
            Some("7"),
        ),
        ("a negative sequence", frame("chat.read", r#"{"roomId":"elsewhere","seq":-1}"#), "invalid_field", Some("7")),
        (
            "a sequence past all numbers",
            frame("chat.read", r#"{"roomId":"elsewhere","seq":1e300}"#),
            "invalid_field",
            Some("7"),
        ),
        ("an id that is a number", r#"{"event":"chat.ping","id":7}"#.into(), "invalid_field", None),
        (
            "a lone surrogate",
            r#"{"event":"chat.join","id":"7","data":{"roomId":"\ud800"}}"#.into(),
            "invalid_field",
            Some("7"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_frame_is_answered_with_its_code_and_the_connection_goes_on() {
    let scene = Scene::open().await;
    // A member of the room that the frames are about, so that only the frames are wrong.
    let mallory = scene.cluster.device(0, "mallory").await;
    mallory.joined(&Room::from("elsewhere"), None).await;
    let token = scene.cluster.doors().token(&"mallory".into()).await;
    let mut socket = RawSocket::open(&scene.address(), Some(&token)).await;
    for (what, text, code, id) in wrong() {
        socket.send(&frame(FIN | TEXT, text.as_bytes())).await;
        let answer = socket.json().await;
        assert_eq!(answer["event"], "error", "{what}: {answer}");
        assert_eq!(answer["data"]["code"], code, "{what}: {answer}");
        assert_eq!(answer["data"]["retryable"], false, "{what}: {answer}");
        assert_eq!(answer["id"].as_str(), id, "{what}: {answer}");
        // The same connection still works.
        socket.send(&frame(FIN | TEXT, br#"{"event":"chat.ping","id":"after"}"#)).await;
        assert_eq!(socket.json().await["id"], "after", "{what}");
    }
    scene.goes_on().await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_another_room_can_be_neither_edited_nor_deleted_nor_answered_from_this_one() {
    let scene = Scene::open().await;
    let (message, at) = scene.neighbour.say(&scene.room, "mine").await;
    let mallory = scene.cluster.device(0, "mallory").await;
    let room = Room::from("elsewhere");
    mallory.joined(&room, None).await;
    let token = scene.cluster.doors().token(&"mallory".into()).await;
    let mut socket = RawSocket::open(&scene.address(), Some(&token)).await;
    let target = json!({"roomId": room, "messageId": message, "seq": at.seq});
    for (event, more) in [
        ("chat.edit", json!({"message": "yours"})),
        ("chat.delete", json!({})),
        ("chat.message", json!({"message": "re", "replyTo": {"messageId": message, "seq": at.seq}})),
    ] {
        let mut data = if event == "chat.message" { json!({"roomId": room}) } else { target.clone() };
        data.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let asked = json!({"event": event, "id": "7", "data": data});
        socket.send(&frame(FIN | TEXT, asked.to_string().as_bytes())).await;
        let answer = socket.json().await;
        assert_eq!(
            (&answer["event"], &answer["data"]["code"]),
            (&json!("error"), &json!("not_found")),
            "{event}: {answer}"
        );
    }
    scene.goes_on().await;
    scene.close().await;
}
