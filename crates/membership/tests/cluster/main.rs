//! Three hosts and a real etcd of three members. Hosts are processes; their DPEs are fake ones,
//! which write down when they may act, and are processes of their own. What they have written is
//! judged.

mod hosts;
mod many;
mod marks;
mod world;

use std::time::Duration;

use cpe_etcd::{Operation, Txn};

use crate::world::World;

/// From the death of a host, without other troubles: `docs/dev/scale-out.md`, section 18; and what
/// a machine takes longer that does other things at the same time.
const TAKEN_OVER: Duration = Duration::from_millis(12_800 + 5_000);

/// Shorter than that nobody can be: the former owner's permit is not waited for by asking it.
const NOT_BEFORE: Duration = Duration::from_millis(2_700);

#[tokio::test]
async fn deployments_outlive_hosts_and_troubles_of_the_store() {
    let mut world = World::start(&["a", "b", "c"]).await.expect("a cluster");
    they_are_placed_and_spread(&mut world).await;
    a_cpe_that_is_killed_takes_its_own_up_again(&mut world).await;
    a_host_that_dies_is_followed(&mut world).await;
    a_host_that_stands_still_is_followed(&mut world).await;
    a_host_that_is_cut_off_is_followed(&mut world).await;
    a_leader_that_stands_still_moves_nothing(&mut world).await;
    without_a_quorum_nothing_is_stopped(&mut world).await;
    a_host_that_dies_with_the_leader_is_followed(&mut world).await;
    a_host_that_drains_gives_away_what_it_has(&mut world).await;
    what_is_destroyed_ends(&mut world).await;
    a_record_that_cannot_be_read_is_left_alone(&mut world).await;
    world.judge();
}

async fn they_are_placed_and_spread(world: &mut World) {
    for number in 0..12 {
        let answer = world.change("a", &format!("create n{number}")).await;
        assert_eq!(answer, "Done(1)");
    }
    // The same again is the same: with its id it is done once.
    assert_eq!(world.change("b", "create n3").await, "Refused(Exists)");
    world.until_all_act(12, TAKEN_OVER).await;
    for host in ["a", "b", "c"] {
        let has = world.held_by(host).len();
        println!("{host} has {has} of 12");
        assert!((1..=8).contains(&has), "{host} has {has}");
    }
}

/// Waits until others act for what it had.
async fn is_followed(world: &mut World, host: &str, had: &[String], from_us: u64) -> Duration {
    let count = world.count();
    world.until(TAKEN_OVER, |world| {
        world.held_by(host).is_empty() && world.held().len() == count
    });
    let took = world.last_first_act(had, from_us);
    println!(
        "{host} is followed after {took:?}, {} deployments",
        had.len()
    );
    assert!((NOT_BEFORE..TAKEN_OVER).contains(&took), "{took:?}");
    // Nothing else has moved.
    let moved = world.started_since(from_us);
    assert!(moved.iter().all(|name| had.contains(name)), "{moved:?}");
    took
}

async fn a_host_that_dies_is_followed(world: &mut World) {
    let had = world.held_by("a");
    let from_us = world.cut_power("a");
    is_followed(world, "a", &had, from_us).await;
    world.boot("a").await;
}

async fn a_host_that_stands_still_is_followed(world: &mut World) {
    let had = world.held_by("b");
    let from_us = world.freeze("b");
    is_followed(world, "b", &had, from_us).await;
    // It has seen nothing of it: what it may do is judged by what its DPEs write now.
    world.thaw("b");
    world.until_open("b").await;
    assert!(world.held_by("b").is_empty());
}

async fn a_host_that_is_cut_off_is_followed(world: &mut World) {
    let had = world.held_by("c");
    let from_us = world.now_us();
    world.ways("c").cut();
    is_followed(world, "c", &had, from_us).await;
    world.ways("c").heal();
    world.until_open("c").await;
    assert!(world.held_by("c").is_empty());
}

async fn a_cpe_that_is_killed_takes_its_own_up_again(world: &mut World) {
    // One that has less than its share: a process that starts knows of no loss, and a host that has
    // more evens out.
    let host = ["a", "b", "c"]
        .into_iter()
        .min_by_key(|host| world.held_by(host).len());
    let host = host.expect("there are three");
    let had = world.held_by(host);
    let from_us = world.now_us();
    world.kill_cpe(host);
    world.start_cpe(host).await;
    world.until_open(host).await;
    world.pause(Duration::from_secs(4));
    // It may get more, and has given nothing away.
    let has = world.held_by(host);
    assert!(had.iter().all(|name| has.contains(name)), "{had:?} {has:?}");
    assert!(
        world
            .started_since(from_us)
            .is_disjoint(&had.into_iter().collect())
    );
}

async fn a_leader_that_stands_still_moves_nothing(world: &mut World) {
    let from_us = world.now_us();
    let holders = world.holders();
    let leader = world.lab.leader().await.expect("a leader");
    world.lab.freeze(leader).expect("frozen");
    world.pause(Duration::from_secs(6));
    world.until_all_act(world.count(), TAKEN_OVER).await;
    assert_eq!(world.holders(), holders);
    assert_eq!(world.said_since(from_us, "stops"), 0);
    println!(
        "no DPE acted for up to {:?}",
        world.longest_silence(from_us)
    );
    // It takes itself for the leader still.
    world.lab.thaw(leader).expect("thawed");
    world.pause(Duration::from_secs(2));
    assert_eq!(world.holders(), holders);
}

async fn without_a_quorum_nothing_is_stopped(world: &mut World) {
    let from_us = world.now_us();
    let holders = world.holders();
    world.lab.kill(0).expect("killed");
    world.lab.kill(1).expect("killed");
    // Permits are over after 3 s: nobody acts.
    world.until(Duration::from_secs(10), |world| world.held().is_empty());
    world.pause(Duration::from_secs(8));
    assert!(world.held().is_empty());
    world.lab.restart(0).expect("started");
    world
        .until_all_act(world.count(), Duration::from_secs(20))
        .await;
    world.pause(Duration::from_secs(4));
    assert_eq!(world.holders(), holders);
    assert_eq!(world.said_since(from_us, "stops"), 0);
    assert_eq!(world.said_since(from_us, "starts"), 0);
    println!(
        "without a quorum no DPE acted for {:?}",
        world.longest_silence(from_us)
    );
    world.lab.restart(1).expect("started");
    world.pause(Duration::from_secs(2));
}

async fn a_host_that_dies_with_the_leader_is_followed(world: &mut World) {
    let host = ["a", "b", "c"]
        .into_iter()
        .max_by_key(|host| world.held_by(host).len());
    let host = host.expect("there are three");
    let had = world.held_by(host);
    let leader = world.lab.leader().await.expect("a leader");
    world.lab.kill(leader).expect("killed");
    let from_us = world.cut_power(host);
    println!("with etcd's leader:");
    is_followed(world, host, &had, from_us).await;
    world.lab.restart(leader).expect("started");
    world.boot(host).await;
}

async fn a_host_that_drains_gives_away_what_it_has(world: &mut World) {
    let host = ["a", "b", "c"]
        .into_iter()
        .max_by_key(|host| world.held_by(host).len());
    let host = host.expect("there are three");
    let other = if host == "a" { "b" } else { "a" };
    // Asked of anybody, and answered.
    assert_eq!(world.say(other, &format!("lost {host}")).await, "Alive");
    assert_eq!(world.say(other, "drain nobody").await, "Missing");
    assert_eq!(world.say(other, &format!("drain {host}")).await, "Done");
    let count = world.count();
    world.until(TAKEN_OVER, |world| {
        world.held_by(host).is_empty() && world.held().len() == count
    });
    assert_eq!(world.say(host, &format!("activate {host}")).await, "Done");
    // One is asked of its owner.
    let has = world.held_by(other);
    let name = has.first().expect("it has something");
    let line = format!("move {name} {host}");
    assert_eq!(world.say(host, &line).await, "NotHere");
    assert_eq!(world.say(other, &line).await, "Done");
    world.until(TAKEN_OVER, |world| world.held_by(host).contains(name));
}

async fn what_is_destroyed_ends(world: &mut World) {
    assert!(world.change("b", "destroy n3").await.starts_with("Done"));
    let is_gone = |world: &World| !world.held().contains_key("n3");
    world.until(TAKEN_OVER, is_gone);
    world.pause(Duration::from_secs(1));
    assert_eq!(world.held().len(), world.count() - 1);
}

async fn a_record_that_cannot_be_read_is_left_alone(world: &mut World) {
    let root = world.root().await;
    let key = "/cpe/v1/cluster/own/n99".to_owned();
    let then = |operation| Txn {
        then: vec![operation],
        ..Txn::default()
    };
    let rubbish = Operation::Put(key.clone(), b"rubbish".to_vec(), None);
    root.txn(then(rubbish)).await.expect("written");
    let count = world.held().len();
    assert_eq!(world.change("a", "create n99").await, "Done(1)");
    world.pause(Duration::from_secs(2));
    // Somebody may have it: nobody takes it, and the others go on.
    assert_eq!(world.held().len(), count);
    assert!(!world.held().contains_key("n99"));
    root.txn(then(Operation::Delete(key)))
        .await
        .expect("deleted");
    world.until(TAKEN_OVER, |world| world.held().contains_key("n99"));
}
