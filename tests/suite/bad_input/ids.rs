//! Ids that would be something else in a NATS subject, and ids that are none.

use klatch_tests::checker::history::Answer;
use klatch_tests::checker::name::Room;

use super::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn rooms_with_wild_names_are_rooms_like_any_other_and_apart_from_each_other() {
    const WILD: [&str; 12] =
        [".", "*", ">", "a.b", "a.*", "a.>", "room.>", "with space", "=2E", "🦀", "$JS.API.>", "timeline"];
    let scene = Scene::open().await;
    let mallory = scene.cluster.device(0, "mallory").await;
    let mut longest = "é".repeat(32);
    assert_eq!(longest.len(), 64);
    for name in WILD.into_iter().chain([std::mem::take(&mut longest).as_str()]) {
        let room = Room::from(name);
        mallory.joined(&room, None).await;
        let (_, at) = mallory.say(&room, &format!("in {name}")).await;
        mallory.until_reached(&room, at.seq, std::time::Duration::from_secs(10)).await;
        scene.goes_on().await;
    }
    for name in WILD {
        let items = mallory.walk(&Room::from(name)).await;
        let texts: Vec<_> = items.iter().map(|item| item.data["message"].as_str().unwrap_or_default()).collect();
        assert_eq!(texts, [format!("in {name}")], "{name}");
    }
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_id_is_refused() {
    let scene = Scene::open().await;
    let mallory = scene.cluster.device(0, "mallory").await;
    let (too_long, absurd) = ("x".repeat(65), "x".repeat(10 * 1024));
    for name in ["", "a\nb", "a\0b", "a\u{7f}b", "a\u{85}b", &too_long, &absurd] {
        let answer = mallory.join(&Room::from(name), None).await;
        assert_eq!(answer, Answer::Refused { code: "invalid_field".into() }, "{name:.20?}");
    }
    // Only the server makes ids that begin so: nobody takes a direct room before its two people.
    let answer = mallory.join(&Room::from("~dxyz"), None).await;
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    scene.goes_on().await;
    scene.close().await;
}
