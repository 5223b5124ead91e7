//! Guests without our agent: their QEMU guest agent is all that there is. It is the real program,
//! at a socket file in place of a virtual machine's channel.

use end_to_end::{Document, Lab, System};

use crate::addresses::{readdress, reference};
use crate::configure::{fails_as_the_start, once_per_boot_and_change};

const SLEEPER: u32 = 100_081;
/// Where the slow service writes down what it is asked; all guests share it.
const ASKED: &str = "/srv/shared/asked";

/// As qemu-guest-agent.service, but for the channel.
const UNIT: &str = "[Unit]
StartLimitIntervalSec=0
[Service]
ExecStartPre=/bin/rm -f /run/cpe-channel/qga.sock
ExecStart=/usr/sbin/qemu-ga --method unix-listen --path /run/cpe-channel/qga.sock --statedir /run
ExecStartPost=/bin/sh -c 'until [ -S /run/cpe-channel/qga.sock ]; do sleep 0.05; done; chmod 0666 /run/cpe-channel/qga.sock'
Restart=always
RestartSec=100ms
[Install]
WantedBy=multi-user.target
";

/// A service whose start takes long: an operation that many things can happen to.
const SLOW: &str = "#!/bin/sh
state=/run/slow.state
echo \"$1\" >> /srv/shared/asked
case $1 in
  start) sleep 8; touch $state ;;
  stop) rm -f $state ;;
  monitor) [ -e $state ] || exit 7 ;;
  meta-data) echo '<resource-agent name=\"Slow\"/>' ;;
  *) exit 3 ;;
esac
";

/// Guests in which nothing of ours runs.
fn boot(name: &str) -> Lab {
    let lab = Lab::boot(name).with_guests(&["a", "b"]);
    lab.sh("cp /usr/share/doc/cpe/60-dpe-unit-fencing.rules /etc/polkit-1/rules.d/")
        .ok();
    for guest in ["a", "b"] {
        let root = format!("/var/lib/machines/{guest}");
        lab.sh(&format!("mkdir -p {root}/usr/lib/ocf/resource.d/own"))
            .ok();
        lab.write(&format!("{root}/etc/systemd/system/qga.service"), UNIT);
        lab.write(&format!("{root}/usr/lib/ocf/resource.d/own/Slow"), SLOW);
        lab.in_guest(
            guest,
            "chmod +x /usr/lib/ocf/resource.d/own/Slow
             systemctl disable --now cpe-agent.service cpe-agent-guard.service
             systemctl mask cpe-agent.service cpe-agent-guard.service
             systemctl daemon-reload; systemctl enable --now qga.service",
        )
        .ok();
    }
    lab
}

fn document() -> Document {
    Document::new("shop", &["a", "b"])
        .fencing(r#"<fencing mode="unit" unit="systemd-nspawn@{assembly}.service"/>"#)
        .address("a", "qemu-ga:/run/cpe/guests/a/qga.sock")
        .address("b", "qemu-ga:/run/cpe/guests/b/qga.sock")
        .timing(r#"heartbeat_interval="500ms" heartbeat_timeout="4s""#)
        .sleeper("db", SLEEPER)
        .service(
            r#"<service name="slow" class="ocf" provider="own" type="Slow" monitor_interval="1s" start_timeout="60s"/>"#,
        )
}

/// How often the slow service was asked to start, in all guests.
fn starts(lab: &Lab) -> usize {
    let asked = lab.sh(&format!("cat {ASKED} 2> /dev/null || :")).ok();
    asked.lines().filter(|line| *line == "start").count()
}

fn runs(lab: &Lab) -> bool {
    let status = lab.status("shop");
    status.all_running() && lab.sleepers(SLEEPER).len() == 1
}

#[test]
fn a_guest_without_our_agent_keeps_the_record_of_what_is_done_in_it() {
    let lab = boot("without-agent-record");
    lab.write("/srv/document.xml", &document().xml());
    lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    lab.wait("the slow service is being started", 60, || {
        starts(&lab) == 1
    });
    lab.manage(&["kill", "--signal=KILL", "dpe@shop.service"])
        .ok();
    lab.wait("all services run", 90, || runs(&lab));
    assert_eq!(starts(&lab), 1, "its start was found again");

    // Its guest agent is restarted in the middle of an operation.
    let home = lab.status("shop").assembly_of("slow").unwrap();
    let db = lab.sleepers(SLEEPER);
    lab.in_guest(&home, "rm /run/slow.state").ok();
    lab.wait("the slow service is started again", 60, || {
        starts(&lab) == 2
    });
    for guest in ["a", "b"] {
        lab.in_guest(guest, "systemctl restart qga.service").ok();
    }
    lab.wait("all services run again", 90, || runs(&lab));
    assert_eq!(starts(&lab), 2, "its start was found again");
    assert_eq!(
        lab.sleepers(SLEEPER),
        db,
        "the other service was left alone"
    );
}

#[test]
fn a_guest_without_our_agent_does_the_whole_job_and_is_switched_off_when_lost() {
    let lab = boot("without-agent-job");
    lab.deploy(&document());
    let agents = lab.run(&["pgrep", "-x", "cpe-agent"]);
    assert_eq!(agents.stdout, "", "our agent runs somewhere");
    let before = lab.sleepers(SLEEPER);
    lab.sh(&format!("kill -9 {}", before[0].1)).ok();
    lab.wait("the killed service is recovered", 60, || {
        runs(&lab) && lab.sleepers(SLEEPER) != before
    });
    assert_eq!(lab.sleepers(SLEEPER)[0].0, before[0].0, "in place");

    let home = before[0].0.clone();
    let mut twice = false;
    lab.cut(&home);
    lab.wait("the services run in the other guest", 120, || {
        let now = lab.sleepers(SLEEPER);
        twice |= now.len() > 1;
        now.len() == 1 && now[0].0 != home && lab.status("shop").all_running()
    });
    assert!(!twice, "the service ran twice");
    lab.wait("the guest is back", 60, || {
        lab.status("shop").assembly_state(&home) == "online"
    });
    let fenced = |event: &end_to_end::Event| {
        event.kind() == "assembly.fencing-succeeded" && event.field("assembly") == home
    };
    assert!(lab.events().iter().any(fenced));

    lab.cpectl(&["destroy", "--wait", "shop"]).ok();
    assert_eq!(lab.sleepers(SLEEPER), []);
    for guest in ["a", "b"] {
        let owner = lab.in_guest(guest, "test -e /run/cpe-qga/owner").code;
        assert_ne!(owner, 0, "{guest} still belongs to the deployment");
    }
}

#[test]
fn a_guest_without_our_agent_runs_what_the_document_says_before_a_service_starts() {
    let lab = boot("without-agent-configure");
    let document = |service: &str| {
        Document::new("shop", &["a"])
            .fencing(r#"<fencing mode="unit" unit="systemd-nspawn@{assembly}.service"/>"#)
            .address("a", "qemu-ga:/run/cpe/guests/a/qga.sock")
            .timing(r#"heartbeat_interval="500ms" heartbeat_timeout="4s""#)
            .service(service)
    };
    once_per_boot_and_change(&lab, document);
    fails_as_the_start(&lab, document);
}

/// An init script whose daemon is `sleep`.
const INIT_SCRIPT: &str = "#!/bin/sh
runs() { kill -0 $(cat /run/olddaemon.pid 2> /dev/null) 2> /dev/null; }
case $1 in
  start) runs || { setsid /usr/bin/sleep 100082 > /dev/null 2>&1 < /dev/null & echo $! > /run/olddaemon.pid; } ;;
  stop) ! runs || kill $(cat /run/olddaemon.pid); rm -f /run/olddaemon.pid ;;
  status) runs || exit 3 ;;
  *) exit 2 ;;
esac
";

/// What units and init scripts run, in guest `a`.
const DAEMONS: [u32; 3] = [100_082, 100_083, 100_084];

#[test]
fn a_guest_without_our_agent_runs_units_and_init_scripts() {
    let lab = boot("without-agent-classes");
    let root = "/var/lib/machines/a/etc";
    lab.write(&format!("{root}/init.d/olddaemon"), INIT_SCRIPT);
    for (unit, daemon) in [("newdaemon", DAEMONS[1]), ("either", DAEMONS[2])] {
        let text = format!("[Service]\nExecStart=/usr/bin/sleep {daemon}\n");
        lab.write(&format!("{root}/systemd/system/{unit}.service"), &text);
    }
    lab.in_guest(
        "a",
        "chmod +x /etc/init.d/olddaemon; systemctl daemon-reload",
    )
    .ok();
    let service = |class: &str, name: &str| {
        format!(r#"<service name="{name}" class="{class}" type="{name}" monitor_interval="1s"/>"#)
    };
    let document = Document::new("shop", &["a"])
        .fencing(r#"<fencing mode="unit" unit="systemd-nspawn@{assembly}.service"/>"#)
        .address("a", "qemu-ga:/run/cpe/guests/a/qga.sock")
        .timing(r#"heartbeat_interval="500ms" heartbeat_timeout="4s""#)
        .service(&service("lsb", "olddaemon"))
        .service(&service("systemd", "newdaemon"))
        .service(&service("service", "either"));
    lab.deploy(&document);
    for daemon in DAEMONS {
        let before = lab.sleepers(daemon);
        assert_eq!(before.len(), 1, "{daemon}");
        lab.sh(&format!("kill -9 {}", before[0].1)).ok();
        lab.wait("the killed daemon is recovered", 60, || {
            let now = lab.sleepers(daemon);
            now.len() == 1 && now != before && lab.status("shop").all_running()
        });
    }
    lab.cpectl(&["destroy", "--wait", "shop"]).ok();
    for daemon in DAEMONS {
        assert_eq!(lab.sleepers(daemon), [], "{daemon}");
    }
}

#[test]
fn a_guest_agent_that_may_run_nothing_is_told_once() {
    let lab = boot("without-agent-blocked");
    lab.in_guest(
        "a",
        "sed -i 's/qemu-ga --method/qemu-ga --blacklist guest-exec --method/' /etc/systemd/system/qga.service
         systemctl daemon-reload; systemctl restart qga.service",
    )
    .ok();
    lab.write("/srv/document.xml", &document().xml());
    lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    let told = || -> Vec<String> {
        let events = lab.events();
        let unusable = events
            .iter()
            .filter(|event| event.kind() == "assembly.agent-unusable");
        unusable.map(|event| event.field("reason")).collect()
    };
    lab.wait("it is told", 60, || !told().is_empty());
    lab.wait("the services run where they can", 90, || {
        let status = lab.status("shop");
        status.assembly_of("slow").as_deref() == Some("b") && lab.sleepers(SLEEPER).len() == 1
    });
    let told = told();
    assert!(
        told.len() == 1 && told[0].contains("does not allow guest-exec:"),
        "{told:?}"
    );
}

/// Services in `a`: one that follows the address of `b`, and one that does not.
const FOLLOWERS: [(&str, &str, u32); 2] = [
    (
        "client",
        r#"<reference assembly="b" parameter="ipaddress"/>"#,
        100_085,
    ),
    ("plain", "<value>none</value>", 100_086),
];

#[test]
fn a_changed_address_of_a_guest_without_our_agent_restarts_what_depends_on_it() {
    let lab = boot("without-agent-addresses");
    let document = Document::new("shop", &["a", "b"])
        .fencing(r#"<fencing mode="unit" unit="systemd-nspawn@{assembly}.service"/>"#)
        .address("a", "qemu-ga:/run/cpe/guests/a/qga.sock")
        .address("b", "qemu-ga:/run/cpe/guests/b/qga.sock");
    let document = FOLLOWERS.iter().fold(document, |document, (name, peer, seconds)| {
        document
            .service(&format!(
                r#"<service name="{name}" class="ocf" provider="heartbeat" type="anything" monitor_interval="5s"><parameters>
      <parameter name="binfile" value="/usr/bin/sleep"/><parameter name="cmdline_options" value="{seconds}"/>
      <parameter name="pidfile" value="/run/{name}.pid"/><parameter name="peer">{peer}</parameter></parameters></service>"#
            ))
            .constraint(&format!(
                r#"<location service="{name}" assembly="a" score="INFINITY"/>"#
            ))
    });
    lab.deploy(&document);
    let told = lab.status("shop");
    let assemblies = told.0["assemblies"].as_array().unwrap();
    for (assembly, name, address) in [(0, "a", "10.77.0.11"), (1, "b", "10.77.0.12")] {
        let told = &assemblies[assembly]["told"];
        assert_eq!(told["hostname"], name, "{told}");
        assert_eq!(told["ipaddress"], address, "{told}");
        assert_eq!(told["ipaddress.host0"], address, "{told}");
        assert_eq!(told["machine_id"].as_str().map(str::len), Some(32));
    }
    assert_eq!(reference(&lab, "client")["from"], "guest");

    // Then with what a distribution may block.
    let blocks = "sed -i 's/qemu-ga --method/qemu-ga --blacklist guest-get-host-name,guest-network-get-interfaces --method/' /etc/systemd/system/qga.service
         systemctl daemon-reload; systemctl restart qga.service";
    for (old, new, before) in [
        ("10.77.0.12", "10.77.0.99", None),
        ("10.77.0.99", "10.77.0.98", Some(blocks)),
    ] {
        if let Some(before) = before {
            lab.in_guest("b", before).ok();
        }
        let [client, plain] = FOLLOWERS.map(|(.., seconds)| lab.sleepers(seconds));
        readdress(&lab, old, new);
        lab.wait("what depends on the address is restarted", 60, || {
            let now = lab.sleepers(FOLLOWERS[0].2);
            now.len() == 1 && now != client
        });
        assert_eq!(reference(&lab, "client")["value"], new);
        assert_eq!(lab.sleepers(FOLLOWERS[1].2), plain);
    }
}

#[test]
fn an_agent_is_run_once_in_a_guest_without_ours() {
    let lab = boot("without-agent-debug");
    lab.write("/srv/document.xml", &document().xml());
    lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    lab.wait("everything runs", 90, || runs(&lab));
    let home = lab.status("shop").assembly_of("db").unwrap();
    let debug = |verb: &str| {
        lab.cpectl(&["debug", verb, "shop", "db", "--on", &home])
            .ok()
    };
    assert!(debug("monitor").contains("exit code 0 (ok)"));
    lab.cpectl(&["unmanage", "shop", "db", "--wait"]).ok();
    let stopped = debug("stop");
    let believed = format!("it believes now: db is not running on {home}");
    assert!(stopped.contains(&believed), "{stopped}");
    assert!(lab.sleepers(SLEEPER).is_empty());
    let started = debug("start");
    let believed = format!("it believes now: db is running on {home}");
    assert!(started.contains(&believed), "{started}");
    assert_eq!(lab.sleepers(SLEEPER).len(), 1);
    lab.cpectl(&["manage", "shop", "db", "--wait"]).ok();
    assert!(runs(&lab));
}
