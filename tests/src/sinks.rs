//! Sinks in a lab: a receiver that checks signatures, events for it, and what came of them.

use serde_json::Value;

use crate::lab::Lab;
use crate::system::System;

/// A sink at the receiver, for all that is in the log.
pub const PAGER: &str = r#"type = "http"
url = "http://127.0.0.1:8099/hook"
secret_file = "pager.secret"
after = 0
timeout = "3s"
"#;
const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Starts cpe-notify with sinks, by their names, and the receiver, which fails five times.
#[track_caller]
pub fn start(lab: &Lab, sinks: &[(&str, &str)]) {
    lab.write(
        "/srv/receiver.py",
        include_str!("../tests/system/receiver.py"),
    );
    lab.write("/etc/cpe/sinks.d/pager.secret", SECRET);
    for (name, sink) in sinks {
        lab.write(&format!("/etc/cpe/sinks.d/{name}.toml"), sink);
    }
    lab.sh(&format!(
        "chgrp cpe-notify /etc/cpe/sinks.d/*; chmod 0640 /etc/cpe/sinks.d/*
         systemd-run --quiet --unit=receiver python3 /srv/receiver.py 8099 {SECRET} /srv/received
         systemctl start cpe-notify.service"
    ))
    .ok();
}

/// What came: id, status, and what the receiver found of the signature.
pub fn received(lab: &Lab) -> Vec<(String, String, String)> {
    let text = lab.sh("cat /srv/received || :").stdout;
    let rows = text.lines().filter_map(|line| {
        let mut words = line.split(' ').map(str::to_owned);
        Some((words.next()?, words.next()?, words.next()?))
    });
    rows.collect()
}

/// A sink, as `cpectl sinks --json` has it; null if nobody says.
pub fn sink(lab: &Lab, name: &str) -> Value {
    let list = lab.cpectl(&["sinks", "--json"]).stdout;
    let list: Value = serde_json::from_str(&list).unwrap_or_default();
    let sinks = list["sinks"].as_array().cloned().unwrap_or_default();
    let mut found = sinks.into_iter().filter(|sink| sink["name"] == name);
    found.next().unwrap_or_default()
}

/// Begins to record events `test.number-1`, …; `/srv/recorded` is there when all are.
#[track_caller]
pub fn record(lab: &Lab, events: usize) {
    // An event that was perhaps recorded is recorded again: its id makes it one.
    lab.write(
        "/srv/record",
        &format!(
            "for n in $(seq {events}); do id=$(cat /proc/sys/kernel/random/uuid); \
             until busctl call org.cloudpolicy.Cpe1 /org/cloudpolicy/cpe1 org.cloudpolicy.Cpe1.Events Record 'a{{sv}}' 3 \
             id s $id time t 1700000000000000 kind s test.number-$n; do sleep 0.1; done; sleep 0.05; done; touch /srv/recorded\n"
        ),
    );
    lab.sh("rm -f /srv/recorded; systemd-run --quiet --unit=recorder bash /srv/record")
        .ok();
}
