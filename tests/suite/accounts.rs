//! Accounts over HTTP: two processes of them beside each other, one killed amid registrations, and every person has one
//! account that signs in at every edge.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::TryStreamExt;
use klatch_testkit::eventually;
use klatch_tests::cluster::{Cluster, get, request, seed};
use klatch_tests::device::Device;
use klatch_tests::program::Service;
use serde_json::{Value, json};

const BOUND: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct horse battery staple";
/// Every code of `--dev`.
const OTP: &str = "123456";

fn start_accounts(cluster: &Cluster, name: &str) -> Service {
    let url = cluster.broker.url();
    Service::start(&["accounts", "--dev", "--nats", &url], &[], &cluster.folder().join(format!("{name}.log")))
}

/// The answer's body where the status says that it went well.
async fn post(address: &str, path: &str, body: &Value) -> Result<Value, (u16, String)> {
    let headers = [("content-type", "application/json")];
    match request(address, "POST", path, &headers, &body.to_string()).await {
        Ok((200..=299, body)) => Ok(serde_json::from_str(&body).expect("answers are JSON")),
        Ok((status, body)) => Err((status, body)),
        Err(why) => Err((0, why)),
    }
}

/// What somebody does whose requests get no answer now and then: the same again, until they are in.
async fn sign_up(addresses: &[String; 2], name: &str) -> Value {
    let mut turn = 0;
    eventually(BOUND, &format!("{name} to sign in"), || {
        turn += 1;
        let (here, there) = (&addresses[turn % 2], &addresses[(turn + 1) % 2]);
        async move {
            let described = |(status, body): (u16, String)| format!("{status} {body}");
            let account = json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
            post(here, "/auth/register", &account).await.map_err(described)?;
            // A code that was taken without an answer is used: signing in says which.
            let verified = post(there, "/auth/verify", &json!({"username": name, "otp": OTP})).await;
            let login = post(here, "/auth/login", &json!({"username": name, "password": PASSWORD})).await;
            login.map_err(|why| format!("{} after {verified:?}", described(why)))
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_of_two_loses_and_doubles_no_account() {
    const PEOPLE: usize = 16;
    let cluster = Cluster::start(seed()).await;
    let addresses = [0, 1].map(|edge| cluster.doors().door(edge).address);
    let refused = post(&addresses[0], "/auth/login", &json!({"username": "ada", "password": PASSWORD})).await;
    assert_eq!(refused.unwrap_err().0, 503, "nobody answers for accounts yet");

    let (mut dies, _lives) = (start_accounts(&cluster, "accounts-0"), start_accounts(&cluster, "accounts-1"));
    let first = sign_up(&addresses, "first").await;
    let people: Vec<_> = (0..PEOPLE)
        .map(|n| {
            let addresses = addresses.clone();
            tokio::spawn(async move { sign_up(&addresses, &format!("person{n}")).await })
        })
        .collect();
    let client = cluster.broker.client().await;
    let accounts = async || -> BTreeSet<String> {
        // By the stream's own list: to ask the bucket for its keys makes a consumer each time.
        let stream = async_nats::jetstream::new(client.clone()).get_stream("KV_CHAT_ACCOUNTS").await.expect("a bucket");
        let subjects = stream.info_with_subjects("$KV.CHAT_ACCOUNTS.>").await.expect("its subjects");
        let subjects: Vec<(String, usize)> = subjects.try_collect().await.expect("its subjects");
        subjects.into_iter().filter_map(|(name, _)| Some(name.strip_prefix("$KV.CHAT_ACCOUNTS.")?.to_owned())).collect()
    };
    eventually(BOUND, "some to be through, and some not", || async {
        let count = accounts().await.iter().filter(|key| key.starts_with("account.")).count();
        if (3..PEOPLE).contains(&count) { Ok(()) } else { Err(count) }
    })
    .await;
    dies.kill();
    for person in people {
        let login = person.await.expect("signed in");
        let name = login["user"]["username"].as_str().expect("a name");
        let token = login["token"].as_str().expect("a token");
        let door = cluster.doors().door(1);
        Device::connect(&cluster.recorder, &door, &name.into(), token).await.expect("every edge takes the token");
    }
    let keys = accounts().await;
    for kind in ["account.", "email."] {
        assert_eq!(keys.iter().filter(|key| key.starts_with(kind)).count(), PEOPLE + 1, "{kind}: {keys:?}");
    }
    // One is killed with everything that it knew; the keys that signed before are those that sign now.
    drop(dies);
    let refreshed = post(&addresses[1], "/auth/refresh", &json!({"refreshToken": first["refreshToken"]})).await;
    assert_eq!(refreshed.expect("the session goes on")["user"]["userId"], "first");
    let (status, keys) = get(&addresses[0], "/.well-known/jwks.json").await.expect("keys");
    let keys: Value = serde_json::from_str(&keys).expect("JSON");
    assert_eq!((status, keys["keys"].as_array().map(Vec::len)), (200, Some(1)));
}
