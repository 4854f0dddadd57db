//! A disk is full: nothing that was acknowledged is lost, whoever can't write says so, and with room again all goes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use klatch_testkit::eventually;
use klatch_tests::checker::Promise;
use klatch_tests::checker::history::{Answer, Fold};
use klatch_tests::checker::name::{Key, Room};
use klatch_tests::cluster::{Cluster, seed};
use klatch_tests::crowd::Crowd;
use klatch_tests::device::Device;

const BOUND: Duration = Duration::from_secs(120);
const TALKERS: u64 = 3;

/// A small disk of its own. Dropped, it is gone.
struct Disk(PathBuf);

impl Disk {
    /// None, and said so, where it can't be had: it needs root and the right to mount.
    fn mount(megabytes: u32) -> Option<Disk> {
        let folder = tempfile::TempDir::with_prefix("klatch-disk-").expect("a temporary folder can be made").keep();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder).output();
        if mounted.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Disk(folder));
        }
        println!("SKIPPED: no small disk can be mounted here: {mounted:?}");
        // Empty, and ours.
        let _ = fs::remove_dir(&folder);
        None
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut file = fs::File::create(self.ballast()).expect("a file can be made");
        while std::io::Write::write_all(&mut file, &[0; 1 << 14]).is_ok() {}
        while std::io::Write::write_all(&mut file, &[0; 1]).is_ok() {}
    }

    /// Gives it back.
    fn clear(&self) {
        fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that was just killed may still hold a file.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
        let _ = fs::remove_dir(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_brokers_disk_full_nothing_is_acknowledged_that_is_not_stored() {
    let Some(disk) = Disk::mount(64) else { return };
    let seed = seed();
    let builder = Cluster::builder(seed).store(&disk.path().join("store"));
    let mut cluster = builder.start().await;
    let room = Room::from("lobby");
    let mut crowd = Crowd::of_talkers(&cluster, TALKERS, &room);
    crowd.go_on(100, BOUND).await;
    disk.fill();
    let probe = cluster.device(0, "probe").await;
    eventually(BOUND, "a send to be refused, or not answered", || async {
        let number = cluster.recorder.now();
        match probe.send(&Room::from("lobby"), &Key(format!("probe-{number}")), &format!("probe {number}")).await {
            Answer::Stored { at, .. } => Err(format!("stored at {}", at.seq)),
            _ => Ok(()),
        }
    })
    .await;
    disk.clear();
    // A nats-server that couldn't write has turned JetStream off: the operator starts it again.
    cluster.kill_broker();
    cluster.revive().await;
    cluster.until_ready().await;
    crowd.go_on(100, BOUND).await;
    rest(&mut cluster, crowd, &room).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_projectors_disk_full_sends_go_on_and_with_room_again_it_catches_up() {
    let Some(disk) = Disk::mount(24) else { return };
    let seed = seed();
    let mut cluster = Cluster::builder(seed).data(disk.path()).start().await;
    let room = Room::from("lobby");
    let mut crowd = Crowd::of_talkers(&cluster, TALKERS, &room);
    crowd.go_on(100, BOUND).await;
    disk.fill();
    crowd.go_on(1_000, BOUND).await;
    cluster.until_projector_says("No space left on device", BOUND).await;
    disk.clear();
    // It may have given up; whoever runs it starts it again.
    cluster.kill_projector();
    cluster.revive().await;
    cluster.until_ready().await;
    rest(&mut cluster, crowd, &room).await;
}

/// All comes to rest, and is judged.
async fn rest(cluster: &mut Cluster, crowd: Crowd, room: &Room) {
    let mut people = crowd.stop().await;
    let mut there: Vec<&Device> = Vec::new();
    for person in &mut people {
        there.push(person.present().await);
    }
    cluster.settle(room, &there, BOUND).await;
    there[0].walk(room).await;
    let (at, digest) = cluster.note_digest(Fold::Incremental, None).await;
    cluster.kill_projector();
    fs::remove_dir_all(cluster.views_folder()).expect("the views are a folder");
    cluster.start_projector();
    assert_eq!(cluster.note_digest(Fold::Rebuilt, Some(at)).await, (at, digest));
    cluster.read_back().await;
    use Promise::*;
    cluster.expect_kept(&[ExactlyOnce, OneOrder, Replay, BoundedMemory]);
}
