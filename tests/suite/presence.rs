//! Who is there is who is there: the people of a dead edge leave, and only they.

use std::time::Duration;

use klatch_testkit::eventually;
use klatch_tests::checker::Promise;
use klatch_tests::checker::history::Answer;
use klatch_tests::checker::name::{Moment, Person, Room};
use klatch_tests::cluster::{Cluster, LEASE_MS, seed};

const BOUND: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_edges_people_leave_within_two_lease_periods_and_only_they() {
    let mut cluster = Cluster::start(seed()).await;
    let room = Room::from("lobby");
    let (ada, ben) = (cluster.device(0, "ada").await, cluster.device(1, "ben").await);
    let cleo = [cluster.device(0, "cleo").await, cluster.device(1, "cleo").await];
    for device in [&ada, &ben, &cleo[0], &cleo[1]] {
        device.joined(&room, None).await;
    }
    let present = |expected: &'static [&'static str]| {
        let (ada, room) = (&ada, &room);
        move || async move {
            match ada.presence(room).await {
                Answer::Present { mut people } => {
                    people.sort();
                    let expected: Vec<Person> = expected.iter().map(|person| Person::from(*person)).collect();
                    if people == expected { Ok(()) } else { Err(format!("{people:?}")) }
                }
                other => Err(format!("{other:?}")),
            }
        }
    };
    eventually(BOUND, "all three to be there", present(&["ada", "ben", "cleo"])).await;

    cluster.kill_edge(1);
    let died = cluster.recorder.now();
    eventually(BOUND, "only ben to leave", present(&["ada", "cleo"])).await;
    // Watched beyond the two lease periods: a ghost that lingers, or comes back, is seen by the checker.
    let watched = Moment(died.0 + 2 * LEASE_MS + LEASE_MS / 2);
    eventually(BOUND, "the two lease periods to be over", || async {
        present(&["ada", "cleo"])().await?;
        if cluster.recorder.now() > watched { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;

    // Its successor is another edge: whoever comes there is there.
    cluster.revive().await;
    cluster.until_ready().await;
    let ben_again = cluster.device(1, "ben").await;
    ben_again.joined(&room, None).await;
    eventually(BOUND, "ben to be there again", present(&["ada", "ben", "cleo"])).await;
    ben_again.close().await;
    eventually(BOUND, "ben to leave at once", present(&["ada", "cleo"])).await;
    cluster.read_back().await;
    cluster.expect_kept(&[Promise::Ghosts]);
}
