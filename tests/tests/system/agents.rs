//! What the guests' resource agents say about a document: Debian's own, asked in booted guests.

use end_to_end::{Document, Lab, System};

/// A service with a misspelt parameter and a value of another type, and one whose agent only guest
/// `a` has.
fn with_mistakes() -> Document {
    Document::new("shop", &["a", "b"])
        .sleeper("db", 100_041)
        .service(
            r#"<service name="idle" class="ocf" provider="heartbeat" type="anything" enabled="false">
<parameters><parameter name="binfile" value="/usr/bin/sleep"/>
<parameter name="pidfil" value="/run/idle.pid"/></parameters></service>
<service name="own" class="ocf" provider="shop" type="own" enabled="false"/>
<service name="ip" class="ocf" provider="heartbeat" type="IPaddr2" enabled="false"><parameters>
<parameter name="arp_count" value="many"/></parameters></service>"#,
        )
}

/// An agent of our own in a guest, whose metadata is this.
fn install(lab: &Lab, guest: &str, name: &str, metadata: &str) {
    let folder = "/usr/lib/ocf/resource.d/shop";
    let script = format!(
        "mkdir -p {folder}; printf '%s\\n' '#!/bin/sh' 'case $1 in meta-data) {metadata};; *) exit 7;; esac' \
         > {folder}/{name}; chmod +x {folder}/{name}"
    );
    lab.in_guest(guest, &script).ok();
}

#[test]
fn it_warns_of_what_the_guests_agents_do_not_take_and_shows_what_they_do() {
    let lab = Lab::boot("agents").with_guests(&["a", "b"]);
    install(
        &lab,
        "a",
        "own",
        "echo \"<resource-agent><shortdesc>Our own</shortdesc></resource-agent>\"",
    );
    // Others hang and flood.
    install(&lab, "b", "hangs", "(sleep 987654; :) & sleep 987654");
    install(&lab, "b", "floods", "exec yes \"<a/>\"");
    let document = with_mistakes();
    // Nothing runs yet that could ask: the warnings come when it does.
    let output = lab.deploy(&document);
    let expected = [
        "ocf:heartbeat:anything has no parameter 'pidfil'; did you mean 'pidfile'?",
        "service 'ip' lacks the parameter 'ip', which ocf:heartbeat:IPaddr2 requires",
        "'arp_count' of ocf:heartbeat:IPaddr2 is not what the agent takes; expected a whole number",
        "service 'own' cannot run in b: ocf:shop:own is not installed there",
    ];
    for text in expected {
        assert!(output.stderr.contains(text), "{text}: {output:#?}");
    }
    let line = document
        .xml()
        .lines()
        .position(|line| line.contains("pidfil\""))
        .unwrap()
        + 1;
    let place = format!("/srv/document.xml:{line}:1: warning: ocf:heartbeat:anything");
    assert!(output.stderr.contains(&place), "{place}: {output:#?}");
    let planned = lab.cpectl(&["plan", "/srv/document.xml"]).ok();
    assert!(
        expected.iter().all(|text| planned.contains(text)),
        "{planned}"
    );
    shows_agents(&lab);
    refuses_those_that_misbehave(&lab);
    // The guests have kept their leases and their services meanwhile.
    assert_eq!(lab.sleepers(100_041).len(), 1);
    assert_eq!(lab.status("shop").state(), "active");
    assert!(
        lab.events()
            .iter()
            .all(|event| event.kind() != "assembly.lost")
    );
    lab.wait("nothing of the agent that hangs is left", 60, || {
        lab.in_guest("b", "pgrep -f '[s]leep 987654' || true")
            .ok()
            .trim()
            .is_empty()
    });
}

/// Lists and describes agents. There is only one deployment: it need not be named.
fn shows_agents(lab: &Lab) {
    let agents = lab.cpectl(&["agents"]).ok();
    let line_of = |agent: &str| {
        agents
            .lines()
            .find(|line| line.starts_with(agent))
            .unwrap_or_default()
    };
    assert!(
        line_of("ocf:heartbeat:IPaddr2").contains("all 2"),
        "{agents}"
    );
    assert!(line_of("ocf:shop:own").contains(" a "), "{agents}");
    assert!(line_of("ocf:shop:own").ends_with("Our own"), "{agents}");
    assert!(line_of("ocf:shop:hangs").contains(" b "), "{agents}");
    let units = lab.cpectl(&["agents", "shop", "--class", "systemd"]).ok();
    assert!(units.contains("systemd:nginx"), "{units}");
    let described = lab.cpectl(&["describe", "ocf:heartbeat:IPaddr2"]).ok();
    assert!(
        described.contains("cidr_netmask") && described.contains("monitor"),
        "{described}"
    );
    let absent = lab.cpectl(&["describe", "ocf:heartbeat:none"]);
    assert_eq!(absent.code, 4, "{absent:#?}");
}

/// An agent that floods and one that hangs are named, and nothing else happens.
fn refuses_those_that_misbehave(lab: &Lab) {
    let flood = lab.cpectl(&["describe", "ocf:shop:floods", "--assembly", "b"]);
    assert!(
        flood.code == 1 && flood.stderr.contains("wrote more than"),
        "{flood:#?}"
    );
    let hang = lab.cpectl(&["describe", "ocf:shop:hangs", "--assembly", "b"]);
    assert!(
        hang.code == 1 && hang.stderr.contains("did not answer in time"),
        "{hang:#?}"
    );
}
