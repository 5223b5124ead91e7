//! A device that only cuts guests off, `provides="unfencing"`: a real fence agent has the port of a
//! switch off and on, and the ports are those of the guests' network. The service writes over that
//! network, and the host keeps what arrives.

use end_to_end::{Lab, System};

/// Where the agent keeps the state of each port.
const PORTS: &str = "/srv/devices";
/// Where the host keeps what arrives: a line for each packet, with the guest's name.
const ARRIVED: &str = "/srv/arrived";

/// What the service is: it says who it is, about twenty times a second.
const WRITER: &str = "#!/bin/bash\n# writer\nwhile :; do echo \"$(< /etc/hostname)\" > /dev/udp/10.77.0.1/9000; sleep 0.05; done 2> /dev/null\n";

/// The host's side: the disk that is written to, and the switch, which does what its ports say.
const HOST: &str = r#"
    cat > /srv/disk.py <<'X'
import socket
disk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
disk.bind(("10.77.0.1", 9000))
kept = open("/srv/arrived", "a", buffering=1)
while True:
    kept.write(disk.recv(99).decode())
X
    systemd-run --quiet --unit disk python3 /srv/disk.py
    systemd-run --quiet --unit switch bash -c 'while sleep 0.1; do for g in a b; do
        case $(cat /srv/devices/$g) in off) s=down;; *) s=up;; esac; ip link set vb-$g $s; done; done 2> /dev/null'
    for g in a b; do install -D -m 755 /srv/writer /var/lib/machines/$g/usr/local/bin/writer; done"#;

/// Else systemd would kill an agent that stands still, and the next one keep the lease.
const WATCHED_BY_NOBODY: &str = "mkdir -p /etc/systemd/system/cpe-agent.service.d
    printf '[Service]\nWatchdogSec=0\n' > /etc/systemd/system/cpe-agent.service.d/watchdog.conf
    systemctl daemon-reload; systemctl restart cpe-agent.service";

fn device(assembly: &str) -> String {
    format!(
        r#"<primitive id="port-{assembly}" class="stonith" type="fence_dummy">
  <meta_attributes id="pm-{assembly}"><nvpair id="pn-{assembly}" name="provides" value="unfencing"/></meta_attributes>
  <instance_attributes id="pi-{assembly}"><nvpair id="pf-{assembly}" name="status_file" value="{PORTS}/{assembly}"/>
    <nvpair id="ph-{assembly}" name="pcmk_host_list" value="{assembly}"/></instance_attributes></primitive>"#
    )
}

fn document() -> String {
    let devices = [device("a"), device("b")].concat();
    format!(
        r#"<deployable name="ledger" heartbeat_interval="500ms" heartbeat_timeout="2s" lease="3s" grace="2s">
  <assemblies>
    <assembly name="a" address="unix:/run/cpe/guests/a/agent.sock"/>
    <assembly name="b" address="unix:/run/cpe/guests/b/agent.sock"/>
  </assemblies>
  <configuration><resources>{devices}
    <primitive id="db" class="ocf" provider="heartbeat" type="anything">
      <meta_attributes id="db-meta"><nvpair id="db-stickiness" name="resource-stickiness" value="100"/></meta_attributes>
      <instance_attributes id="db-parameters"><nvpair id="db-binfile" name="binfile" value="/usr/local/bin/writer"/>
        <nvpair id="db-pidfile" name="pidfile" value="/run/db.pid"/></instance_attributes>
      <operations><op id="db-monitor" name="monitor" interval="1s" timeout="20s"/></operations></primitive>
  </resources></configuration>
</deployable>"#
    )
}

/// Who has written, in order, each as often as it came after another.
fn writers(lab: &Lab) -> Vec<String> {
    let found = lab.sh(&format!("uniq {ARRIVED}")).stdout;
    found.lines().map(str::to_owned).collect()
}

fn port(lab: &Lab, guest: &str) -> String {
    lab.sh(&format!("cat {PORTS}/{guest}")).stdout
}

/// How many events of that kind there are about an assembly.
fn told(lab: &Lab, kind: &str, assembly: &str) -> usize {
    let events = lab.events();
    let own = events.iter();
    own.filter(|event| event.kind() == kind && event.field("assembly") == assembly)
        .count()
}

fn boot_id(lab: &Lab, guest: &str) -> String {
    let status = lab.status("ledger");
    let assemblies = status.0["assemblies"].as_array();
    let mut own = assemblies.into_iter().flatten();
    let own = own.find(|own| own["name"] == guest);
    own.map_or_else(String::new, |own| own["boot_id"].to_string())
}

/// Sends a signal to everything in a guest that is of the agent.
fn signal(name: &str) -> String {
    format!("pkill -{name} -f 'cpe-agen[t]'")
}

/// The agent of the guest that has the service stands still, and its guard with it: nobody keeps
/// the lease, and the service goes on. What it writes does not get through, and the guest is let in
/// only when it has booted.
fn break_lease(lab: &Lab, home: &str, other: &str) {
    let boot = boot_id(lab, home);
    lab.in_guest(home, &signal("STOP")).ok();
    lab.wait("its lease is waited for", 30, || {
        let reason = format!("{:?}", lab.status("ledger").0["assemblies"]);
        reason.contains("for the end of its lease")
    });
    assert_eq!(port(lab, home), "off");
    assert_eq!(told(lab, "assembly.fencing-succeeded", home), 0);
    assert_eq!(writers(lab), [home], "its lease is not over");
    lab.wait("the other one writes", 60, || writers(lab) == [home, other]);
    lab.sh("sleep 1").ok();
    lab.in_guest(home, "pgrep -f ^/bin/bash./usr/local/bin/writer")
        .ok();
    assert_eq!(writers(lab), [home, other], "it writes nothing, and tries");
    lab.in_guest(home, &signal("CONT"));
    lab.wait("it has booted and is let in", 90, || {
        told(lab, "assembly.unfencing-succeeded", home) == 2
    });
    assert_ne!(boot_id(lab, home), boot);
    assert_eq!(port(lab, home), "on");
    assert_eq!(writers(lab), [home, other]);
}

/// The device cannot let a guest in: nothing starts there, and that is said everywhere.
fn break_device(lab: &Lab, guest: &str) {
    lab.sh(&format!("rm {PORTS}/{guest}; mkdir {PORTS}/{guest}"))
        .ok();
    lab.cut(guest);
    lab.wait("its lease is over", 60, || {
        lab.status("ledger").assembly_state(guest) == "offline"
    });
    lab.guest("start", guest);
    lab.wait("it cannot be let in", 60, || {
        told(lab, "assembly.unfencing-failed", guest) >= 1
    });
    let waits = format!("waits to be unfenced by port-{guest}");
    lab.wait("the status says so", 20, || {
        let status = format!("{:?}", lab.status("ledger").0["assemblies"]);
        status.contains(&waits) && status.contains("failed")
    });
    let explained = lab.cpectl(&["explain", "ledger", "db"]).ok();
    assert!(explained.contains(&format!("port-{guest}")), "{explained}");
    let why = "What requires unfencing is not started there before";
    assert!(explained.contains(why), "{explained}");
    let history = lab.cpectl(&["fencing", "ledger"]).ok();
    let last = format!("devices port-{guest} (on)");
    assert!(history.contains(&last), "{history}");
    lab.sh(&format!("rmdir {PORTS}/{guest}")).ok();
    lab.wait("it is let in at last", 90, || port(lab, guest) == "on");
    lab.wait("all is well", 30, || lab.status("ledger").all_running());
}

#[test]
fn a_guest_that_is_cut_off_writes_nothing_and_is_let_in_when_it_has_booted() {
    let lab = Lab::boot("unfencing").with_guests(&["a", "b"]);
    lab.let_fence_agents_write(PORTS);
    lab.write("/srv/writer", WRITER);
    lab.sh(HOST).ok();
    for guest in ["a", "b"] {
        lab.in_guest(guest, WATCHED_BY_NOBODY).ok();
    }
    lab.write("/srv/document.xml", &document());
    lab.cpectl(&["deploy", "--wait", "/srv/document.xml"]).ok();
    assert_eq!([port(&lab, "a"), port(&lab, "b")], ["on", "on"]);
    let events = lab.events();
    let kinds: Vec<String> = events.iter().map(end_to_end::Event::kind).collect();
    let of_db = |event: &&end_to_end::Event| event.field("service") == "db";
    let started = events.iter().find(of_db).expect("an event of the service");
    let started = events.iter().position(|event| event == started);
    let let_in = kinds
        .iter()
        .rposition(|kind| kind == "assembly.unfencing-succeeded");
    assert!(let_in < started, "{kinds:?}");
    lab.wait("the service writes", 30, || !writers(&lab).is_empty());
    let home = writers(&lab)[0].clone();
    let other = if home == "a" { "b" } else { "a" };
    break_lease(&lab, &home, other);
    break_device(&lab, &home);
    assert_eq!(writers(&lab), [home.as_str(), other]);
}
