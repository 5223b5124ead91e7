//! Whether every service would run after a loss: what is foretold on a real system is told as an
//! event when it changes, and comes to pass.

use end_to_end::{Document, Event, Lab, System};

const DB: u32 = 330_001;
const WEB: u32 = 330_002;

/// A service that takes memory.
fn service(name: &str, seconds: u32) -> String {
    let parameter = |name: &str, value: &str| {
        format!(r#"<parameter name="{name}"><value>{value}</value></parameter>"#)
    };
    let parameters = parameter("binfile", "/usr/bin/sleep")
        + &parameter("cmdline_options", &seconds.to_string())
        + &parameter("pidfile", &format!("/run/{name}.pid"));
    format!(
        r#"<service name="{name}" class="ocf" provider="heartbeat" type="anything" monitor_interval="1s">
      <utilization memory="3072"/><parameters>{parameters}</parameters></service>"#
    )
}

/// Two guests that have so much.
fn document(memory: u32) -> Document {
    let each = format!(r#"<fencing mode="lease"/><capacity memory="{memory}"/>"#);
    Document::new("shop", &["a", "b"])
        .fencing(&each)
        .service(&service("db", DB))
        .service(&service("web", WEB))
}

fn wait_for_event(lab: &Lab, kind: &str) -> Event {
    let mut found = None;
    lab.wait(kind, 150, || {
        let mut events = lab.events().into_iter().rev();
        found = events.find(|event| event.kind() == kind);
        found.is_some()
    });
    found.unwrap()
}

/// What runs has room; a document is to take that away.
fn a_document_without_room_is_refused_where_that_is_set(lab: &Lab) {
    let loss = "without a, db would not run";
    let other = "without b, db would not run";
    let is_told = |text: &str| {
        text.contains(loss) || text.contains(other) || text.contains("web would not run")
    };
    lab.write("/srv/tight.xml", &document(4096).xml());
    let plan = lab.cpectl(&["plan", "/srv/tight.xml"]).ok();
    assert!(
        plan.contains("warning: without ") && is_told(&plan),
        "{plan}"
    );
    lab.sh("printf '\\n[admission]\\nroom = \"refuse\"\\n' >> /etc/cpe/cpe.toml; systemctl restart cpe.service")
        .ok();
    lab.wait("the plan says that it would be refused", 60, || {
        let plan = lab.cpectl(&["plan", "/srv/tight.xml"]);
        plan.code == 0
            && plan
                .stdout
                .contains("refused unless it is forced: without ")
    });
    let refused = lab.cpectl(&["deploy", "/srv/tight.xml"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    for expected in [
        "admission.room in cpe.toml",
        "raise the capacity of",
        "warning: without ",
    ] {
        assert!(refused.stderr.contains(expected), "{expected}: {refused:?}");
    }
    let generation = lab.status("shop").0["generation"].clone();
    assert_eq!(generation, 2, "nothing was stored");
    lab.cpectl(&["deploy", "--force", "--wait", "/srv/tight.xml"])
        .ok();
    let modified = wait_for_event(lab, "deployment.modified");
    assert_eq!(modified.0["details"]["force"], "true", "{modified:?}");
    // Back is allowed: it has room.
    let back = lab.cpectl(&["rollback", "shop", "2", "--yes", "--wait"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert!(!back.stderr.contains("refused"), "{back:?}");
}

#[test]
fn what_would_not_fit_after_a_loss_is_said_until_the_document_has_room_and_then_it_fits() {
    let lab = Lab::boot("room").with_guests(&["a", "b"]);
    lab.deploy(&document(4096));
    let checked = lab.cpectl(&["check", "shop", "--lose-any"]);
    assert_eq!(checked.code, 9, "{checked:?}");
    for expected in [
        "no, not for 2 of 2",
        "there is not enough memory on a",
        "all would run with this: raise the capacity of b: memory by 2048, to 6144",
        "all would run with this: one more assembly with memory 3072",
    ] {
        assert!(checked.stdout.contains(expected), "{expected}: {checked:?}");
    }
    let missing = wait_for_event(&lab, "deployment.room-missing");
    let reason = missing.field("reason");
    assert!(reason.contains("would not run without"), "{reason}");
    let status = lab.cpectl(&["status", "shop"]).ok();
    let told = format!("room for any one loss: no: {reason}");
    assert!(status.contains(&told), "{status}");

    lab.deploy(&document(6144));
    a_document_without_room_is_refused_where_that_is_set(&lab);
    let checked = lab.cpectl(&["check", "shop", "--lose", "a", "--json"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let report: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
    assert_eq!(report["holds"], true, "{report}");
    wait_for_event(&lab, "deployment.room-regained");
    let status = lab.cpectl(&["status", "shop"]).ok();
    assert!(status.contains("room for any one loss: yes"), "{status}");

    lab.cut("a");
    lab.wait("everything runs in b", 90, || {
        let status = lab.status("shop");
        ["db", "web"]
            .iter()
            .all(|service| status.assembly_of(service).as_deref() == Some("b"))
            && lab.sleepers(DB).len() == 1
            && lab.sleepers(WEB).len() == 1
    });
    // Nothing is left to be lost but b, and that is where all is.
    let last = lab.cpectl(&["check", "shop"]);
    assert!(
        last.code == 9 && last.stdout.contains("without b:"),
        "{last:?}"
    );
}
