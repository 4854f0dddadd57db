//! A name is one person's and so is an address, whoever comes at the same time and whatever crashes in between.

use super::scene::{PASSWORD, Scene, folded};
use crate::bucket::Held;
use crate::name::Email;
use crate::record::{self, EmailOwner};

#[tokio::test]
async fn of_two_who_bring_their_codes_at_once_for_one_name_one_has_it() {
    let scene = Scene::new().await;
    let (mut one, mut other) = (scene.copy().await, scene.copy().await);
    for n in 0..20 {
        let (name, emails) = (format!("ada{n}"), ["a", "b"].map(|x| format!("{x}{n}@example.com")));
        let codes = [one.register(&name, &emails[0]).await.unwrap(), other.register(&name, &emails[1]).await.unwrap()];
        let (here, there) = tokio::join!(one.verify(&name, &codes[0]), other.verify(&name, &codes[1]));
        let won = [here.is_ok(), there.is_ok()];
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
        let winner = &emails[usize::from(won[1])];
        assert_eq!(one.account(&name).await.unwrap().email.as_ref(), Some(winner));
        for email in &emails {
            let owner = one.desk.bucket.get::<EmailOwner>(&record::email(&Email::parse(email).unwrap())).await.unwrap();
            assert_eq!(owner.value.is_some(), email == winner, "only an account holds an address");
        }
    }
}

#[tokio::test]
async fn of_two_who_bring_their_codes_at_once_for_one_address_one_has_it() {
    let scene = Scene::new().await;
    let (mut one, mut other) = (scene.copy().await, scene.copy().await);
    for n in 0..20 {
        let (names, email) = (["a", "b"].map(|x| format!("{x}{n}")), format!("{n}@example.com"));
        let codes = [one.register(&names[0], &email).await.unwrap(), other.register(&names[1], &email).await.unwrap()];
        let (here, there) = tokio::join!(one.verify(&names[0], &codes[0]), other.verify(&names[1], &codes[1]));
        let won = [here.is_ok(), there.is_ok()];
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
        let who = klatch_wire::account::Who::Email(email);
        assert_eq!(one.login_as(who, PASSWORD).await.unwrap().user.username, names[usize::from(won[1])]);
        assert_eq!(one.account(&names[usize::from(won[0])]).await, None);
    }
}

#[tokio::test]
async fn a_crash_while_an_account_is_opened_leaves_the_registration_whole() {
    let scene = Scene::new().await;
    let mut copy = scene.copy().await;
    let code = copy.register("ada", "ada@example.com").await.unwrap();
    let waiting = copy.waiting("ada").await;
    let mut rest = waiting.value.clone().unwrap();
    let right =
        rest.try_code(copy.desk.clock.now(), |_| true, |it| copy.desk.keys.is_code(it, &code)).expect("it is right");
    let held = Held { value: Some(rest), revision: waiting.revision };
    let changes = copy.desk.opening(&folded("ada"), right, &held).await.unwrap().expect("both are free");
    assert_eq!(changes.len(), 3, "the registration goes, the address and the account come");

    // It dies after all but the last were sent.
    copy.desk.bucket.begin(&changes[..2]).await.unwrap();
    let other = scene.copy().await;
    assert_eq!(other.waiting("ada").await, waiting);
    assert_eq!(other.account("ada").await, None);
    let key = record::email(&Email::parse("ada@example.com").unwrap());
    assert_eq!(other.desk.bucket.get::<EmailOwner>(&key).await.unwrap().value, None);

    // The code is still good, once; and the dead copy's changes would not land on it.
    other.verify("ada", &code).await.unwrap();
    assert!(copy.desk.bucket.change(&changes).await.is_err());
    assert!(other.verify("ada", &code).await.is_err());
    other.login("ada", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn copies_that_make_the_keys_at_once_share_them() {
    let scene = Scene::new().await;
    let (one, two, three) = tokio::join!(scene.copy(), scene.copy(), scene.copy());
    let public = one.desk.keys.public();
    assert_eq!(public.len(), 1);
    assert_eq!((two.desk.keys.public(), three.desk.keys.public()), (public.clone(), public));
}
