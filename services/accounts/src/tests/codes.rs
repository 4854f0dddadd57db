//! Codes: what is right, what is wrong, and that all that is wrong looks alike.

use std::time::Duration;

use klatch_wire::Code;
use klatch_wire::account::{Hidden, MeRequest, RegisterRequest, Who};

use super::scene::{PASSWORD, Scene, not};
use crate::config::{Config, Rates};

#[tokio::test]
async fn a_registration_becomes_an_account_by_its_code_and_signs_in() {
    let scene = Scene::new().await;
    let mut copy = scene.copy().await;
    let code = copy.register("Ada", "Ada@Example.com").await.unwrap();
    assert!(copy.login("Ada", PASSWORD).await.is_err(), "not before the code came back");
    assert_eq!(copy.verify("ada", &code).await.unwrap().as_str(), "Ada");
    for who in [Who::Username("ADA".into()), Who::Email("ada@example.COM".into())] {
        let tokens = copy.login_as(who, PASSWORD).await.unwrap();
        assert_eq!((tokens.user.user_id.as_str(), tokens.user.username.as_str()), ("Ada", "Ada"));
        assert_eq!(tokens.user.email.as_deref(), Some("ada@example.com"));
        assert_eq!(tokens.expires_in, 3_600);
    }
    let me = |id: &str| serde_json::to_vec(&MeRequest { asker: id.parse().unwrap() }).unwrap();
    let found: serde_json::Value = serde_json::from_slice(&copy.desk.answer("me", &me("Ada")).await.unwrap()).unwrap();
    assert_eq!(found, serde_json::json!({"userId": "Ada", "username": "Ada", "email": "ada@example.com"}));
    // A token of another issuer may name somebody who only sounds alike.
    assert_eq!(copy.desk.answer("me", &me("ada")).await.unwrap_err().code, Code::NotFound);
}

#[tokio::test]
async fn by_its_address_too_and_only_by_that() {
    let scene = Scene::new().await;
    let mut copy = scene.copy().await;
    let code = copy.register("ada", "ada@example.com").await.unwrap();
    let other = copy.register("ada", "other@example.com").await.unwrap();
    let at = |address: &str| Who::Email(address.to_owned());
    assert!(copy.verify_as(at("other@example.com"), &code).await.is_err(), "the code went to another address");
    copy.verify_as(at("ada@example.com"), &code).await.unwrap();
    assert!(copy.verify_as(at("other@example.com"), &other).await.is_err(), "the name is taken now");
    assert_eq!(copy.account("ada").await.unwrap().email.as_deref(), Some("ada@example.com"));
}

#[tokio::test]
async fn a_code_that_is_wrong_used_expired_or_nobodys_gets_one_and_the_same_answer() {
    let scene = Scene::new().await;
    let mut copy = scene.copy().await;
    let code = copy.register("ada", "ada@example.com").await.unwrap();
    let wrong = copy.verify("ada", not(&code)).await.unwrap_err();
    assert_eq!((wrong.code, wrong.message.as_str()), (Code::InvalidField, "the code is wrong, used or expired"));
    assert_eq!(copy.verify("nobody", &code).await.unwrap_err(), wrong);
    assert_eq!(copy.verify("no such\nname", &code).await.unwrap_err(), wrong);
    assert_eq!(copy.verify_as(Who::Email("nobody@example.com".into()), &code).await.unwrap_err(), wrong);
    assert_eq!(copy.verify_as(Who::Email("no address".into()), &code).await.unwrap_err(), wrong);
    assert_eq!(copy.verify("ada", "").await.unwrap_err(), wrong);
    copy.verify("ada", &code).await.unwrap();
    assert_eq!(copy.verify("ada", &code).await.unwrap_err(), wrong, "a code is good once");

    let late = copy.register("ben", "ben@example.com").await.unwrap();
    let just = copy.register("eve", "eve@example.com").await.unwrap();
    scene.turn(Duration::from_secs(599));
    copy.verify("eve", &just).await.unwrap();
    scene.turn(Duration::from_secs(1));
    assert_eq!(copy.verify("ben", &late).await.unwrap_err(), wrong);
}

#[tokio::test]
async fn five_codes_may_be_tried_whichever_copy_is_asked() {
    let scene = Scene::new().await;
    let (mut one, other) = (scene.copy().await, scene.copy().await);
    let code = one.register("ada", "ada@example.com").await.unwrap();
    for n in 0..5 {
        let copy = if n % 2 == 0 { &one } else { &other };
        assert!(copy.verify("ada", not(&code)).await.is_err());
    }
    assert!(other.verify("ada", &code).await.is_err(), "the sixth is refused even if it is right");
    let again = one.register("ada", "ada@example.com").await.unwrap();
    other.verify("ada", &again).await.unwrap();
}

#[tokio::test]
async fn wrong_codes_for_another_address_leave_a_code_its_tries() {
    let scene = Scene::new().await;
    let mut copy = scene.copy().await;
    let code = copy.register("ada", "ada@example.com").await.unwrap();
    let eves = copy.register("ada", "eve@example.com").await.unwrap();
    for _ in 0..5 {
        assert!(copy.verify_as(Who::Email("eve@example.com".into()), not(&eves)).await.is_err());
    }
    assert!(copy.verify_as(Who::Email("eve@example.com".into()), &eves).await.is_err());
    copy.verify("ada", &code).await.unwrap();
}

#[tokio::test]
async fn nobody_slips_a_password_under_somebody_elses_code() {
    let scene = Scene::new().await;
    let mut copy = scene.copy().await;
    let adas = copy.register_with("ada", "ada@example.com", PASSWORD).await.unwrap();
    let eves = copy.register_with("ada", "ada@example.com", "eve knows this one").await.unwrap();
    assert_ne!(adas, eves, "one in a million");
    copy.verify("ada", &adas).await.unwrap();
    copy.login("ada", PASSWORD).await.unwrap();
    assert!(copy.login("ada", "eve knows this one").await.is_err());
}

#[tokio::test]
async fn register_answers_a_taken_name_or_address_like_free_ones_and_does_the_same_work() {
    let scene = Scene::new().await;
    let mut copy = scene.copy().await;
    copy.person("ada").await;
    for (username, email) in [("ada", "new@example.com"), ("Ada", "ada@example.com"), ("new", "ada@example.com")] {
        let before = copy.metrics.encode();
        let code = copy.register(username, email).await.expect("taken like any other");
        assert_eq!(hashes(&copy.metrics.encode()), hashes(&before) + 1, "{username} {email}");
        assert!(copy.waiting(username).await.value.is_some());
        assert!(copy.verify(username, &code).await.is_err(), "{username} {email}");
    }
    assert_eq!(copy.account("ada").await.unwrap().email.as_deref(), Some("ada@example.com"));
    assert_eq!(copy.account("new").await, None);
    copy.login("ada", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn login_refuses_a_wrong_password_and_a_name_that_nobody_has_alike_with_the_same_work() {
    let scene = Scene::new().await;
    let mut copy = scene.copy().await;
    copy.person("ada").await;
    copy.register("waits", "waits@example.com").await.unwrap();
    let wrong = copy.login("ada", "not the password").await.unwrap_err();
    assert_eq!(wrong.code, Code::NotAuthenticated);
    let nobody = [
        Who::Username("nobody".into()),
        Who::Username("waits".into()),
        Who::Username("~system".into()),
        Who::Username("not\na name".into()),
        Who::Email("nobody@example.com".into()),
        Who::Email("waits@example.com".into()),
        Who::Email("no address".into()),
    ];
    for who in nobody {
        let before = hashes(&copy.metrics.encode());
        assert_eq!(copy.login_as(who.clone(), PASSWORD).await.unwrap_err(), wrong, "{who:?}");
        assert_eq!(hashes(&copy.metrics.encode()), before + 1, "{who:?}");
    }
}

#[tokio::test]
async fn however_a_name_or_an_address_is_written_its_tries_are_counted_together() {
    let scene = Scene::new().await;
    let rates = Rates { account_per_minute: 3, ..Rates::default() };
    let copy = scene.copy_with(Config { rates, ..Config::default() }).await;
    let address = |n: usize| Who::Email(format!("{}Ada@Example.com{}", " ".repeat(n), "\u{2003}".repeat(n)));
    let no_name = |n: usize| Who::Username(format!("ada{}", " ".repeat(n + 1)));
    let no_address = |n: usize| Who::Email("x".repeat(n));
    let ways: [&dyn Fn(usize) -> Who; 2] = [&address, &no_name];
    for way in ways {
        for n in 0..3 {
            assert_eq!(copy.login_as(way(n), PASSWORD).await.unwrap_err().code, Code::NotAuthenticated);
        }
        assert_eq!(copy.login_as(way(3), PASSWORD).await.unwrap_err().code, Code::RateLimited);
        assert_eq!(copy.verify_as(way(4), "000000").await.unwrap_err().code, Code::RateLimited);
    }
    // What is nobody's is counted as one.
    assert_eq!(copy.login_as(no_address(5), PASSWORD).await.unwrap_err().code, Code::RateLimited);
}

/// How many passwords were hashed or compared.
fn hashes(metrics: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix("klatch_accounts_hash_seconds_count "));
    line.and_then(|count| count.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn bad_fields_are_named() {
    let scene = Scene::new().await;
    let copy = scene.copy().await;
    let long = "x".repeat(1_025);
    for (username, email, password, about) in [
        ("", Some("a@example.com"), PASSWORD, "username"),
        ("~a", Some("a@example.com"), PASSWORD, "username"),
        ("a", Some("a@"), PASSWORD, "email"),
        ("a", None, PASSWORD, "email"),
        ("a", Some("a@example.com"), "short", "password"),
        ("a", Some("a@example.com"), &long, "password"),
    ] {
        let (username, email) = (username.to_owned(), email.map(str::to_owned));
        let request = RegisterRequest { username, email, password: Hidden::new(password), source: None };
        let refused = copy.desk.register(request).await.unwrap_err();
        assert_eq!(refused.code, Code::InvalidField);
        assert!(refused.message.contains(about), "{refused:?}");
    }
    assert_eq!(copy.desk.answer("login", b"{}").await.unwrap_err().code, Code::InvalidField);
    assert_eq!(copy.desk.answer("reboot", b"{}").await.unwrap_err().code, Code::InvalidField);
}

#[tokio::test]
async fn attempts_are_limited_alike_whether_there_is_an_account_or_not() {
    let scene = Scene::new().await;
    let rates = Rates { account_per_minute: 3, registrations_per_hour: 1, ..Rates::default() };
    let mut copy = scene.copy_with(Config { rates, ..Config::default() }).await;
    copy.person("ada").await;
    assert_eq!(copy.register("ada", "b@example.com").await.unwrap_err().code, Code::RateLimited);
    assert_eq!(copy.register("ben", "ada@example.com").await.unwrap_err().code, Code::RateLimited);
    let mut refused = Vec::new();
    for name in ["ada", "nobody"] {
        // Of ada's three one went to her code.
        let left = if name == "ada" { 2 } else { 3 };
        for _ in 0..left {
            assert_eq!(copy.login(name, "not the password").await.unwrap_err().code, Code::NotAuthenticated);
        }
        let failure = copy.login(name, PASSWORD).await.unwrap_err();
        assert!(failure.retry_after_ms.is_some_and(|ms| (1..=20_001).contains(&ms)), "{failure:?}");
        refused.push((failure.code, failure.message));
    }
    assert_eq!(refused[0], refused[1]);
    assert_eq!(refused[0].0, Code::RateLimited);
}
