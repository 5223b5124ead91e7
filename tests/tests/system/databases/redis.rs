//! `examples/redis.xml`: a client waits for the replica with every write, while the guest that is
//! written to loses its power.

use std::collections::BTreeSet;

use end_to_end::{Lab, System, now};

use super::{boot, missing, promoted, stop_writing, write, written};

/// Keys that are written before and after.
const SOME: usize = 100;

/// What a guest's server says, to a command.
fn cli(lab: &Lab, guest: &str, command: &str) -> String {
    lab.in_guest(
        guest,
        &format!("redis-cli -s /run/redis/cache.sock {command}"),
    )
    .stdout
}

fn keys(lab: &Lab, guest: &str) -> BTreeSet<u64> {
    let keys = cli(lab, guest, "keys 'key:*'");
    keys.lines()
        .filter_map(|key| key.trim().strip_prefix("key:")?.parse().ok())
        .collect()
}

/// From now on guests boot as virtual machines do, and not in a second: the agent promotes the
/// instance again that was promoted last, if it is back before another one was.
fn slow_boots(lab: &Lab) {
    let folder = "/run/systemd/system/systemd-nspawn@.service.d";
    let unit = "[Service]\\nExecStartPre=/bin/sleep 10\\nTimeoutStartSec=60\\n";
    lab.sh(&format!(
        "mkdir -p {folder}; printf '{unit}' > {folder}/slow.conf; systemctl daemon-reload"
    ))
    .ok();
}

#[test]
fn no_replicated_key_is_lost_when_the_promoted_redis_is() {
    let lab = boot(
        "redis",
        &["kv1", "kv2"],
        "cache.conf",
        "/etc/redis/cache.conf",
    );
    lab.cpectl(&["deploy", "--wait", "/srv/document.xml"]).ok();
    write(&lab, "redis", "10.77.0.120");
    lab.wait("the client writes", 60, || written(&lab).len() > SOME);
    let [first] = &promoted(&lab, "cache", "redis")
        .into_iter()
        .collect::<Vec<_>>()[..]
    else {
        panic!("one is promoted");
    };
    let first = first.clone();
    let second = if first == "kv1" { "kv2" } else { "kv1" };

    slow_boots(&lab);
    let cut_at = now();
    lab.cut(&first);
    lab.wait("the replica is promoted", 60, || {
        promoted(&lab, "cache", "redis") == BTreeSet::from([second.to_owned()])
    });
    let moved = now() - cut_at;
    // There is a replica again when the guest is back: nobody has to do anything.
    lab.wait("keys are replicated again", 60, || {
        let written = written(&lab);
        written.iter().filter(|(_, at)| *at > cut_at + 1.0).count() > SOME
    });
    let replicated = now() - cut_at;
    assert_eq!(
        promoted(&lab, "cache", "redis"),
        BTreeSet::from([second.to_owned()])
    );
    stop_writing(&lab);
    let role = cli(&lab, &first, "info replication");
    for line in [
        "role:slave",
        "master_link_status:up",
        &format!("master_host:{second}"),
    ] {
        assert!(role.contains(line), "{line}: {role}");
    }
    let written = written(&lab);
    assert_eq!(missing(&written, &keys(&lab, second)), Vec::<u64>::new());
    lab.wait("the replica has all of it", 20, || {
        missing(&written, &keys(&lab, &first)).is_empty()
    });
    eprintln!(
        "redis: {} keys; from {first} to {second} after {moved:.1} s; a replica again after {replicated:.1} s",
        written.len()
    );
}
