//! Refresh tokens: good once, and what happens when one comes twice.

use std::time::Duration;

use klatch_wire::Code;
use klatch_wire::account::{Hidden, LogoutRequest};

use super::scene::{PASSWORD, Scene};
use crate::config::Config;

#[tokio::test]
async fn each_refresh_gives_the_next_token_and_an_old_one_ends_the_session() {
    let scene = Scene::new().await;
    let (mut one, other) = (scene.copy().await, scene.copy().await);
    one.person("ada").await;
    let first = one.login("ada", PASSWORD).await.unwrap();
    let elsewhere = one.login("ada", PASSWORD).await.unwrap();
    let second = other.refresh(&first.refresh_token).await.unwrap();
    assert_ne!(second.token, first.token);
    let third = one.refresh(&second.refresh_token).await.unwrap();

    let refused = other.refresh(&first.refresh_token).await.unwrap_err();
    assert_eq!(refused.code, Code::NotAuthenticated);
    assert_eq!(one.refresh(&third.refresh_token).await.unwrap_err(), refused, "the thief's session is over, too");
    one.refresh(&elsewhere.refresh_token).await.expect("her other session goes on");
    assert_eq!(other.refresh(&Hidden::new("nonsense")).await.unwrap_err(), refused);
}

#[tokio::test]
async fn two_who_bring_the_same_token_at_once_get_the_same_next_one() {
    let scene = Scene::new().await;
    let (mut one, other) = (scene.copy().await, scene.copy().await);
    one.person("ada").await;
    for _ in 0..20 {
        let session = one.login("ada", PASSWORD).await.unwrap();
        let (here, there) = tokio::join!(one.refresh(&session.refresh_token), other.refresh(&session.refresh_token));
        let (here, there) = (here.unwrap(), there.unwrap());
        assert_eq!(here.refresh_token.reveal(), there.refresh_token.reveal());
        one.refresh(&here.refresh_token).await.expect("the session goes on");
    }
}

#[tokio::test]
async fn who_lost_the_answer_gets_it_again_for_a_moment() {
    let scene = Scene::new().await;
    let mut copy = scene.copy().await;
    copy.person("ada").await;
    let first = copy.login("ada", PASSWORD).await.unwrap().refresh_token;
    let second = copy.refresh(&first).await.unwrap().refresh_token;
    scene.turn(Duration::from_millis(29_999));
    assert_eq!(copy.refresh(&first).await.unwrap().refresh_token.reveal(), second.reveal());
    let third = copy.refresh(&second).await.unwrap().refresh_token;
    scene.turn(Duration::from_secs(30));
    assert!(copy.refresh(&second).await.is_err(), "the moment has passed: it was copied");
    assert!(copy.refresh(&third).await.is_err(), "so the session is over");

    // Who has the next one already has no use for the one before the last.
    let first = copy.login("ada", PASSWORD).await.unwrap().refresh_token;
    let second = copy.refresh(&first).await.unwrap().refresh_token;
    let third = copy.refresh(&second).await.unwrap().refresh_token;
    assert!(copy.refresh(&first).await.is_err());
    assert!(copy.refresh(&third).await.is_err());

    let first = copy.login("ada", PASSWORD).await.unwrap().refresh_token;
    let second = copy.refresh(&first).await.unwrap().refresh_token;
    let out = LogoutRequest { refresh_token: first, source: None };
    copy.desk.logout(out).await.unwrap();
    assert!(copy.refresh(&second).await.is_err(), "who lost the answer can sign out as well");
}

#[tokio::test]
async fn a_session_ends_by_logout_and_by_itself() {
    let scene = Scene::new().await;
    let mut copy = scene.copy_with(Config { session_lifetime_s: 3_600, ..Config::default() }).await;
    copy.person("ada").await;
    let logout = |token: &Hidden| LogoutRequest { refresh_token: token.clone(), source: None };

    let session = copy.login("ada", PASSWORD).await.unwrap();
    copy.desk.logout(logout(&session.refresh_token)).await.unwrap();
    assert!(copy.refresh(&session.refresh_token).await.is_err());
    copy.desk.logout(logout(&session.refresh_token)).await.expect("no news is good news");
    copy.desk.logout(logout(&Hidden::new("nonsense"))).await.expect("the same");

    let session = copy.login("ada", PASSWORD).await.unwrap();
    scene.turn(Duration::from_secs(3_599));
    let session = copy.refresh(&session.refresh_token).await.unwrap();
    scene.turn(Duration::from_secs(3_600));
    assert!(copy.refresh(&session.refresh_token).await.is_err());
}

#[tokio::test]
async fn of_many_sessions_the_oldest_ends() {
    let scene = Scene::new().await;
    let mut copy = scene.copy().await;
    copy.person("ada").await;
    copy.person("ben").await;
    let bens = copy.login("ben", PASSWORD).await.unwrap().refresh_token;
    let mut tokens = Vec::new();
    for _ in 0..34 {
        tokens.push(copy.login("ada", PASSWORD).await.unwrap().refresh_token);
    }
    for (n, token) in tokens.iter().enumerate() {
        assert_eq!(copy.refresh(token).await.is_ok(), n >= 2, "{n}");
    }
    copy.refresh(&bens).await.expect("another account's");
}
