//! Agents that are killed while they carry operations out: what these have come to is looked at, or
//! done again, and nothing else in the guest notices. Nor does anything when an agent is restarted
//! that cannot ask on the bus why.

use end_to_end::{Document, Event, Lab, System};

/// Seconds that the healthy service sleeps.
const WEB: u32 = 330_001;
const KILL: &str = "systemctl kill --kill-whom=main -s KILL cpe-agent.service";

/// A resource agent whose start and stop take some seconds.
fn install(lab: &Lab, guest: &str) {
    let script = r#"folder=/usr/lib/ocf/resource.d/shop; mkdir -p $folder; cat > $folder/slow <<'END'
#!/bin/sh
case $1 in
start) echo start >> /run/slow.log; sleep 3; touch /run/slow.runs;;
stop) echo stop >> /run/slow.log; sleep 3; rm -f /run/slow.runs;;
monitor) test -e /run/slow.runs || exit 7;;
meta-data) echo '<resource-agent name="slow"><version>1.0</version><parameters/><actions><action name="start" timeout="60s"/><action name="stop" timeout="60s"/><action name="monitor" timeout="20s"/><action name="meta-data" timeout="5s"/></actions></resource-agent>';;
*) exit 3;;
esac
END
chmod +x $folder/slow"#;
    lab.in_guest(guest, script).ok();
}

fn count(lab: &Lab, action: &str) -> usize {
    let text = lab.in_guest("a", "cat /run/slow.log || :").ok();
    text.lines().filter(|line| *line == action).count()
}

#[test]
fn an_agent_that_is_killed_in_a_stop_or_a_start_has_nothing_fenced_or_banned() {
    let lab = Lab::boot("killed").with_guests(&["a", "b"]);
    for guest in ["a", "b"] {
        install(&lab, guest);
    }
    let document = Document::new("shop", &["a", "b"])
        .sleeper("web", WEB)
        .service(r#"<service name="db" class="ocf" provider="shop" type="slow"/>"#)
        .constraint(r#"<location service="web" assembly="a" score="INFINITY"/>"#)
        .constraint(r#"<location service="db" assembly="a" score="100"/>"#);
    lab.deploy(&document);
    let web = lab.sleepers(WEB);
    for action in ["stop", "start"] {
        let before = count(&lab, action);
        lab.cpectl(&["restart", "shop", "db"]).ok();
        lab.wait("it is being done", 60, || count(&lab, action) > before);
        lab.in_guest("a", KILL).ok();
        lab.wait("it is done again", 90, || count(&lab, action) > before + 1);
        lab.wait("everything runs", 90, || {
            let status = lab.status("shop");
            status.is_settled() && status.all_running()
        });
        let status = lab.status("shop");
        assert_eq!(status.assembly_of("db").as_deref(), Some("a"), "{action}");
        assert_eq!(lab.sleepers(WEB), web, "{action}");
        let told = lab.events();
        let fenced = told.iter().map(Event::kind);
        let fenced = fenced.filter(|kind| kind.starts_with("assembly.fencing"));
        assert_eq!(fenced.count(), 0, "{action}");
    }
    restarted_without_a_bus(&lab, "systemctl stop dbus.socket dbus.service");
    restarted_without_a_bus(&lab, "systemctl kill -s STOP dbus.service");
    assert_eq!(lab.sleepers(WEB), web, "the service runs on");
}

/// A restart of the agent while its guest's bus is away is a restart, and no end.
fn restarted_without_a_bus(lab: &Lab, take_away: &str) {
    let script = format!(
        "{take_away}; systemctl restart cpe-agent.service; systemctl kill -s CONT dbus.service; systemctl start dbus.socket dbus.service"
    );
    lab.sh(&format!(
        "nsenter -t $(machinectl show -p Leader --value a) -a -- /bin/bash -c '{script}'"
    ))
    .ok();
    lab.wait("its agent is back", 60, || {
        lab.status("shop").assembly_state("a") == "online" && lab.status("shop").is_settled()
    });
    let told = lab.events();
    let left = told.iter().filter(|event| event.kind() == "assembly.left");
    assert_eq!(left.count(), 0, "{take_away}");
}
