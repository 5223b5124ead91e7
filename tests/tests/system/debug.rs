//! Resource agents that are had to do something once, in real guests: all that they say is shown,
//! nothing of it counts, nothing is started twice, and the engine looks again.

use end_to_end::{Document, Event, Lab, System};

/// A resource agent that says much, and fails when it is told to.
const AGENT: &str = r#"folder=/usr/lib/ocf/resource.d/shop; mkdir -p $folder; cat > $folder/talks <<'END'
#!/bin/sh
echo "$1 with $OCF_RESKEY_greeting, timeout $OCF_RESKEY_CRM_meta_timeout"
echo "$1 on the standard error" >&2
echo "$1" >> /run/talks.log
case $1 in
start) test ! -e /run/talks.slow || sleep 8; touch /run/talks.runs;;
stop) rm -f /run/talks.runs;;
monitor)
    if test -e /run/talks.sick; then echo "ocf-exit-reason:it is sick" >&2; exit 1; fi
    test -e /run/talks.runs || exit 7;;
meta-data) echo '<resource-agent name="talks"><version>1.0</version><parameters><parameter name="greeting"><content type="string"/></parameter></parameters><actions><action name="start" timeout="60s"/><action name="stop" timeout="60s"/><action name="monitor" timeout="20s"/><action name="meta-data" timeout="5s"/></actions></resource-agent>';;
*) exit 3;;
esac
END
chmod +x $folder/talks"#;

fn document() -> Document {
    Document::new("shop", &["a", "b"])
        .service(
            r#"<service name="db" class="ocf" provider="shop" type="talks"><parameters><parameter name="greeting" value="good morning"/></parameters></service>"#,
        )
        .constraint(r#"<location service="db" assembly="a" score="100"/>"#)
}

fn runs_in(lab: &Lab, guest: &str) -> bool {
    let told = lab.in_guest(guest, "test -e /run/talks.runs && echo yes || :");
    told.ok().contains("yes")
}

/// Where it runs, managed or not.
fn believed(lab: &Lab) -> Option<String> {
    let status = lab.status("shop");
    let rows = status.0["services"].as_array()?;
    let row = rows.iter().find(|row| row["name"] == "db")?;
    let assembly = row["assembly"].as_str().unwrap_or_default();
    (!assembly.is_empty()).then(|| assembly.to_owned())
}

fn debugged(lab: &Lab) -> usize {
    let told = lab.events();
    let kinds = told.iter().map(Event::kind);
    kinds.filter(|kind| *kind == "service.debugged").count()
}

#[test]
fn an_agent_says_what_is_wrong_and_starts_and_stops_what_is_left_alone() {
    let lab = Lab::boot("debug").with_guests(&["a", "b"]);
    for guest in ["a", "b"] {
        lab.in_guest(guest, AGENT).ok();
    }
    lab.deploy(&document());
    lab.wait("db runs in a", 60, || runs_in(&lab, "a"));

    // A monitor that fails says why, and counts nowhere.
    lab.in_guest("a", "touch /run/talks.sick").ok();
    let failed = lab.cpectl(&["debug", "monitor", "shop", "db", "--on", "a"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    for part in [
        "exit code 1 (error)",
        "reason: it is sick",
        "monitor with good morning",
        "  monitor on the standard error",
        "db is running on a",
    ] {
        assert!(failed.stdout.contains(part), "{part}: {failed:?}");
    }
    let status = lab.cpectl(&["status", "shop", "--check"]);
    assert_eq!(status.code, 0, "{status:?}");
    lab.in_guest("a", "rm /run/talks.sick").ok();

    // What is managed is left to the engine.
    for verb in ["start", "stop"] {
        let refused = lab.cpectl(&["debug", verb, "shop", "db", "--on", "a"]);
        let hint = refused.stderr.contains("cpectl unmanage shop db");
        assert!(refused.code == 5 && hint, "{refused:?}");
    }
    assert!(runs_in(&lab, "a"));

    lab.cpectl(&["unmanage", "shop", "db", "--wait"]).ok();
    let stopped = lab
        .cpectl(&["debug", "stop", "shop", "db", "--on", "a"])
        .ok();
    assert!(stopped.contains("stop with good morning"), "{stopped}");
    assert!(
        stopped.contains("it believes now: db is not running on a"),
        "{stopped}"
    );
    assert!(!runs_in(&lab, "a"));
    assert_eq!(believed(&lab), None);
    let started = lab
        .cpectl(&["debug", "start", "shop", "db", "--on", "b"])
        .ok();
    assert!(
        started.contains("it believes now: db is running on b"),
        "{started}"
    );
    assert_eq!(believed(&lab).as_deref(), Some("b"));
    let twice = lab.cpectl(&["debug", "start", "shop", "db", "--on", "a"]);
    assert!(
        twice.code == 5 && twice.stderr.contains("it runs there"),
        "{twice:?}"
    );
    assert!(runs_in(&lab, "b") && !runs_in(&lab, "a"));

    // The engine goes on from what is so.
    lab.cpectl(&["manage", "shop", "db", "--wait"]).ok();
    lab.wait("db runs where it should", 90, || {
        let places = (runs_in(&lab, "a"), runs_in(&lab, "b"));
        places == (true, false) && lab.status("shop").all_running()
    });
    assert_eq!(debugged(&lab), 3);
    let failures = lab.cpectl(&["status", "shop", "--check"]);
    assert_eq!(failures.code, 0, "{failures:?}");
}

#[test]
fn nothing_is_started_by_hand_while_another_assembly_is_in_doubt() {
    let lab = Lab::boot("debug-doubt").with_guests(&["a", "b"]);
    for guest in ["a", "b"] {
        lab.in_guest(guest, AGENT).ok();
    }
    // Nobody makes an assembly safe but a person.
    let waits = document()
        .fencing(r#"<fencing mode="manager"/>"#)
        .timing(r#"heartbeat_interval="500ms" heartbeat_timeout="2s""#);
    lab.deploy(&waits);
    lab.wait("db runs in a", 60, || runs_in(&lab, "a"));
    lab.cpectl(&["unmanage", "shop", "db", "--wait"]).ok();
    lab.in_guest(
        "a",
        "systemctl mask --runtime cpe-agent.service; systemctl kill -s KILL cpe-agent.service",
    )
    .ok();
    lab.wait("a is lost", 60, || {
        let told = lab.events();
        told.iter().any(|event| event.kind() == "assembly.lost")
    });
    let refused = lab.cpectl(&["debug", "start", "shop", "db", "--on", "b"]);
    let why = refused.stderr.contains("a is not known to be down");
    assert!(refused.code == 5 && why, "{refused:?}");
    assert!(!runs_in(&lab, "b"));
    // Looking is possible, and so is a refresh of what can be looked at.
    let looked = lab
        .cpectl(&["debug", "monitor", "shop", "db", "--on", "b"])
        .ok();
    assert!(looked.contains("exit code 7 (not running)"), "{looked}");
    lab.cpectl(&["refresh", "shop"]).ok();
    assert!(runs_in(&lab, "a") && !runs_in(&lab, "b"));
}

#[test]
fn a_dpe_that_dies_meanwhile_leaves_it_to_the_next_to_look() {
    let lab = Lab::boot("debug-dies").with_guests(&["a", "b"]);
    for guest in ["a", "b"] {
        lab.in_guest(guest, AGENT).ok();
    }
    lab.deploy(&document());
    lab.wait("db runs in a", 60, || runs_in(&lab, "a"));
    lab.cpectl(&["unmanage", "shop", "db", "--wait"]).ok();
    lab.cpectl(&["debug", "stop", "shop", "db", "--on", "a"])
        .ok();
    lab.in_guest("b", "touch /run/talks.slow").ok();
    lab.sh("cpectl debug start shop db --on b > /tmp/debugged 2>&1 & echo begun")
        .ok();
    lab.wait("its start has begun", 60, || {
        lab.in_guest("b", "cat /run/talks.log || :")
            .ok()
            .contains("start")
    });
    lab.sh("systemctl kill -s KILL dpe@shop.service").ok();
    // Somebody manages it again meanwhile: it is not started elsewhere.
    lab.wait("another DPE obeys", 60, || {
        lab.cpectl(&["manage", "shop", "db"]).code == 0
    });
    lab.wait(
        "it runs, where it was started or where it should",
        90,
        || {
            let places = (runs_in(&lab, "a"), runs_in(&lab, "b"));
            assert_ne!(places, (true, true), "it runs once");
            lab.status("shop").all_running() && places != (false, false)
        },
    );
    lab.wait("it is told what became of it", 90, || {
        let told = lab.sh("cat /tmp/debugged").ok();
        told.contains("start of db on b: ocf:shop:talks") && told.contains("exit code 0 (ok)")
    });
    assert_eq!(debugged(&lab), 2);
}
