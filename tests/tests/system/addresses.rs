//! Services that follow what real guests tell: addresses and host names that change.

use std::time::Duration;

use end_to_end::{Document, Lab, System};
use serde_json::Value;

/// Services by what they follow of guest `b`, the element for it, and the seconds that they sleep.
const SERVICES: [(&str, &str, u32); 4] = [
    (
        "client",
        r#"<reference assembly="b" parameter="ipaddress"/>"#,
        300_201,
    ),
    (
        "named",
        r#"<reference assembly="b" parameter="hostname" on_change="ignore"/>"#,
        300_202,
    ),
    (
        "late",
        r#"<reference assembly="b" parameter="ipaddress.eth9"/>"#,
        300_203,
    ),
    ("plain", "<value>none</value>", 300_204),
];

/// A service that takes another peer over while it runs.
const RELOADS: &str = r#"#!/bin/sh
runs() { kill -0 "$(cat /run/reloads.pid 2> /dev/null)" 2> /dev/null; }
case $1 in
  start)
    echo "$OCF_RESKEY_peer" > /run/reloads.peer
    runs || { setsid /usr/bin/sleep 300205 > /dev/null 2>&1 < /dev/null & echo $! > /run/reloads.pid; } ;;
  stop) ! runs || kill "$(cat /run/reloads.pid)"; rm -f /run/reloads.pid ;;
  monitor) runs || exit 7 ;;
  reload-agent) echo "$OCF_RESKEY_peer" > /run/reloads.peer ;;
  meta-data) echo '<resource-agent name="Reloads" version="1"><version>1.1</version><parameters>
    <parameter name="peer" reloadable="1"><content type="string"/></parameter></parameters><actions>
    <action name="start" timeout="20s"/><action name="stop" timeout="20s"/><action name="monitor" interval="1s" timeout="20s"/>
    <action name="reload-agent" timeout="20s"/><action name="meta-data" timeout="5s"/></actions></resource-agent>' ;;
  *) exit 3 ;;
esac
"#;
const RELOADING: u32 = 300_205;

/// Of the agent above, in `a`.
fn reloading(lab: &Lab, document: Document) -> Document {
    let agents = "/var/lib/machines/a/usr/lib/ocf/resource.d/own";
    lab.sh(&format!("mkdir -p {agents}")).ok();
    lab.write(&format!("{agents}/Reloads"), RELOADS);
    lab.sh(&format!("chmod +x {agents}/Reloads")).ok();
    document
        .service(
            r#"<service name="reloads" class="ocf" provider="own" type="Reloads" monitor_interval="1s"><parameters>
      <parameter name="peer"><reference assembly="b" parameter="ipaddress" on_change="reload"/></parameter></parameters></service>"#,
        )
        .constraint(r#"<location service="reloads" assembly="a" score="INFINITY"/>"#)
}

fn document() -> Document {
    let all = SERVICES.iter();
    all.fold(
        Document::new("shop", &["a", "b"]),
        |document, (name, follows, seconds)| {
            document
                .service(&format!(
                    r#"<service name="{name}" class="ocf" provider="heartbeat" type="anything" monitor_interval="1s"><parameters>
      <parameter name="binfile" value="/usr/bin/sleep"/><parameter name="cmdline_options" value="{seconds}"/>
      <parameter name="pidfile" value="/run/{name}.pid"/><parameter name="peer">{follows}</parameter></parameters></service>"#
                ))
                .constraint(&format!(
                    r#"<location service="{name}" assembly="a" score="INFINITY"/>"#
                ))
        },
    )
}

/// The processes of a service, by its name.
fn processes(lab: &Lab, wanted: &str) -> Vec<(String, u32)> {
    let seconds = SERVICES
        .iter()
        .find(|(name, ..)| *name == wanted)
        .unwrap()
        .2;
    lab.sleepers(seconds)
}

/// What a status says that a service follows.
pub(crate) fn reference(lab: &Lab, service: &str) -> Value {
    let status = lab.status("shop");
    let all = status.0["references"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut own = all.into_iter().filter(|own| own["service"] == service);
    own.next().unwrap_or_default()
}

/// Gives `b` another address, as an administrator there would.
pub(crate) fn readdress(lab: &Lab, old: &str, new: &str) {
    let script = format!(
        "systemctl mask --quiet --runtime systemd-networkd.service; systemctl stop systemd-networkd.socket systemd-networkd.service; ip addr del {old}/24 dev host0; ip addr add {new}/24 dev host0; ip route replace default via 10.77.0.1"
    );
    lab.in_guest("b", &script).ok();
}

#[test]
fn a_changed_address_of_a_guest_restarts_what_depends_on_it_and_nothing_else() {
    let lab = Lab::boot("addresses").with_guests(&["a", "b"]);
    lab.deploy(&reloading(&lab, document()));
    lab.wait("what is known is followed", 60, || {
        reference(&lab, "client")["value"] == "10.77.0.12"
            && ["client", "named", "plain"].map(|name| processes(&lab, name).len()) == [1, 1, 1]
    });
    assert_eq!(reference(&lab, "named")["value"], "b");
    let script = r#"grep -ho '"peer":"[^"]*"' /run/cpe-agent/operation-*.json | sort -u"#;
    let told = lab.in_guest("a", script).ok();
    assert!(told.contains("10.77.0.12"), "{told}");
    // What nobody knows yet is waited for, and that is well.
    assert_eq!(processes(&lab, "late"), []);
    let explained = lab.cpectl(&["explain", "shop", "late"]).ok();
    assert!(
        explained.contains("ipaddress.eth9 of b, which is not known yet"),
        "{explained}"
    );
    let text = lab.cpectl(&["status", "shop"]).ok();
    assert!(
        text.contains("it waits for 'ipaddress.eth9' of the guest of b"),
        "{text}"
    );
    assert_eq!(lab.status("shop").state(), "active");

    let before = SERVICES.map(|(name, ..)| processes(&lab, name));
    let reloading = lab.sleepers(RELOADING);
    assert_eq!(reloading.len(), 1);
    readdress(&lab, "10.77.0.12", "10.77.0.99");
    lab.wait("what depends on the address is restarted", 60, || {
        let now = processes(&lab, "client");
        now.len() == 1 && now != before[0]
    });
    assert_eq!(reference(&lab, "client")["value"], "10.77.0.99");
    assert_eq!(processes(&lab, "named"), before[1]);
    assert_eq!(processes(&lab, "plain"), before[3]);
    // What can take it over while it runs has done so, in the same process.
    lab.wait("the address is reloaded", 30, || {
        lab.in_guest("a", "cat /run/reloads.peer").stdout.trim() == "10.77.0.99"
    });
    assert_eq!(lab.sleepers(RELOADING), reloading);

    // An address that comes and goes, and a name that is ignored, restart nothing.
    let before = SERVICES.map(|(name, ..)| processes(&lab, name));
    readdress(&lab, "10.77.0.99", "10.77.0.98");
    lab.wait("the new address is told", 10, || {
        reference(&lab, "client")["settling"] == "10.77.0.98"
    });
    readdress(&lab, "10.77.0.98", "10.77.0.99");
    lab.in_guest("b", "hostname elsewhere").ok();
    lab.wait("the new name counts", 30, || {
        reference(&lab, "named")["value"] == "elsewhere"
    });
    assert_eq!(SERVICES.map(|(name, ..)| processes(&lab, name)), before);

    lab.in_guest(
        "b",
        "ip link add eth9 type bridge; ip addr add 10.99.0.9/24 dev eth9; ip link set eth9 up",
    )
    .ok();
    lab.wait("what was waited for is known, and followed", 60, || {
        processes(&lab, "late").len() == 1
    });
    assert_eq!(reference(&lab, "late")["value"], "10.99.0.9");
}

#[test]
fn what_a_guest_has_told_stays_in_force_while_it_is_away_and_over_a_killed_dpe() {
    let lab = Lab::boot("addresses-stay").with_guests(&["a", "b"]);
    lab.deploy(&document());
    lab.wait("the address is known", 60, || {
        reference(&lab, "client")["value"] == "10.77.0.12" && processes(&lab, "client").len() == 1
    });
    let before = processes(&lab, "client");
    lab.cut("b");
    lab.wait("the guest is given up", 60, || {
        lab.status("shop").assembly_state("b") != "online"
    });
    let old = lab.main_pid("dpe@shop.service");
    lab.sh("systemctl kill -s KILL dpe@shop.service").ok();
    lab.wait("another DPE manages the deployment", 60, || {
        let pid = lab.main_pid("dpe@shop.service");
        pid != 0 && pid != old && reference(&lab, "client")["value"] == "10.77.0.12"
    });
    std::thread::sleep(Duration::from_secs(15));
    assert_eq!(processes(&lab, "client"), before);
    assert_eq!(reference(&lab, "client")["from"], "guest");
}
