//! The six flows of the design, one test each.

use end_to_end::{Document, Lab, System};

fn two_services() -> Document {
    Document::new("shop", &["a", "b"])
        .sleeper("db", 100_001)
        .sleeper("httpd", 100_002)
}

#[test]
fn it_creates_a_deployment_and_starts_its_services_in_order() {
    let lab = Lab::boot("create").with_guests(&["a", "b"]);
    lab.deploy(&two_services().constraint(r#"<service_dependency first="db" then="httpd"/>"#));
    assert_eq!(lab.sleepers(100_001).len(), 1);
    assert_eq!(lab.sleepers(100_002).len(), 1);
    let started: Vec<String> = lab
        .events()
        .iter()
        .filter(|event| event.kind() == "service.started")
        .map(|event| event.field("service"))
        .collect();
    assert_eq!(started, ["db", "httpd"]);
    assert!(lab.main_pid("dpe@shop.service") > 0);
}

#[test]
fn it_destroys_a_deployment_and_leaves_nothing() {
    let lab = Lab::boot("destroy").with_guests(&["a", "b"]);
    lab.deploy(&two_services());
    lab.cpectl(&["destroy", "shop", "--wait"]).ok();
    assert_eq!(lab.sleepers(100_001), []);
    assert_eq!(lab.sleepers(100_002), []);
    assert_eq!(lab.main_pid("dpe@shop.service"), 0);
    assert_ne!(lab.cpectl(&["show", "shop"]).code, 0);
    assert!(
        lab.events()
            .iter()
            .any(|event| event.kind() == "deployment.destroyed")
    );
    // The name is free again.
    lab.deploy(&two_services());
}

#[test]
fn it_leaves_services_running_on_destroy_if_asked() {
    let lab = Lab::boot("keep").with_guests(&["a", "b"]);
    lab.deploy(&two_services());
    let before = lab.sleepers(100_001);
    lab.cpectl(&["destroy", "shop", "--keep-services", "--wait"])
        .ok();
    // Longer than the lease: nobody may stop them later either.
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(lab.sleepers(100_001), before);
}

#[test]
fn it_restarts_a_killed_dpe_and_touches_no_service() {
    let lab = Lab::boot("dpe-dies").with_guests(&["a", "b"]);
    lab.deploy(&two_services());
    let before = (lab.sleepers(100_001), lab.sleepers(100_002));
    let old = lab.main_pid("dpe@shop.service");
    lab.sh("systemctl kill -s KILL dpe@shop.service").ok();
    lab.wait("another DPE manages the deployment", 20, || {
        let pid = lab.main_pid("dpe@shop.service");
        pid != 0 && pid != old && lab.status("shop").all_running()
    });
    std::thread::sleep(std::time::Duration::from_secs(4)); // past the lease
    assert_eq!((lab.sleepers(100_001), lab.sleepers(100_002)), before);
    let kinds: Vec<String> = lab.events().iter().map(|event| event.kind()).collect();
    assert!(kinds.iter().any(|kind| kind == "dpe.died"), "{kinds:?}");
    assert!(
        kinds.iter().any(|kind| kind == "dpe.restarted"),
        "{kinds:?}"
    );
}

#[test]
fn it_recovers_a_killed_service_in_place() {
    let lab = Lab::boot("service-dies").with_guests(&["a", "b"]);
    lab.deploy(&two_services());
    let before = lab.sleepers(100_001);
    lab.sh(&format!("kill -9 {}", before[0].1)).ok();
    lab.wait("the service runs again, in the same assembly", 20, || {
        let now = lab.sleepers(100_001);
        now.len() == 1 && now[0].0 == before[0].0 && now[0].1 != before[0].1
    });
    lab.wait("the events say so", 10, || {
        let events = lab.events();
        ["service.failed", "service.recovered"].iter().all(|kind| {
            events
                .iter()
                .any(|event| event.kind() == *kind && event.field("service") == "db")
        })
    });
}

#[test]
fn it_moves_services_of_a_lost_assembly_when_its_lease_is_over() {
    let lab = Lab::boot("assembly-lost").with_guests(&["a", "b"]);
    lab.deploy(&two_services());
    let lost = lab.sleepers(100_001)[0].0.clone();
    lab.cut(&lost);
    lab.wait("the service runs in the other assembly", 40, || {
        let now = lab.sleepers(100_001);
        now.len() == 1
            && now[0].0 != lost
            && lab.status("shop").assembly_of("db").as_deref() == Some(now[0].0.as_str())
    });
    let events = lab.events();
    let position = |kind: &str| events.iter().position(|event| event.kind() == kind);
    let (missed, gone) = (
        position("assembly.heartbeat-missed"),
        position("assembly.lost"),
    );
    let (fenced, moved) = (
        position("assembly.fencing-succeeded"),
        position("service.moved"),
    );
    assert!(
        missed.is_some() && missed <= gone && gone < fenced && fenced < moved,
        "{missed:?} {gone:?} {fenced:?} {moved:?}"
    );
}

#[test]
fn it_does_only_the_difference_when_a_document_changes() {
    let lab = Lab::boot("modify").with_guests(&["a", "b"]);
    lab.deploy(&two_services());
    let before = lab.sleepers(100_001);
    lab.deploy(
        &Document::new("shop", &["a", "b"])
            .sleeper("db", 100_001)
            .sleeper("httpd", 100_003),
    );
    lab.wait(
        "the changed service runs with its new parameter",
        20,
        || lab.sleepers(100_003).len() == 1 && lab.sleepers(100_002).is_empty(),
    );
    assert_eq!(
        lab.sleepers(100_001),
        before,
        "the unchanged service was touched"
    );
    assert!(
        lab.events()
            .iter()
            .any(|event| event.kind() == "deployment.modified")
    );
}

#[test]
fn it_keeps_an_event_log_with_cursors_also_in_the_journal() {
    let lab = Lab::boot("events").with_guests(&["a", "b"]);
    lab.deploy(&two_services());
    let events = lab.events();
    let kinds: Vec<String> = events.iter().map(|event| event.kind()).collect();
    for kind in [
        "deployment.created",
        "dpe.started",
        "assembly.online",
        "service.started",
        "transition.completed",
    ] {
        assert!(
            kinds.iter().any(|seen| seen == kind),
            "no {kind} in {kinds:?}"
        );
    }
    let cursors: Vec<u64> = events
        .iter()
        .filter_map(|event| event.field("cursor").parse().ok())
        .collect();
    assert_eq!(cursors.len(), events.len());
    assert!(cursors.windows(2).all(|pair| pair[0] < pair[1]));
    let mut ids: Vec<String> = events.iter().map(|event| event.field("id")).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), events.len(), "an event is there twice");
    let half = cursors[cursors.len() / 2].to_string();
    let rest =
        end_to_end::Event::parse_all(&lab.cpectl(&["events", "--json", "--since", &half]).ok());
    assert_eq!(
        rest.len(),
        cursors
            .iter()
            .filter(|cursor| **cursor > cursors[cursors.len() / 2])
            .count()
    );
    let journal = lab
        .sh("journalctl -u cpe.service -o json --no-pager | grep -c '\"MESSAGE_ID\"'")
        .stdout;
    assert!(
        journal.trim().parse::<usize>().unwrap_or(0) >= events.len(),
        "{journal} entries for {} events",
        events.len()
    );
}

#[test]
fn it_reloads_a_service_whose_agent_can_take_the_change_while_it_runs() {
    let document = |port: u32, connect_timeout: u32| {
        Document::new("shop", &["a"]).service(&format!(
            r#"<service name="files" class="ocf" provider="shop" type="server" monitor_interval="1s"><parameters>
      <parameter name="command"><value>/usr/bin/python3 -m http.server {port}</value></parameter>
      <parameter name="port"><value>{port}</value></parameter>
      <parameter name="connect_timeout"><value>{connect_timeout}</value></parameter></parameters></service>"#
        ))
    };
    let lab = Lab::boot("reload").with_guests(&["a"]);
    lab.deploy(&document(8111, 3));
    let server = || lab.processes("^/usr/bin/python3 -m http.server");
    let reloads = || {
        lab.sh("journalctl -M a -u cpe-agent --no-pager | grep -c 'reload-agent of files: Done, rc 0' || :")
            .stdout
    };
    let before = server();
    assert_eq!((before.len(), reloads().trim()), (1, "0"));

    lab.deploy(&document(8111, 4));
    assert_eq!(reloads().trim(), "1", "the agent was not asked to reload");
    assert_eq!(server(), before, "the service was restarted");

    lab.deploy(&document(8112, 4));
    let after = server();
    assert!(
        after.len() == 1 && after != before,
        "another port needs a restart: {after:?}"
    );
}
