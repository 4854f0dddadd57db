//! Frames that break RFC 6455, and frames that are only unusual.

use super::Scene;
use super::raw_socket::*;

/// What is sent, and the code that it must be closed with.
fn broken() -> Vec<(&'static str, Vec<u8>, u16)> {
    let ping = br#"{"event":"chat.ping","id":"1"}"#;
    let unmasked = [header(FIN | TEXT, 0, ping.len() as u64), ping.to_vec()].concat();
    let flood: Vec<u8> = (0..1_000).flat_map(|n| frame(if n == 0 { TEXT } else { CONTINUATION }, b"x")).collect();
    let long = vec![b'x'; 60_000];
    let too_long_in_parts = [frame(TEXT, &long), frame(FIN | CONTINUATION, &long)].concat();
    vec![
        ("an unmasked frame", unmasked, 1002),
        ("the first reserved bit", frame(FIN | 0x40 | TEXT, ping), 1002),
        ("the second reserved bit", frame(FIN | 0x20 | TEXT, ping), 1002),
        ("the third reserved bit", frame(FIN | 0x10 | TEXT, ping), 1002),
        ("a reserved opcode", frame(FIN | 0x3, ping), 1002),
        ("a reserved control opcode", frame(FIN | 0xB, b""), 1002),
        ("a declared length past the limit, nothing sent of it", header(FIN | TEXT, MASKED, 64 * 1024 + 1), 1009),
        ("a declared length of four exabytes", header(FIN | TEXT, MASKED, 1 << 62), 1009),
        ("fragments that are too long together", too_long_in_parts, 1009),
        ("a flood of fragments of one byte", flood, 1002),
        ("a continuation of nothing", frame(FIN | CONTINUATION, ping), 1002),
        ("a text within a text", [frame(TEXT, b"{"), frame(FIN | TEXT, ping)].concat(), 1002),
        ("a ping of 126 bytes", frame(FIN | PING, &[b'x'; 126]), 1002),
        ("a pong of 126 bytes", frame(FIN | PONG, &[b'x'; 126]), 1002),
        ("a close of 126 bytes", frame(FIN | CLOSE, &[b'x'; 126]), 1002),
        ("a ping in two parts", frame(PING, b"x"), 1002),
        ("a close with half a code", frame(FIN | CLOSE, &[3]), 1002),
        ("a close with a code that no frame may have", frame(FIN | CLOSE, &1005_u16.to_be_bytes()), 1002),
        ("a close with a reason that is no UTF-8", frame(FIN | CLOSE, b"\x03\xe8\xff"), 1007),
        ("text that is no UTF-8", frame(FIN | TEXT, b"\"\xff\xfe\""), 1007),
        ("text that ends within a character", frame(FIN | TEXT, "é".as_bytes().split_last().unwrap().1), 1007),
        ("a binary frame", frame(FIN | BINARY, ping), 1003),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_frame_is_closed_with_its_code_and_the_neighbour_goes_on() {
    let scene = Scene::open().await;
    let token = scene.cluster.doors().token(&"mallory".into()).await;
    for (what, bytes, code) in broken() {
        let mut socket = RawSocket::open(&scene.address(), Some(&token)).await;
        socket.send(&bytes).await;
        assert_eq!(socket.close_code().await, code, "{what}");
        scene.goes_on().await;
    }
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_in_parts_with_a_character_torn_apart_and_a_ping_in_between_is_one_text() {
    let scene = Scene::open().await;
    let token = scene.cluster.doors().token(&"mallory".into()).await;
    let mut socket = RawSocket::open(&scene.address(), Some(&token)).await;
    let text = r#"{"event":"chat.ping","id":"é🦀"}"#.as_bytes();
    let torn = text.iter().position(|byte| *byte >= 0x80).expect("not only ASCII") + 1;
    let bytes =
        [frame(TEXT, &text[..torn]), frame(FIN | PING, b"are you there"), frame(FIN | CONTINUATION, &text[torn..])];
    // Byte by byte, as a slow line would bring it.
    for byte in bytes.concat() {
        socket.send(&[byte]).await;
    }
    assert_eq!(socket.next().await, Some(Frame { opcode: PONG, payload: b"are you there".to_vec() }));
    let answer = socket.json().await;
    assert_eq!((answer["event"].as_str(), answer["id"].as_str()), (Some("ack"), Some("é🦀")));
    socket.send(&frame(FIN | CLOSE, &1000_u16.to_be_bytes())).await;
    assert_eq!(socket.close_code().await, 1000);
    scene.goes_on().await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_frame_and_then_nothing_harms_nobody() {
    let scene = Scene::open().await;
    let token = scene.cluster.doors().token(&"mallory".into()).await;
    let mut halves = Vec::new();
    for _ in 0..20 {
        let mut socket = RawSocket::open(&scene.address(), Some(&token)).await;
        socket.send(&header(FIN | TEXT, MASKED, 60_000)).await;
        socket.send(&[b'x'; 1_000]).await;
        halves.push(socket);
    }
    scene.goes_on().await;
    drop(halves);
    scene.goes_on().await;
    scene.close().await;
}
