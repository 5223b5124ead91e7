//! A real watchdog device, the softdog of Linux in a virtual machine: where the agent hangs and no
//! guard runs, nothing else resets the guest when its lease is over.

use end_to_end::domains::{self, FENCE_VIRSH, serving};
use end_to_end::{Lab, System, missing_for_machines, no_machines};
use test_kit::not_tested_here;

/// The first machine has our agent and holds a lease; it is where the service is, if it can be.
const MACHINES: &str = r#"<deployable name="shop" heartbeat_interval="1s" heartbeat_timeout="3s" lease="6s" grace="2s">
  <assemblies>
    <assembly name="vm1" address="tcp:10.77.0.21"/>
    <assembly name="vm2" address="qemu-ga:/run/cpe/guests/vm2/qga.sock">FENCING</assembly>
  </assemblies>
  <services>
    <service name="web" class="ocf" provider="own" type="web" monitor_interval="2s"/>
  </services>
  <constraints>
    <location service="web" assembly="vm1" score="100"/>
  </constraints>
</deployable>
"#;

/// How often the kernel of the first machine has begun.
fn boots(lab: &Lab) -> usize {
    let serial = lab.sh("cat /srv/data/vm/vm1/serial").ok();
    serial.matches(BOOTED).count()
}

/// What the init of a machine writes.
const BOOTED: &str = "vm1 has booted";

#[test]
fn a_guest_whose_agent_hangs_is_reset_before_its_service_runs_elsewhere() {
    if let Some(missing) = missing_for_machines() {
        let why = no_machines().unwrap_or_else(|| panic!("the lab needs {missing}"));
        return not_tested_here(&format!("a watchdog device in a virtual machine: {why}"));
    }
    let lab = domains::boot("watchdog");
    let text = MACHINES.replace("FENCING", FENCE_VIRSH);
    lab.write("/srv/document.xml", &text);
    lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    lab.wait("the first machine serves", 120, || serving(&lab) == ["vm1"]);
    let before = boots(&lab);

    // Its service answers on: it does not need its agent.
    let freeze = "curl -fsS --max-time 10 http://10.77.0.21:8080/cgi-bin/freeze";
    lab.sh(freeze).ok();
    assert_eq!(serving(&lab), ["vm1"]);
    lab.wait("the second machine serves", 90, || {
        let now = serving(&lab);
        assert!(now.len() < 2, "the service runs twice");
        now == ["vm2"]
    });
    lab.wait("the first machine has booted again", 60, || {
        boots(&lab) > before
    });
    lab.wait("it is back, and serves again", 120, || {
        let now = serving(&lab);
        assert!(now.len() < 2, "the service runs twice");
        lab.status("shop").assembly_state("vm1") == "online" && now == ["vm1"]
    });
    assert_eq!(boots(&lab), before + 1, "it was reset once");
    lab.cpectl(&["destroy", "--wait", "shop"]).ok();
}
