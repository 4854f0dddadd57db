//! Views in doubt are made anew: damaged files, another stream, a stream that went back.

use std::fs;
use std::path::{Path, PathBuf};

use klatch_domain::{Access, Epoch, HistoryFrom, Role, Seq, Standing};
use klatch_testkit::eventually;
use serde_json::Value;
use uuid::Uuid;

use super::running::{BOUND, House};
use super::scene::{EPOCH, Log, Views, edited, info, sent, standing, stored};
use crate::fold::Fold;
use crate::rebuild::{Doubt, assess};
use crate::store::checkpoint::{Checkpoint, Fingerprint, SCHEMA};
use crate::store::{Batch, Store, guarded, key};

/// A room with some hundred messages, and what ben sees of them.
async fn lived_in() -> (House, Vec<Value>) {
    let house = House::new().await;
    house.append(&info("r", Access::Open, HistoryFrom::Beginning, 1), None).await;
    house.append(&standing("r", "ben", Standing::Joined, Role::Member, 2), None).await;
    let mut last = Seq::ZERO;
    for n in 0..300 {
        let id = format!("m{n}");
        last = house.append(&sent("r", "ada", &id, "some words", &[], 10 + n), Some(&id)).await;
    }
    let projector = house.projector().await;
    let seen = house.history("ben", last).await.unwrap();
    projector.stop().await;
    (house, seen)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

async fn comes_back(house: &House, seen: &[Value], how: &str) {
    let projector = house.projector().await;
    assert_eq!(house.history("ben", Seq::ZERO).await.as_deref(), Ok(seen), "{how}");
    house.verified().await;
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn truncated_flipped_and_missing_files_are_made_anew() {
    let (house, seen) = lived_in().await;
    let dir = house.dir();
    for end in [0, 1, 100, 5_000, 60_000] {
        for file in files(&dir) {
            let bytes = fs::read(&file).unwrap();
            fs::write(&file, &bytes[..bytes.len().min(end)]).unwrap();
        }
        comes_back(&house, &seen, &format!("cut at {end}")).await;
    }
    // A seeded walk over the files: every 997th byte from another beginning each time.
    for beginning in [0, 13, 500, 996] {
        for file in files(&dir) {
            let mut bytes = fs::read(&file).unwrap();
            bytes.iter_mut().skip(beginning).step_by(997).for_each(|byte| *byte ^= 0x40);
            fs::write(&file, bytes).unwrap();
        }
        comes_back(&house, &seen, &format!("flipped from {beginning}")).await;
    }
    fs::remove_dir_all(&dir).unwrap();
    comes_back(&house, &seen, "deleted").await;
    let aside = fs::read_dir(house.home()).unwrap();
    let aside = aside.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(".bad-"));
    assert!(aside.count() <= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_fails_its_checksum_is_found_by_the_query_that_reads_it() {
    let (house, seen) = lived_in().await;
    {
        // A query that was answered a moment ago may still hold the files.
        let open = || async { Store::open(&house.dir(), 1 << 20).map_err(|damage| damage.to_string()) };
        let store = eventually(BOUND, "the files to be free", open).await;
        let prefix = key::pages(&super::scene::room("r"));
        let pages: Vec<_> = store.scan(&prefix, &prefix).map(Result::unwrap).collect();
        // The last but one: the newest page of history is read from it too.
        let ([.., (page, _), _], [(_, row), ..]) = (&pages[..], &pages[..]) else { panic!("{} pages", pages.len()) };
        store.put_raw(page, row);
        store.flush().unwrap();
    }
    let projector = house.projector().await;
    let all = eventually(BOUND, "the views to be rebuilt", || house.history("ben", Seq::ZERO));
    assert_eq!(all.await, seen[..]);
    let status = house.until("it to be live again", |_| true).await;
    assert_eq!(status.folded, 302);
    assert!(house.home().join("projector.bad-1").exists(), "nobody noticed");
    house.verified().await;
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_wiped_under_a_running_projector_is_folded_anew() {
    let (house, _) = lived_in().await;
    let projector = house.projector().await;
    let before = house.status().await.epoch;
    let jetstream = async_nats::jetstream::new(house.nats.client().await);
    jetstream.delete_stream("CHAT_EVENTS").await.unwrap();
    // Whoever opens the log makes the stream anew.
    let _log = super::running::open(&house.nats).await;
    let status = house.until("the new stream to be folded", |status| status.epoch != before).await;
    assert_eq!((status.seq, status.folded), (Seq::ZERO, 0));
    assert_eq!(house.history("ben", Seq::ZERO).await.unwrap_err(), "not_found");
    assert!(projector.is_running());
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_restored_from_before_the_checkpoint_is_noticed_and_gets_a_new_epoch() {
    let mut house = House::new().await;
    house.append(&info("r", Access::Open, HistoryFrom::Beginning, 1), None).await;
    let epoch = house.log.epoch();
    house.nats.stop().await;
    let backup = house.home().join("backup");
    copy(&house.nats.store_dir(), &backup);
    house.nats.restart().await;
    let last = house.append(&sent("r", "ada", "m", "lost", &[], 2), Some("m")).await;
    let projector = house.projector().await;
    house.history("ben", last).await.unwrap();
    projector.stop().await;
    house.nats.stop().await;
    fs::remove_dir_all(house.nats.store_dir()).unwrap();
    copy(&backup, &house.nats.store_dir());
    house.nats.restart().await;
    house.log = super::running::open(&house.nats).await;
    assert_eq!(house.log.epoch(), epoch, "a restore keeps the stream's metadata");
    let projector = house.projector().await;
    let status = house.until("the restored stream to be folded", |status| status.epoch != epoch).await;
    assert_eq!(status.folded, 1);
    assert_eq!(house.history("ben", Seq::ZERO).await.unwrap(), Vec::<Value>::new());
    projector.stop().await;
}

#[test]
fn files_as_a_crash_leaves_them_lead_to_the_same_or_are_known_for_damaged() {
    let mut log = Log::open_room();
    for n in 0..1_500 {
        log.say("ada", &format!("m{n}"), "some words that fill a line");
        if n % 40 == 39 {
            log.add(|seq| edited("r", "ada", &format!("m{}", n / 2), "other words", seq));
        }
    }
    let whole = Views::of(&log);
    let dir = tempfile::tempdir().unwrap();
    let images = tempfile::tempdir().unwrap();
    let mut gone_on = 0;
    {
        let store = Store::open(dir.path(), 1 << 20).unwrap();
        let mut fold = Fold::open(store, EPOCH, 1 << 20).unwrap();
        for (n, batch) in log.0.chunks(13).enumerate() {
            batch.iter().for_each(|stored| fold.fold(stored).unwrap());
            fold.commit(batch.last()).unwrap();
            if n % 5 == 4 {
                fold.flush().unwrap();
            }
            if n % 3 == 2 {
                copy(dir.path(), &images.path().join(n.to_string()));
            }
        }
    }
    for image in fs::read_dir(images.path()).unwrap() {
        let image = image.unwrap().path();
        let opened = guarded(|| Fold::open(Store::open(&image, 1 << 20)?, EPOCH, 1 << 20));
        let Ok(mut fold) = opened else { continue };
        gone_on += 1;
        log.0.iter().for_each(|stored| fold.fold(stored).unwrap());
        fold.commit(log.0.last()).unwrap();
        assert_eq!(fold.digest(), whole.fold.digest(), "{}", image.display());
        let pages = |store: &Store| {
            let rows = store.scan(b"p", b"p").map(|entry| entry.unwrap().1.to_vec());
            rows.collect::<Vec<_>>()
        };
        assert_eq!(pages(fold.store()), pages(&whole.store));
    }
    assert!(gone_on > 20, "only {gone_on} images could be opened at all");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_checkpoint_is_held_against_what_the_log_holds_there() {
    let house = House::new().await;
    let event = sent("r", "ada", "m", "hi", &[], 1);
    let seq = house.append(&event, Some("m")).await;
    let there = house.log.get(seq).await.unwrap().unwrap();
    let good = Checkpoint { seq, mark: Some(Fingerprint::of(&there)), ..Checkpoint::beginning(house.log.epoch()) };
    let doubt = async |checkpoint: Checkpoint| assess(&house.log, &checkpoint).await.unwrap();
    assert_eq!(doubt(good.clone()).await, None);
    let other = Fingerprint::of(&stored(seq.0, Some("m"), &sent("r", "ada", "m", "ho", &[], 1)));
    assert_eq!(doubt(Checkpoint { mark: Some(other), ..good.clone() }).await, Some(Doubt::AnotherMessage));
    assert_eq!(doubt(Checkpoint { seq: seq.next(), ..good.clone() }).await, Some(Doubt::PastEnd));
    assert_eq!(doubt(Checkpoint { schema: SCHEMA + 1, ..good.clone() }).await, Some(Doubt::Schema(SCHEMA + 1)));
    let was = Epoch(Uuid::nil());
    let expected = Doubt::OtherEpoch { was, now: house.log.epoch() };
    assert_eq!(doubt(Checkpoint { epoch: was, ..good.clone() }).await, Some(expected));
    house.log.erase(seq).await.unwrap();
    assert_eq!(doubt(good).await, None, "an erased message is no doubt");
}

#[test]
fn what_can_not_be_decoded_is_counted_and_passed_over() {
    let mut log = Log::open_room();
    let garbage: [&[u8]; 5] = [b"", b"{}", b"\xff\xfe", b"{\"event\":\"chat.message\",\"v\":9,\"data\":{}}", b"null"];
    for payload in garbage {
        let next = log.next();
        log.0.push(super::scene::garbage(next, payload));
    }
    // An event on a subject that is not its own.
    let mut misplaced = stored(log.next(), None, &sent("q", "ada", "m", "hi", &[], 9));
    misplaced.address = log.0[3].address.clone();
    log.0.push(misplaced);
    let last = log.say("ada", "after", "hi");
    let views = Views::of(&log);
    assert_eq!(views.fold.checkpoint().undecodable, 6);
    assert_eq!((views.items("r").len(), views.fold.checkpoint().seq), (1, Seq(last)));
    assert_eq!(views.fold.checkpoint().epoch, EPOCH);
}

#[test]
fn a_checkpoint_of_another_schema_is_not_gone_on_from() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 1 << 20).unwrap();
    let mut batch = Batch::default();
    batch.put(key::CHECKPOINT.to_vec(), b"{\"of\":\"the future\"}");
    store.apply(batch).unwrap();
    assert!(Checkpoint::read(&store).is_err());
}
