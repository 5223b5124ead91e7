//! What operators order beyond switches: to look at everything again, to forget the failures of one
//! operation, to empty all assemblies.

use std::time::Duration;

use end_to_end::{Lab, System};

use crate::walker;

const DOCUMENT: &str = r#"<deployable name="shop" heartbeat_interval="500ms" heartbeat_timeout="3s" lease="30s">
  <assemblies>
    <assembly name="a" address="unix:/run/cpe/guests/a/agent.sock"><fencing mode="manager"/></assembly>
    <assembly name="b" address="unix:/run/cpe/guests/b/agent.sock"><fencing mode="manager"/></assembly>
  </assemblies>
  <configuration>
    <rsc_defaults>
      <meta_attributes id="defaults"><nvpair id="sticky" name="resource-stickiness" value="100"/></meta_attributes>
    </rsc_defaults>
    <resources>
      <primitive id="walker" class="ocf" provider="test" type="walker">
        <operations><op id="walker-monitor" name="monitor" interval="1s" timeout="20s"/></operations>
      </primitive>
      <primitive id="follower" class="ocf" provider="test" type="walker"/>
      <clone id="everywhere">
        <primitive id="each" class="ocf" provider="test" type="walker"/>
      </clone>
    </resources>
    <constraints>
      <rsc_location id="walker-at-a" rsc="walker" node="a" score="50"/>
      <rsc_order id="in-order" first="walker" then="follower"/>
      <rsc_colocation id="together" rsc="follower" with-rsc="walker" score="INFINITY"/>
    </constraints>
  </configuration>
</deployable>"#;

/// What the agents were asked for that changes something.
fn walked(lab: &Lab) -> String {
    lab.sh("cat /srv/shared/walked").ok()
}

/// The processes of a service, without those that it is just about to turn into something else.
fn processes_of(lab: &Lab, service: &str) -> Vec<(String, u32)> {
    let pattern = format!("^/bin/bash /srv/shared/count {service}");
    let mut all = lab.processes(&pattern);
    std::thread::sleep(Duration::from_millis(300));
    let again = lab.processes(&pattern);
    all.retain(|own| again.contains(own));
    all.sort();
    all
}

fn processes(lab: &Lab) -> Vec<(String, u32)> {
    processes_of(lab, "")
}

/// The operations whose failures count, as `walker start/0`.
fn failures(lab: &Lab) -> Vec<String> {
    let status = lab.status("shop");
    let failures = status.0["failures"].as_array().cloned();
    let text = |own: &serde_json::Value| own.as_str().unwrap_or_default().to_owned();
    let own = failures.unwrap_or_default().into_iter().map(|own| {
        let (service, operation) = (text(&own["service"]), text(&own["operation"]));
        format!("{service} {operation}")
    });
    own.collect()
}

#[track_caller]
fn settle(lab: &Lab) {
    lab.cpectl(&["wait", "shop", "--for", "settled", "--timeout", "90s"])
        .ok();
}

/// Kills the DPE; the next one knows of both assemblies.
#[track_caller]
fn kill_dpe(lab: &Lab) {
    let pid = lab.main_pid("dpe@shop.service");
    lab.manage(&["kill", "--signal=KILL", "dpe@shop.service"])
        .ok();
    lab.wait("another DPE manages the deployment", 60, || {
        let status = lab.status("shop");
        ![0, pid].contains(&lab.main_pid("dpe@shop.service"))
            && !status.services().is_empty()
            && status.state() != "loading"
    });
}

#[test]
fn an_operator_looks_again_forgets_one_failure_and_empties_all() {
    let lab = walker::boot("operators", DOCUMENT);
    settle(&lab);
    refresh(&lab);
    cleanup_of_one_operation(&lab);
    standby_of_all(&lab);
}

/// Everything is looked at, and nothing that is well is restarted, also over the death of the DPE.
#[track_caller]
fn refresh(lab: &Lab) {
    let (before, pids) = (walked(lab), processes(lab));
    assert_eq!(pids.len(), 4, "{pids:?}");
    let looks = |lab: &Lab| {
        let events = lab.events().into_iter();
        let begun = events.filter(|event| {
            let reason = event.field("reason");
            event.kind() == "transition.started"
                && reason.contains("is looked at again, asked for by ")
        });
        begun.count()
    };
    lab.cpectl(&["refresh", "shop"]).ok();
    settle(lab);
    assert_eq!(looks(lab), 1);
    lab.cpectl(&["refresh", "shop", "walker", "--assembly", "a"])
        .ok();
    settle(lab);
    lab.cpectl(&["refresh", "shop"]).ok();
    kill_dpe(lab);
    settle(lab);
    std::thread::sleep(Duration::from_secs(3));
    lab.cpectl(&["wait", "shop", "--for", "active", "--timeout", "90s"])
        .ok();
    assert_eq!(walked(lab), before, "only looks");
    assert_eq!(processes(lab), pids);
    let orders = lab.events().into_iter();
    let orders = orders.filter(|event| {
        event.kind() == "deployment.administered" && event.0["details"]["action"] == "refresh"
    });
    assert_eq!(orders.count(), 3);
}

/// The failure of a monitor is forgotten, that of the start after it is not.
#[track_caller]
fn cleanup_of_one_operation(lab: &Lab) {
    lab.sh("touch /srv/shared/walker.broken").ok();
    let walker = processes_of(lab, "walker ");
    lab.sh(&format!("kill -9 {}", walker[0].1)).ok();
    lab.wait("it can run nowhere", 90, || {
        let known = failures(lab);
        known.contains(&"walker monitor/1000".to_owned())
            && known.iter().filter(|own| *own == "walker start/0").count() == 2
    });
    settle(lab);
    lab.sh("rm /srv/shared/walker.broken").ok();
    let cleanup =
        |rest: &[&str]| lab.cpectl(&[&["cleanup", "shop", "walker", "--operation"], rest].concat());
    cleanup(&["monitor", "--interval", "7s"]).ok();
    assert!(failures(lab).contains(&"walker monitor/1000".to_owned()));
    cleanup(&["monitor", "--interval", "1s"]).ok();
    settle(lab);
    assert_eq!(failures(lab), ["walker start/0"; 2]);
    assert_eq!(
        processes_of(lab, "walker "),
        [],
        "its start is still forbidden"
    );
    let refused = cleanup(&["monitr"]);
    assert!(
        refused.code != 0 && refused.stderr.contains("monitr"),
        "{refused:?}"
    );
    cleanup(&["start"]).ok();
    lab.wait("it runs again", 60, || {
        processes_of(lab, "walker ").len() == 1
    });
    settle(lab);
    assert_eq!(failures(lab), [""; 0]);
}

/// No assembly keeps a service, and then all may again; the DPE dies in between.
#[track_caller]
fn standby_of_all(lab: &Lab) {
    let shown = lab.cpectl(&["standby", "shop", "--all", "--dry-run"]).ok();
    assert!(
        shown.contains("stop") && shown.contains("walker"),
        "{shown}"
    );
    let refused = lab.cpectl(&["standby", "shop", "--all"]);
    assert!(refused.stderr.contains("say --yes"), "{refused:?}");
    assert_eq!(processes(lab).len(), 4, "nothing was done");
    lab.cpectl(&["standby", "shop", "--all", "--yes"]).ok();
    kill_dpe(lab);
    lab.wait("nothing runs", 60, || processes(lab).is_empty());
    for guest in ["a", "b"] {
        assert_eq!(lab.status("shop").assembly_state(guest), "standby");
    }
    lab.cpectl(&["unstandby", "shop", "--all", "--yes"]).ok();
    lab.cpectl(&["wait", "shop", "--for", "active", "--timeout", "90s"])
        .ok();
    assert_eq!(processes(lab).len(), 4);
}
