//! Three hosts that share deployments through a real etcd: whatever happens to one of them, or to
//! the store, no guest notices.

use std::path::Path;

use end_to_end::System;
use end_to_end::hosts::{Hosts, NAMES, Reader, STEPS, Scene, Telling, address_of};

const WITNESS: &str = env!("CARGO_BIN_EXE_witness");

/// What did not hold, and all that was said before.
#[derive(Default)]
struct Told {
    said: String,
    failed: bool,
}

impl Telling for Told {
    fn check(&mut self, what: &str, holds: bool) {
        self.failed |= !holds;
        self.tell(&format!("{} {what}", if holds { "✓" } else { "✗" }));
    }

    fn tell(&mut self, what: &str) {
        eprintln!("  {what}");
        self.said += &format!("{what}\n");
    }
}

/// Of the lab itself: what a fault is to take away is away, and nothing else.
#[test]
fn each_fault_of_hosts_hits_what_it_says_and_ends() {
    let mut hosts = Hosts::boot_without_cpe("hosts-faults", Path::new(WITNESS));
    let agent = ("10.77.0.11", 7430);
    let stores = |hosts: &Hosts, host: &str| {
        NAMES.map(|member| hosts.reaches(host, &address_of(member), 2379))
    };
    let guest = |hosts: &Hosts, host: &str| hosts.reaches(host, agent.0, agent.1);
    // A link that has just come up loses a packet now and then.
    let reaches_all = |hosts: &Hosts, host: &str| {
        hosts.cloud().wait("it reaches all", 10, || {
            (stores(hosts, host), guest(hosts, host)) == ([true; 3], true)
        });
    };
    for host in NAMES {
        reaches_all(&hosts, host);
    }
    assert!(hosts.alive().is_empty(), "no cpe runs");

    hosts.cut_from_store("h1");
    assert_eq!(
        (stores(&hosts, "h1"), guest(&hosts, "h1")),
        ([false; 3], true)
    );
    assert_eq!(stores(&hosts, "h2"), [true; 3]);
    hosts.heal_store("h1");
    reaches_all(&hosts, "h1");

    hosts.cable("h2", "down");
    assert_eq!(
        (stores(&hosts, "h2"), guest(&hosts, "h2")),
        ([false, true, false], false)
    );
    assert_eq!(stores(&hosts, "h1"), [true, false, true]);
    hosts.cable("h2", "up");
    reaches_all(&hosts, "h2");

    let leader = hosts.leader();
    hosts.freeze(leader);
    assert_ne!(hosts.leader(), leader, "one that stands still leads nobody");
    hosts.thaw(leader);
    let leader = hosts.leader();
    hosts.kill_member(leader);
    assert_ne!(hosts.leader(), leader);
    hosts.start_member(leader);

    let leader = hosts.leader();
    let boot = |hosts: &Hosts| {
        let read = hosts.host(leader).sh("cat /proc/sys/kernel/random/boot_id");
        read.ok()
    };
    let before = boot(&hosts);
    hosts.cut_power(leader);
    assert_ne!(hosts.leader(), leader);
    hosts.power_on(leader);
    assert_ne!(boot(&hosts), before, "it is another boot");
    // With what its member has written: none of the others is needed then.
    let other = if leader == "h1" { "h2" } else { "h1" };
    hosts.kill_member(other);
    assert_ne!(hosts.leader(), other);
}

#[test]
fn no_trouble_of_hosts_or_of_their_store_reaches_a_service() {
    let mut hosts = Hosts::boot("hosts", Path::new(WITNESS));
    let mut reader = Reader::default();
    for step in STEPS {
        let mut told = Told::default();
        eprintln!("{}", step.title);
        (step.run)(&mut Scene {
            hosts: &mut hosts,
            reader: &mut reader,
            to: &mut told,
        });
        assert!(!told.failed, "{}:\n{}", step.title, told.said);
    }
}
