//! Real fence agents against real power switches: `fence_ipmilan` with ipmitool against a board
//! that speaks IPMI, and `fence_virsh` over ssh against libvirt. A guest is lost while it still
//! runs, so that nothing but its switch makes it safe.

use end_to_end::domains::{self, FENCE_VIRSH, serving};
use end_to_end::{Document, Lab, System, missing_for_machines, no_machines};
use test_kit::not_tested_here;

const SLEEPER: u32 = 100_101;

/// The ports of the boards.
const BOARDS: [(&str, &str); 2] = [("a", "6231"), ("b", "6232")];

/// Whether this machine can have virtual machines at all; says why it cannot.
fn can_have_machines() -> bool {
    let Some(missing) = missing_for_machines() else {
        return true;
    };
    let why = no_machines().unwrap_or_else(|| panic!("the lab needs {missing}"));
    not_tested_here(&format!("virtual machines and their power switches: {why}"));
    false
}

fn of_kind(lab: &Lab, kind: &str, assembly: &str) -> Vec<String> {
    let events = lab.events().into_iter();
    let meant = events.filter(|it| it.kind() == kind && it.field("assembly") == assembly);
    meant.map(|event| event.field("reason")).collect()
}

/// Waits until an attempt to make that assembly safe fails for this reason.
#[track_caller]
fn fails(lab: &Lab, assembly: &str, why: &str) {
    lab.wait(why, 90, || {
        let failed = of_kind(lab, "assembly.fencing-failed", assembly);
        failed.iter().any(|reason| reason.contains(why))
    });
    let shown = lab.cpectl(&["fencing", "shop"]).ok();
    assert!(shown.contains(why), "{shown}");
    let safe = of_kind(lab, "assembly.fencing-succeeded", assembly);
    assert_eq!(safe, [] as [String; 0], "{why}");
}

fn boards() -> Lab {
    let lab = Lab::boot_with_machines("power-ipmi").with_guests(&["a", "b"]);
    for (guest, port) in BOARDS {
        lab.run(&["/srv/lab/bmc.sh", "add", guest, port]).ok();
    }
    lab.sh("install -d -m 0700 /etc/cpe/secrets/shop").ok();
    secret(&lab, "wrong");
    let fencing = r#"<fencing mode="agent" agent="fence_ipmilan" timeout="20s"><parameters>
        <parameter name="ip" value="127.0.0.1"/><parameter name="ipport" value="port of {assembly}"/>
        <parameter name="username" value="cpe"/><parameter name="password" file="/etc/cpe/secrets/shop/board"/>
        <parameter name="lanplus" value="1"/><parameter name="cipher" value="3"/><parameter name="privlvl" value="operator"/>
        <parameter name="power_timeout" value="3"/></parameters></fencing>"#;
    let document = Document::new("shop", &["a", "b"])
        .timing(r#"heartbeat_interval="500ms" heartbeat_timeout="2s""#)
        .fencing(fencing)
        .sleeper("db", SLEEPER);
    let with_port = |text: String, (guest, port): &(&str, &str)| {
        text.replace(&format!("port of {guest}"), port)
    };
    let text = BOARDS.iter().fold(document.xml(), with_port);
    lab.write("/srv/document.xml", &text);
    lab.cpectl(&["deploy", "--wait", "/srv/document.xml"]).ok();
    lab
}

/// The password as the host knows it.
fn secret(lab: &Lab, password: &str) {
    let file = "/etc/cpe/secrets/shop/board";
    lab.sh(&format!("umask 077; echo {password} > {file}")).ok();
}

/// What a board was told and did: when, in 1/100 s since the machine's boot, and whether on or off.
fn done_by(lab: &Lab, guest: &str) -> Vec<(u64, String)> {
    let log = lab.sh(&format!("cat /srv/bmc/{guest}/log 2> /dev/null || :"));
    let lines = log.stdout.lines();
    let pair = lines.filter_map(|line| line.split_once(' '));
    let all = pair.map(|(when, what)| (when.parse().unwrap(), what.to_owned()));
    all.collect()
}

#[test]
fn a_board_switches_a_guest_off_before_its_service_runs_elsewhere() {
    if !can_have_machines() {
        return;
    }
    let lab = boards();
    let before = lab.sleepers(SLEEPER);
    let home = before[0].0.clone();
    let board = format!("bmc@{home}.service");
    // It hangs with all that runs in it, and nobody knows how long.
    lab.guest("pause", &home);
    fails(&lab, &home, "Unable to obtain correct plug status");
    assert_eq!(lab.sleepers(SLEEPER), before, "a password is wrong");
    lab.sh(&format!("touch /srv/bmc/{home}/lies")).ok();
    secret(&lab, "b0ard");
    fails(&lab, &home, "Timed out waiting to power OFF");
    assert_eq!(lab.sleepers(SLEEPER), before, "the board lies");
    lab.manage(&["stop", &board]).ok();
    lab.sh(&format!("rm /srv/bmc/{home}/lies")).ok();
    fails(&lab, &home, "Connection timed out");
    assert_eq!(lab.sleepers(SLEEPER), before, "the board is away");
    assert_eq!(done_by(&lab, &home), [], "nothing was switched");

    lab.manage(&["start", &board]).ok();
    let mut after = Vec::new();
    lab.wait("the service runs in the other guest only", 90, || {
        after = lab.sleepers(SLEEPER);
        after.len() == 1 && after[0].0 != home
    });
    let begun = lab.sh(&format!("awk '{{print $22}}' /proc/{}/stat", after[0].1));
    let begun: u64 = begun.ok().trim().parse().unwrap();
    let done = done_by(&lab, &home);
    assert!(
        done[0].1 == "0" && done[0].0 < begun,
        "{begun} after {done:?}"
    );
    lab.wait("the guest is switched on, and is back", 90, || {
        lab.status("shop").assembly_state(&home) == "online"
    });
    assert_eq!(done_by(&lab, &home)[1].1, "1");
    assert_eq!(lab.sleepers(SLEEPER), after, "the other one is left alone");
}

/// As docs/transports.md and docs/fencing.md say of machines of libvirt: the first has our agent,
/// the second none.
const MACHINES: &str = r#"<deployable name="shop" heartbeat_interval="1s" heartbeat_timeout="5s">
  <assemblies>
    <assembly name="vm1" address="tcp:10.77.0.21">FENCING</assembly>
    <assembly name="vm2" address="qemu-ga:/run/cpe/guests/vm2/qga.sock">FENCING</assembly>
  </assemblies>
  <services>
    <service name="web" class="ocf" provider="own" type="web" monitor_interval="2s"/>
  </services>
</deployable>
"#;

/// How often libvirt has written down that it switched a domain off.
fn switched_off(lab: &Lab, domain: &str) -> usize {
    let said = lab.sh(&format!("cat /var/log/libvirt/qemu/{domain}.log"));
    let said = said.ok();
    let meant = "shutting down, reason=destroyed";
    said.lines().filter(|line| line.ends_with(meant)).count()
}

fn domains() -> Lab {
    let lab = domains::boot("power-libvirt");
    lab.write(
        "/srv/document.xml",
        &MACHINES.replace("FENCING", FENCE_VIRSH),
    );
    lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    lab
}

#[test]
fn libvirt_switches_machines_off_before_their_service_runs_elsewhere() {
    if !can_have_machines() {
        return;
    }
    let lab = domains();
    let both_online = || {
        let status = lab.status("shop");
        let mut machines = ["vm1", "vm2"].iter();
        machines.all(|name| status.assembly_state(name) == "online")
    };
    lab.wait("both machines are online", 90, both_online);
    // The machine with our agent, and the one without.
    let mut homes = Vec::new();
    for hypervisor_is_away in [true, false] {
        lab.wait("one machine serves", 60, || serving(&lab).len() == 1);
        let home = serving(&lab)[0];
        let before = switched_off(&lab, home);
        homes.push(home);
        if hypervisor_is_away {
            lab.manage(&["stop", "ssh.service"]).ok();
        }
        // It hangs: what it would do when it goes on, nobody knows.
        lab.run(&["virsh", "suspend", home]).ok();
        if hypervisor_is_away {
            fails(&lab, home, "Unable to connect/login to fencing device");
            assert_eq!(serving(&lab), [] as [&str; 0], "the hypervisor is away");
            assert_eq!(lab.run(&["virsh", "domstate", home]).ok().trim(), "paused");
            lab.manage(&["start", "ssh.service"]).ok();
        }
        lab.wait("the other machine serves", 90, || {
            let serving = serving(&lab);
            !serving.is_empty() && serving != [home]
        });
        assert!(
            switched_off(&lab, home) > before,
            "{home} was not switched off"
        );
        lab.wait("both are online again", 90, both_online);
    }
    assert_ne!(homes[0], homes[1], "it served in one of them only");
    lab.cpectl(&["destroy", "--wait", "shop"]).ok();
    assert_eq!(serving(&lab), [] as [&str; 0]);
}
