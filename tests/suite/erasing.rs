//! What was deleted is nowhere: not in the stream's files, not in the views, not in any answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use klatch_testkit::eventually;
use klatch_tests::checker::Promise;
use klatch_tests::checker::history::{Answer, Fold};
use klatch_tests::checker::name::Room;
use klatch_tests::cluster::{Cluster, query, seed};
use klatch_tests::program;
use serde_json::json;

const BOUND: Duration = Duration::from_secs(60);

/// Every file below a folder that holds these bytes.
fn files_with(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(files_with(&path, bytes));
        } else if fs::read(&path).is_ok_and(|content| content.windows(bytes.len()).any(|window| window == bytes)) {
            found.push(path);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_messages_text_is_nowhere() {
    let seed = seed();
    let mut cluster = Cluster::start(seed).await;
    let room = Room::from("lobby");
    let (ada, ben) = (cluster.device(0, "ada").await, cluster.device(1, "ben").await);
    ada.joined(&room, None).await;
    ben.joined(&room, None).await;
    let secrets = [format!("said-in-confidence-{seed:x}"), format!("said-better-{seed:x}")];
    let (_, before) = ben.say(&room, "what comes next is secret").await;
    let (message, at) = ada.say(&room, &secrets[0]).await;
    let edited = ada.edit(&room, &message, at.seq, &secrets[1]).await;
    assert!(matches!(edited, Answer::Stored { .. }), "{edited:?}");
    ben.say(&room, "oh").await;
    let store = cluster.broker.node(0).store_dir();
    for secret in &secrets {
        // Else the search below proves nothing.
        assert!(!files_with(&store, secret.as_bytes()).is_empty(), "the stream's files should hold {secret}");
    }

    let deleted = ada.delete(&room, &message, at.seq).await;
    assert!(matches!(deleted, Answer::Stored { .. }), "{deleted:?}");
    let client = cluster.broker.client().await;
    eventually(BOUND, "the eraser to be done", || async {
        let status = query(&client, "status", &json!({})).await;
        let held: Vec<_> = secrets.iter().flat_map(|secret| files_with(&store, secret.as_bytes())).collect();
        if status["toErase"] == 0 && held.is_empty() { Ok(()) } else { Err(format!("{status}, {held:?}")) }
    })
    .await;

    for item in ben.walk(&room).await {
        let is_it = item.data["messageId"] == message.0;
        assert_eq!(item.data["deleted"] == true, is_it, "{item:?}");
        assert!(secrets.iter().all(|secret| !item.data.to_string().contains(secret)), "{item:?}");
    }
    let cleo = cluster.device(1, "cleo").await;
    let resumed = cleo.joined(&room, Some(before)).await;
    assert_eq!(resumed.recovered, Some(true));
    assert!(secrets.iter().all(|secret| resumed.events.iter().all(|event| !event.data.to_string().contains(secret))));

    let (end, digest) = cluster.note_digest(Fold::Incremental, None).await;
    cluster.kill_projector();
    let data = cluster.data_folder();
    let told = tokio::task::spawn_blocking(move || {
        program::run(&["rebuild", "--data", data.to_str().expect("temporary folders have plain names")])
    });
    let told = told.await.expect("it runs");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    cluster.start_projector();
    assert_eq!(cluster.note_digest(Fold::Rebuilt, Some(end)).await, (end, digest));
    for secret in &secrets {
        let held = files_with(&cluster.data_folder(), secret.as_bytes());
        assert!(held.is_empty(), "{secret} is still in {held:?}");
        let held = files_with(cluster.folder(), secret.as_bytes());
        assert!(held.is_empty(), "{secret} is in a log: {held:?}");
    }
    cluster.settle(&room, &[&ada, &ben, &cleo], BOUND).await;
    ben.walk(&room).await;
    cluster.read_back().await;
    cluster.expect_kept(&[Promise::ExactlyOnce, Promise::OneOrder, Promise::Replay]);
}
