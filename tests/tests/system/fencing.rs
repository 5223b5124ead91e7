//! Fence agents: where they run, what they can reach, and what becomes of those that hang; all of
//! it also while cpe is away.

use end_to_end::{Document, Lab, System};

/// Duration of the `sleep` that is the service.
const SLEEP: u32 = 100_061;

/// Two guests with one service, fenced by an agent that switches the guest of its plug. cpe is of
/// no use for it.
fn boot(name: &str, fencing: &str) -> Lab {
    let lab = Lab::boot(name).with_guests(&["a", "b"]);
    lab.let_fence_agents_write("/srv/probe");
    lab.write("/usr/sbin/fence_unit", include_str!("fence-unit.sh"));
    lab.write("/usr/sbin/fence_probe", include_str!("fence-probe.sh"));
    lab.write(
        "/usr/sbin/fence_hang",
        "#!/bin/bash\ntrap '' TERM INT HUP\n[[ $(cat) == *action=metadata ]] && { /usr/sbin/fence_unit -o metadata < /dev/null; exit; }\n\
         sleep 100062 & while :; do sleep 100062; done\n",
    );
    lab.sh(
        "chmod 755 /usr/sbin/fence_{unit,probe,hang}
         install -d -g cpe-fence -m 750 /var/lib/cpe-fence/.ssh; echo the-host > /var/lib/cpe-fence/.ssh/known_hosts
         echo tops3cret > /etc/cpe/secrets/probe; mkdir -p /etc/cpe/secrets/ledger; echo the-key > /etc/cpe/secrets/ledger/key
         chmod -R go= /etc/cpe/secrets
         sed 's/\"dpe\"/\"cpe-fence\"/' /usr/share/doc/cpe/60-dpe-unit-fencing.rules > /etc/polkit-1/rules.d/61-fence-agents.rules
         sleep 1.5",
    )
    .ok();
    let document = Document::new("ledger", &["a", "b"])
        .timing(r#"heartbeat_interval="500ms" heartbeat_timeout="2s""#)
        .fencing(fencing)
        .sleeper("db", SLEEP);
    lab.deploy(&document).ok();
    lab
}

fn homes(lab: &Lab) -> Vec<String> {
    let sleepers = lab.sleepers(SLEEP).into_iter();
    sleepers.map(|(guest, _)| guest).collect()
}

/// Cuts the power of the guest that has the service, and waits until the other one has it.
#[track_caller]
fn lose_home(lab: &Lab) -> String {
    lab.wait("the service runs", 60, || homes(lab).len() == 1);
    let lost = homes(lab)[0].clone();
    lab.cut(&lost);
    lab.wait("the service runs in the other assembly", 90, || {
        let now = homes(lab);
        now.len() == 1 && now[0] != lost
    });
    lost
}

#[test]
fn a_fence_agent_runs_in_a_unit_of_its_own_also_while_cpe_is_away() {
    let lab = boot(
        "fencing",
        r#"<fencing mode="agent" agent="fence_probe"><parameters>
             <parameter name="password" file="/etc/cpe/secrets/probe"/>
             <parameter name="identity_file" path_of="/etc/cpe/secrets/ledger/key"/></parameters></fencing>"#,
    );
    lab.manage(&["stop", "cpe.service"]).ok();
    let lost = lose_home(&lab);
    lab.wait("the lost guest is switched on again", 60, || {
        lab.sh("cat /srv/probe/report-cpe-fence")
            .stdout
            .contains("action=on ")
    });
    let probe = lab.sh("cat /srv/probe/report-cpe-fence").ok();
    for line in [
        "action=off user=cpe-fence groups=cpe-fence home=/var/lib/cpe-fence",
        "CapEff:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "NoNewPrivs:\t1",
        "/cpe-fence@",
        "secrets: cat: /etc/cpe/secrets/probe: Permission denied",
        "it has the password",
        "known: the-host",
        "key: the-key",
    ] {
        assert!(probe.contains(line), "{line}: {probe}");
    }
    assert!(!probe.contains("dpe@"), "{probe}");
    assert!(!probe.contains("written: yes"), "{probe}");
    assert!(!probe.contains("noted: yes"), "{probe}");
    assert!(!probe.contains("state: newest"), "{probe}");

    lab.manage(&["start", "cpe.service"]).ok();
    lab.wait("the lost guest is back", 60, || {
        let status = lab.cpectl(&["--json", "status", "ledger"]);
        status.code == 0 && lab.status("ledger").assembly_state(&lost) == "online"
    });
    // Nothing of a run is left, and nobody but the agent has the secret.
    let units = lab
        .sh("systemctl list-units --all --plain --no-legend 'cpe-fence@*.service'")
        .ok();
    assert_eq!(units.trim(), "");
    let leaks = lab.sh(
        "{ journalctl --no-pager; cpectl --json status ledger; cpectl --json events; cpectl show ledger
           cat /var/lib/dpe/ledger/* /var/lib/dpe/ledger/inputs/* /var/lib/cpe/*; } 2> /dev/null | grep -ac tops3cret || :",
    );
    assert_eq!(leaks.ok().trim(), "0");
}

#[test]
fn only_a_dpe_has_fence_agents_run_and_only_for_its_own_deployment() {
    let lab = boot(
        "fence-rights",
        r#"<fencing mode="agent" agent="fence_probe"/>"#,
    );
    let ask = |user: &str| {
        let request = r#"{"deployment":"ledger","assembly":"a","agent":"fence_probe","action":"status","parameters":[],"timeout_ms":5000}"#;
        let script = format!(
            "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/cpe/fence/ledger/sock'); s.sendall(b'''{request}\\n'''); print(s.recv(65536).decode())"
        );
        lab.sh(&format!(
            "setpriv --reuid {user} --regid {user} --init-groups python3 -c \"$(cat <<'X'\n{script}\nX\n)\" 2>&1"
        ))
        .stdout
    };
    assert!(
        ask("cpe").contains("PermissionError"),
        "the socket is the DPEs'"
    );
    assert!(ask("cpe-fence").contains("PermissionError"));
    // Their user alone is not enough: the unit says whose DPE it is.
    let refused = ask("dpe");
    assert!(
        refused.contains("not of a unit dpe@NAME.service"),
        "{refused}"
    );
    assert!(
        !lab.sh("cat /srv/probe/report-cpe-fence")
            .stdout
            .contains("action=status")
    );
}

#[test]
fn an_agent_that_hangs_ends_with_its_time_and_is_tried_again() {
    let lab = boot(
        "fence-hang",
        r#"<fencing mode="agent" agent="fence_hang" timeout="3s"/>"#,
    );
    lab.wait("the service runs", 60, || homes(&lab).len() == 1);
    let lost = homes(&lab)[0].clone();
    lab.cut(&lost);
    let failed = |times: usize| {
        let events = lab.events().into_iter();
        let failed = events.filter(|event| event.kind() == "assembly.fencing-failed");
        failed.count() >= times
    };
    lab.wait("two attempts have failed", 60, || failed(2));
    assert_eq!(homes(&lab), [] as [String; 0], "it is not known to be down");
    // At most the present attempt has something running.
    lab.wait(
        "nothing of an attempt is left in the pause after it",
        30,
        || lab.sh("pgrep -cf 'sleep 10006[2]'").stdout.trim() == "0",
    );
    // A person says so, and the service moves.
    // Which loss it is has to be said where nobody can be asked.
    let unnamed = lab.cpectl(&["confirm-fenced", "ledger", &lost]);
    assert!(
        unnamed.code == 2 && unnamed.stderr.contains("--attempt"),
        "{unnamed:?}"
    );
    lab.wait("the confirmation is taken", 30, || {
        let status = lab.status("ledger");
        let assemblies = status.0["assemblies"].as_array().unwrap().iter();
        let mut own = assemblies.filter(|own| own["name"] == lost.as_str());
        let attempt = own.next().unwrap()["fencing_attempt"].as_str().unwrap();
        let arguments = ["confirm-fenced", "ledger", &lost, "--attempt", attempt];
        lab.cpectl(&arguments).code == 0
    });
    lab.wait("the service runs in the other assembly", 60, || {
        homes(&lab).len() == 1
    });
}

/// Somebody removes the socket of fence agents, and then its folder too. Both are made again, and
/// what sees the old folder is started again.
#[track_caller]
fn lose_the_socket(lab: &Lab) {
    let socket = "/run/cpe/fence/ledger/sock";
    let dpe = || lab.sh("systemctl show dpe@ledger.service -p MainPID --value");
    let before = dpe().ok();
    for gone in [socket, "/run/cpe/fence/ledger"] {
        lab.sh(&format!("rm -r {gone}")).ok();
        lab.wait("the socket is made again", 40, || {
            lab.sh(&format!("test -S {socket}")).code == 0
        });
    }
    lab.wait("its DPE is started again, and manages", 40, || {
        let now = dpe().stdout;
        now != before && now.trim() != "0" && lab.status("ledger").all_running()
    });
    let events = lab.events();
    let died = events.iter().any(|event| event.kind() == "dpe.died");
    assert!(!died, "a restart is no death");
    assert!(events.iter().any(|event| event.kind() == "dpe.stopped"));
}

#[test]
fn an_administrator_switches_the_power_of_an_assembly_that_is_online() {
    let lab = boot(
        "fence-power",
        r#"<fencing mode="agent" agent="fence_unit"/>"#,
    );
    lab.wait("the service runs", 60, || homes(&lab).len() == 1);
    lose_the_socket(&lab);
    let home = homes(&lab)[0].clone();
    lab.cpectl(&["fence", "ledger", &home, "--off"]).ok();
    lab.wait("the service runs in the other assembly", 60, || {
        let now = homes(&lab);
        now.len() == 1 && now[0] != home
    });
    let active = || {
        lab.sh(&format!(
            "systemctl is-active systemd-nspawn@{home}.service || :"
        ))
        .stdout
    };
    assert_ne!(active().trim(), "active", "it stays off");
    let refused = lab.cpectl(&["fence", "ledger", &home]);
    assert!(refused.stderr.contains("is safe already"), "{refused:?}");
    let shown = lab.cpectl(&["fencing", "ledger"]).ok();
    assert!(shown.contains("agent fence_unit  succeeded"), "{shown}");
    assert!(
        shown.contains("it is to be switched off, asked for by root"),
        "{shown}"
    );

    lab.cpectl(&["fence", "ledger", &home, "--on"]).ok();
    lab.wait("it is back", 60, || {
        lab.status("ledger").assembly_state(&home) == "online"
    });
    // Each order is told, with who gave it, and also the one that was refused.
    let events = lab.events().into_iter();
    let orders: Vec<(String, String)> = events
        .filter(|event| event.kind() == "deployment.administered")
        .map(|event| {
            (
                event.0["details"]["power"].as_str().unwrap().to_owned(),
                event.field("state"),
            )
        })
        .collect();
    let order = |power: &str, state: &str| (power.to_owned(), state.to_owned());
    assert_eq!(
        orders,
        [
            order("off", "done"),
            order("reboot", "refused"),
            order("on", "done")
        ]
    );
}

#[test]
fn the_failure_of_a_host_confirms_what_was_lost_with_it() {
    let lab = Lab::boot("host-failed").with_guests(&["a", "b"]);
    let document = Document::new("ledger", &["a", "b"])
        .timing(r#"heartbeat_interval="500ms" heartbeat_timeout="2s""#)
        .fencing(r#"<fencing mode="manager" timeout="3s"/>"#)
        .sleeper("db", SLEEP)
        .xml()
        .replace(r#"name="a" "#, r#"name="a" host="compute-7" "#)
        .replace(r#"name="b" "#, r#"name="b" host="compute-8" "#);
    lab.write("/srv/document.xml", &document);
    lab.cpectl(&["deploy", "--wait", "/srv/document.xml"]).ok();
    let home = homes(&lab)[0].clone();
    let (host, other) = match home.as_str() {
        "a" => ("compute-7", "compute-8"),
        _ => ("compute-8", "compute-7"),
    };
    // It answers, so it is not down, whatever anybody says.
    let early = lab.cpectl(&["host-failed", host]);
    assert!(
        early.code == 1 && early.stdout.contains("answers, so it is not down"),
        "{early:?}"
    );
    assert_eq!(lab.cpectl(&["host-failed", "compute-9"]).code, 0);

    lab.cut(&home);
    lab.wait("the cloud manager is reminded", 60, || {
        let events = lab.events().into_iter();
        let mut reminders = events.filter(|event| {
            event.kind() == "assembly.fencing-requested" && event.0["details"]["reminder"] == "1"
        });
        reminders.any(|event| event.field("assembly") == home)
    });
    assert_eq!(homes(&lab), [] as [String; 0]);
    let shown = lab.cpectl(&["fencing", "ledger"]).ok();
    assert!(
        shown.contains(&format!("cpectl confirm-fenced ledger {home} --attempt ")),
        "{shown}"
    );
    // The other host is well: its assembly is not confirmed, and nothing starts.
    assert_ne!(lab.cpectl(&["host-failed", other]).code, 0);
    assert_eq!(homes(&lab), [] as [String; 0]);
    // What was heard after the host had failed is not down.
    let before = lab.cpectl(&["host-failed", host, "--failed-at", "1h"]);
    assert!(
        before.code == 1
            && before
                .stdout
                .contains("it was heard after the host had failed"),
        "{before:?}"
    );
    assert_eq!(homes(&lab), [] as [String; 0]);
    // As Masakari's monitor calls it.
    let call = format!(
        "busctl call org.cloudpolicy.Cpe1 /org/cloudpolicy/cpe1 org.cloudpolicy.Cpe1.Manager HostFailed 'sa{{sv}}' {host} 1 failed-at t $(date +%s%6N)"
    );
    let reply = lab.sh(&call).ok();
    assert_eq!(
        reply.trim(),
        format!(r#"a(sss) 1 "ledger" "{home}" "confirmed""#)
    );
    lab.wait("the service runs in the other assembly", 60, || {
        homes(&lab).len() == 1
    });
}
