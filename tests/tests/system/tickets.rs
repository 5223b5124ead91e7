//! Services that run only while a ticket is granted: grants, revocations with each loss policy,
//! standby, and what outlives the death of the DPE.

use end_to_end::{Lab, System};

/// Sleepers by the loss policy of their ticket, and the seconds that they sleep.
const SLEEPERS: [(&str, u32); 3] = [("stop", 300_001), ("freeze", 300_002), ("fence", 300_003)];

/// A sleeper and a ticket for each policy, and a promotable database, each alone in a guest or two.
fn document() -> String {
    let service = |(name, seconds): (&str, u32)| {
        format!(
            r#"<service name="{name}" class="ocf" provider="heartbeat" type="anything" monitor_interval="1s">
      <parameters><parameter name="binfile" value="/usr/bin/sleep"/><parameter name="cmdline_options" value="{seconds}"/>
      <parameter name="pidfile" value="/run/{name}.pid"/></parameters></service>"#
        )
    };
    let [stop, freeze, fence] = SLEEPERS;
    let assembly = |name: &str, services: &str| {
        format!(
            r#"<assembly name="{name}" address="unix:/run/cpe/guests/{name}/agent.sock"><fencing mode="lease"/>
  <services>{services}</services></assembly>"#
        )
    };
    let ticket = |name: &str| {
        format!(
            r#"<rsc_ticket id="{name}-ticket" rsc="{name}" ticket="{name}" loss-policy="{name}"/>"#
        )
    };
    let tickets = SLEEPERS.map(|(name, _)| ticket(name)).concat();
    format!(
        r#"<deployable name="shop" uuid="6f6d7f6a-54a6-4c4b-9d70-0a4f0c3c6a12" heartbeat_interval="500ms" heartbeat_timeout="2s" lease="3s">
  <assemblies>{}{}</assemblies>
  <configuration>
    <resources><clone id="database-clone">
      <meta_attributes id="database-options"><nvpair id="database-promotable" name="promotable" value="true"/></meta_attributes>
      <primitive id="database" class="ocf" provider="heartbeat" type="Stateful">
        <operations><op id="database-monitor" name="monitor" interval="2s" timeout="20s"/></operations>
      </primitive>
    </clone></resources>
    <constraints>{tickets}
      <rsc_ticket id="database-ticket" rsc="database-clone" rsc-role="Promoted" ticket="demote" loss-policy="demote"/>
    </constraints>
  </configuration>
</deployable>"#,
        assembly("a", &[service(stop), service(freeze)].concat()),
        assembly("b", &service(fence))
    )
}

fn promoted(lab: &Lab) -> usize {
    let status = lab.status("shop");
    let services = status.0["services"].as_array().cloned().unwrap_or_default();
    let own = services.iter();
    own.filter(|service| service["service"] == "database" && service["state"] == "promoted")
        .count()
}

fn wait_for(lab: &Lab, seconds: u32, count: usize, why: &str) {
    lab.wait(why, 120, || lab.sleepers(seconds).len() == count);
}

#[track_caller]
fn order(lab: &Lab, words: &[&str]) {
    lab.cpectl(&[&["ticket", "shop"][..], words].concat()).ok();
}

#[test]
fn a_ticket_starts_what_needs_it_and_each_loss_policy_does_what_it_says() {
    let lab = Lab::boot("tickets").with_guests(&["a", "b"]);
    lab.write("/srv/document.xml", &document());
    // Waiting for a ticket is being well.
    lab.cpectl(&["deploy", "--wait", "/srv/document.xml"]).ok();
    let [(_, stop), (_, freeze), (_, fence)] = SLEEPERS;
    for (_, seconds) in SLEEPERS {
        assert_eq!(lab.sleepers(seconds), []);
    }
    assert_eq!(promoted(&lab), 0);
    let told = lab.cpectl(&["explain", "shop", "stop"]).ok();
    assert!(told.contains("cpectl ticket shop grant stop"), "{told}");
    assert_eq!(lab.cpectl(&["ticket", "shop", "grant", "stop"]).code, 2);
    let unknown = lab.cpectl(&["ticket", "shop", "grant", "stpo", "--force"]);
    assert!(
        unknown.code == 4 && unknown.stderr.contains("did you mean 'stop'?"),
        "{unknown:?}"
    );
    for ticket in ["stop", "freeze", "fence", "demote"] {
        order(&lab, &["grant", ticket, "--force"]);
    }
    for (_, seconds) in SLEEPERS {
        wait_for(&lab, seconds, 1, "what has its ticket runs");
    }
    lab.wait("the database is promoted", 120, || promoted(&lab) == 1);

    let frozen = lab.sleepers(freeze);
    order(&lab, &["revoke", "freeze"]);
    order(&lab, &["revoke", "demote"]);
    lab.wait("the database is demoted", 120, || promoted(&lab) == 0);
    order(&lab, &["revoke", "stop"]);
    wait_for(&lab, stop, 0, "it is stopped");
    assert_eq!(lab.sleepers(freeze), frozen, "it is left as it is");
    assert_eq!(lab.sleepers(fence).len(), 1, "it has its ticket");

    order(&lab, &["revoke", "fence"]);
    lab.wait("its assembly is fenced", 120, || {
        let events = lab.events();
        let mut fenced = events.iter().filter(|event| event.field("assembly") == "b");
        fenced.any(|event| event.kind() == "assembly.fencing-succeeded")
    });
    lab.wait("its assembly is back without it", 180, || {
        lab.status("shop").assembly_state("b") == "online" && lab.sleepers(fence).is_empty()
    });
    assert_eq!(lab.sleepers(freeze), frozen, "it is left as it is");
}

#[test]
fn a_ticket_outlives_dpe_and_cpe_and_standby_stops_what_needs_it() {
    let lab = Lab::boot("ticket-kept").with_guests(&["a", "b"]);
    lab.write("/srv/document.xml", &document());
    lab.cpectl(&["deploy", "--wait", "/srv/document.xml"]).ok();
    let [(_, stop), _, (_, fence)] = SLEEPERS;
    order(&lab, &["grant", "stop", "--force"]);
    order(&lab, &["grant", "fence", "--force"]);
    wait_for(&lab, stop, 1, "what has its ticket runs");
    wait_for(&lab, fence, 1, "what has its ticket runs");
    let before = (lab.sleepers(stop), lab.sleepers(fence));
    let old = lab.main_pid("dpe@shop.service");
    lab.sh("systemctl kill -s KILL dpe@shop.service cpe.service")
        .ok();
    lab.wait("another DPE manages the deployment", 60, || {
        ![0, old].contains(&lab.main_pid("dpe@shop.service"))
            && lab.status("shop").assembly_state("b") == "online"
    });
    std::thread::sleep(std::time::Duration::from_secs(5)); // past the lease
    assert_eq!((lab.sleepers(stop), lab.sleepers(fence)), before);
    // What is refused is in the log too, and does not keep anybody from reading it.
    let overlong = "x".repeat(20_000);
    let refused = lab.cpectl(&["ticket", "shop", "revoke", &overlong]);
    assert_eq!(refused.code, 4, "{}", refused.stderr.len());
    lab.cpectl(&["events"]).ok();
    order(&lab, &["standby", "stop"]);
    order(&lab, &["standby", "fence"]);
    wait_for(&lab, stop, 0, "it is stopped in order");
    wait_for(&lab, fence, 0, "it is stopped in order, and not fenced");
    let events = lab.events();
    let fenced = events
        .iter()
        .any(|event| event.kind().starts_with("assembly.fencing"));
    assert!(!fenced, "{events:?}");
    order(&lab, &["activate", "stop"]);
    wait_for(&lab, stop, 1, "it runs again");
    let events = lab.events();
    let granted = events.iter().find(|event| event.kind() == "ticket.granted");
    let reason = granted
        .map(|event| event.field("reason"))
        .unwrap_or_default();
    assert!(reason.contains("asked for by root (uid 0)"), "{reason}");
}
