//! The configuration of a cluster, with its fencing devices, copied into a document: the host runs
//! real fence agents for it.

use end_to_end::{Lab, System};

/// A fencing device for one assembly. `agent`: `fence_dummy`, which keeps in a file whether its
/// machine is on, or one that finds no board to talk to.
fn device(id: &str, assembly: &str, agent: &str) -> String {
    let pairs = match agent {
        "fence_dummy" => [
            ("status_file", format!("/srv/devices/{assembly}")),
            ("delay", "0".to_owned()),
        ],
        _ => [("ip", "127.0.0.1".to_owned()), ("username", "x".to_owned())],
    };
    let hosts = [("pcmk_host_list", assembly.to_owned())];
    let pairs: String = pairs
        .iter()
        .chain(&hosts)
        .map(|(name, value)| format!(r#"<nvpair id="{id}-{name}" name="{name}" value="{value}"/>"#))
        .collect();
    format!(
        r#"<primitive id="{id}" class="stonith" type="{agent}"><instance_attributes id="{id}-params">{pairs}</instance_attributes>
  <operations><op id="{id}-monitor" name="monitor" interval="10s" timeout="15s"/></operations></primitive>"#
    )
}

/// A cluster of two nodes with one service, whose devices are given.
fn document(devices: &str, topology: &str) -> String {
    let parameters = [
        ("binfile", "/usr/bin/sleep"),
        ("cmdline_options", "100041"),
        ("pidfile", "/run/db.pid"),
    ];
    let parameters: String = parameters
        .iter()
        .map(|(name, value)| format!(r#"<nvpair id="db-{name}" name="{name}" value="{value}"/>"#))
        .collect();
    format!(
        r#"<deployable name="ledger" heartbeat_interval="500ms" heartbeat_timeout="2s">
  <assemblies>
    <assembly name="a" address="unix:/run/cpe/guests/a/agent.sock"/>
    <assembly name="b" address="unix:/run/cpe/guests/b/agent.sock"/>
  </assemblies>
  <configuration>
    <crm_config><cluster_property_set id="cib-bootstrap-options">
      <nvpair id="o1" name="stonith-enabled" value="true"/><nvpair id="o2" name="priority-fencing-delay" value="1s"/>
    </cluster_property_set></crm_config>
    <resources>{devices}
      <primitive id="db" class="ocf" provider="heartbeat" type="anything"><instance_attributes id="db-params">{parameters}</instance_attributes>
        <operations><op id="db-monitor" name="monitor" interval="1s" timeout="20s"/></operations></primitive>
    </resources>
    {topology}
  </configuration>
</deployable>"#
    )
}

fn homes(lab: &Lab) -> Vec<String> {
    let sleepers = lab.sleepers(100_041).into_iter();
    sleepers.map(|(guest, _)| guest).collect()
}

/// Whether there is an event of that kind about a service or an assembly.
fn told(lab: &Lab, kind: &str, field: &str, name: &str) -> bool {
    let events = lab.events();
    let mut events = events.iter();
    events.any(|event| event.kind() == kind && event.field(field) == name)
}

/// Cuts the power of the guest that has the service, and waits until the other one has it.
#[track_caller]
fn lose_home(lab: &Lab) -> String {
    let lost = homes(lab)[0].clone();
    lab.cut(&lost);
    lab.wait("the service runs in the other assembly", 90, || {
        let now = homes(lab);
        now.len() == 1 && now[0] != lost
    });
    assert!(told(lab, "assembly.fencing-succeeded", "assembly", &lost));
    lost
}

#[test]
fn a_copied_configuration_is_fenced_by_its_devices() {
    let lab = Lab::boot("devices").with_guests(&["a", "b"]);
    lab.let_fence_agents_write("/srv/devices");
    let good = [
        device("off-a", "a", "fence_dummy"),
        device("off-b", "b", "fence_dummy"),
    ]
    .concat();
    lab.write("/srv/document.xml", &document(&good, ""));
    lab.cpectl(&["deploy", "--wait", "/srv/document.xml"]).ok();
    for id in ["off-a", "off-b"] {
        assert!(told(&lab, "service.started", "service", id), "{id}");
    }
    let status = lab.status("ledger");
    assert_eq!(status.state(), "active");
    let assemblies = status.0["assemblies"].as_array().unwrap();
    assert!(
        assemblies.iter().all(|own| own["fencing"] == "devices"),
        "{assemblies:?}"
    );
    // No guest was asked to run a device, and none was fenced.
    for guest in ["a", "b"] {
        let log = lab
            .in_guest(guest, "journalctl --unit cpe-agent.service --output cat")
            .ok();
        assert!(!log.contains("fence_dummy"), "{log}");
        assert!(!told(&lab, "assembly.fencing-requested", "assembly", guest));
    }

    let lost = lose_home(&lab);
    lab.guest("start", &lost);
    lab.wait("the lost guest is back", 60, || {
        lab.status("ledger").assembly_state(&lost) == "online"
    });

    // Now the first level fails, as its device does whenever it is asked.
    let broken = [
        device("bad-a", "a", "fence_ipmilan"),
        device("bad-b", "b", "fence_ipmilan"),
    ]
    .concat();
    let levels: String = ["a", "b"]
        .map(|name| {
            format!(
                r#"<fencing-level id="{name}1" target="{name}" index="1" devices="bad-{name}"/>
                   <fencing-level id="{name}2" target="{name}" index="2" devices="off-{name}"/>"#
            )
        })
        .concat();
    let topology = format!("<fencing-topology>{levels}</fencing-topology>");
    lab.write(
        "/srv/document.xml",
        &document(&[good, broken].concat(), &topology),
    );
    lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    lab.wait("the failure of a device is shown", 60, || {
        told(&lab, "service.failed", "service", "bad-a")
            && lab.status("ledger").state() == "degraded"
    });
    let lost = lose_home(&lab);
    let failed = told(&lab, "assembly.fencing-failed", "assembly", &lost);
    assert!(failed, "the first level fails");
}
