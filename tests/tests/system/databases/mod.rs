//! Replicated databases with Debian's own servers and resource agents, as the examples have them:
//! what was acknowledged survives the loss of a guest.

use std::collections::BTreeSet;

use end_to_end::{Lab, System, project_dir};

mod galera;
mod postgresql;
mod redis;

/// Boots the guests of an example and another one for its client. The guests know each other by
/// their names, and have its configuration file.
#[track_caller]
fn boot(example: &str, guests: &[&str], configuration: &str, path: &str) -> Lab {
    let all = [guests, &["client"]].concat();
    let lab = Lab::boot(example).with_guests(&all);
    lab.sh("cp /usr/share/doc/cpe/60-dpe-unit-fencing.rules /etc/polkit-1/rules.d/; cp /srv/lab/store.sh /srv/shared/").ok();
    let hosts: String = (11..)
        .zip(guests)
        .map(|(number, guest)| format!("10.77.0.{number} {guest}\\n"))
        .collect();
    for guest in guests {
        let prepare = format!(
            "printf '{hosts}' >> /etc/hosts; install -m 644 /srv/examples/{example}/{configuration} {path}"
        );
        lab.in_guest(guest, &prepare).ok();
    }
    let document = project_dir().join(format!("examples/{example}.xml"));
    let document = std::fs::read_to_string(document).unwrap();
    lab.write("/srv/document.xml", &document);
    lab
}

/// Lets the client write from now on.
#[track_caller]
fn write(lab: &Lab, kind: &str, address: &str) {
    lab.sh(&format!("systemd-run --quiet --unit=store-client /srv/lab/guests.sh run client /bin/bash /srv/shared/store.sh {kind} {address} /srv/shared/written"))
        .ok();
}

/// Ends the client.
#[track_caller]
fn stop_writing(lab: &Lab) {
    lab.sh("systemctl stop store-client.service; machinectl terminate client")
        .ok();
}

/// What the client knows to be kept: numbers, and when they were acknowledged, in seconds.
fn written(lab: &Lab) -> Vec<(u64, f64)> {
    let text = lab.sh("cat /srv/shared/written || :").stdout;
    // The last line may be half written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(number, at)| Some((number.parse().ok()?, at.parse().ok()?)))
        .collect()
}

/// The assemblies in which a service is promoted.
fn promoted(lab: &Lab, deployment: &str, service: &str) -> BTreeSet<String> {
    let status = lab.status(deployment);
    let services = status.0["services"].as_array().cloned().unwrap_or_default();
    services
        .iter()
        .filter(|it| it["service"] == service && it["state"] == "promoted")
        .filter_map(|it| it["assembly"].as_str().map(str::to_owned))
        .collect()
}

/// Some acknowledged numbers that are not among those that a guest has.
fn missing(written: &[(u64, f64)], kept: &BTreeSet<u64>) -> Vec<u64> {
    let numbers = written.iter().map(|(number, _)| *number);
    numbers.filter(|it| !kept.contains(it)).take(10).collect()
}
