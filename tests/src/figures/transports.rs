//! What each way to a guest costs, and how long a service is away when it is cut.

use std::time::Duration;

use end_to_end::{Crowd, Document, Lab, System};
use serde_json::Value;

use crate::{boottime, bound, last, now_us, row, seconds, start_mark, usage};

const GUESTS: [&str; 2] = ["a", "b"];
const SLEEPER: u32 = 900_200;
/// How long an idle deployment is looked at.
const QUIET: Duration = Duration::from_secs(20);
/// Cuts of each: one guest after the other.
const CUTS: usize = 3;
/// Of both guests, in that time.
const HEARTBEATS: u64 = 80;

/// A way to guests: what sets it up in a lab with both, and an address with `{guest}` and
/// `{number}` in it.
struct Transport {
    name: &'static str,
    address: &'static str,
    timing: &'static str,
    fencing: &'static str,
    /// The program that speaks for a guest in it.
    program_inside: &'static str,
    set_up: fn(&Lab),
    cut: Cut,
}

/// How a guest is cut off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Its cable is out; it runs on.
    Cable,
    /// There is no network: its power is cut.
    Power,
}

const LEASE: &str = r#"<fencing mode="lease"/>"#;
const QUICK: &str = r#"heartbeat_interval="500ms" heartbeat_timeout="2s" lease="3s" grace="2s""#;

const TRANSPORTS: [Transport; 4] = [
    Transport {
        name: "unix",
        address: "unix:/run/cpe/guests/{guest}/agent.sock",
        timing: QUICK,
        fencing: LEASE,
        program_inside: "cpe-agent",
        set_up: |_| (),
        cut: Cut::Power,
    },
    Transport {
        name: "tcp",
        address: "tcp:10.77.0.{number}",
        timing: QUICK,
        fencing: LEASE,
        program_inside: "cpe-agent",
        set_up: tcp,
        cut: Cut::Cable,
    },
    Transport {
        name: "ssh",
        address: "ssh:root@10.77.0.{number}/run/cpe-channel/agent.sock",
        timing: QUICK,
        fencing: LEASE,
        program_inside: "cpe-agent|sshd|sshd-session",
        set_up: ssh,
        cut: Cut::Cable,
    },
    Transport {
        name: "qemu-ga",
        address: "qemu-ga:/run/cpe/guests/{guest}/qga.sock",
        timing: r#"heartbeat_interval="500ms" heartbeat_timeout="4s""#,
        fencing: r#"<fencing mode="unit" unit="systemd-nspawn@{assembly}.service"/>"#,
        program_inside: "qemu-ga",
        set_up: qemu_ga,
        cut: Cut::Power,
    },
];

impl Transport {
    fn address_of(&self, guest: &str) -> String {
        let number = if guest == GUESTS[0] { "11" } else { "12" };
        let address = self.address.replace("{guest}", guest);
        address.replace("{number}", number)
    }
}

/// A network with certificates.
fn tcp(lab: &Lab) {
    lab.cpectl(&["pki", "init"]).ok();
    for guest in GUESTS {
        let folder = format!("/var/lib/machines/{guest}/etc/cpe/agent");
        lab.cpectl(&["pki", "issue", "shop", guest, "--output", &folder])
            .ok();
        let listen = "echo CPE_AGENT_LISTEN=tcp:0.0.0.0 > /etc/cpe/agent.conf; systemctl restart cpe-agent.service";
        lab.in_guest(guest, listen).ok();
    }
}

/// An ssh server in each guest, which lets the DPE's key in.
fn ssh(lab: &Lab) {
    let folder = "/etc/cpe/dpe/shop/ssh";
    let key = lab
        .sh(&format!(
            "install -d -m 0750 -g dpe /etc/cpe/dpe/shop {folder}; ssh-keygen -q -t ed25519 -N '' -f {folder}/id_ed25519
             chgrp dpe {folder}/id_ed25519; chmod 0640 {folder}/id_ed25519; cat {folder}/id_ed25519.pub"
        ))
        .ok();
    for (guest, number) in GUESTS.iter().zip(11..) {
        let script = format!(
            "ssh-keygen -A; mkdir -p /root/.ssh; echo '{}' > /root/.ssh/authorized_keys; systemctl start ssh",
            key.trim()
        );
        lab.in_guest(guest, &script).ok();
        lab.sh(&format!(
            "ssh-keyscan -t ed25519 10.77.0.{number} >> {folder}/known_hosts"
        ))
        .ok();
    }
}

/// A QEMU guest agent at a socket file in place of a channel, and nothing of ours.
fn qemu_ga(lab: &Lab) {
    lab.sh("cp /usr/share/doc/cpe/60-dpe-unit-fencing.rules /etc/polkit-1/rules.d/")
        .ok();
    let socket = "/run/cpe-channel/qga.sock";
    let unit = format!(
        "[Service]\\nExecStart=/usr/sbin/qemu-ga --method unix-listen --path {socket} --statedir /run\\nRestart=always\\n\
         ExecStartPre=/bin/rm -f {socket}\\nExecStartPost=/bin/sh -c 'until [ -S {socket} ]; do sleep 0.05; done; chmod 0666 {socket}'\\n\
         [Install]\\nWantedBy=multi-user.target\\n"
    );
    for guest in GUESTS {
        let script = format!(
            "systemctl disable --now cpe-agent.service cpe-agent-guard.service
             printf '{}' > /etc/systemd/system/qga.service; systemctl daemon-reload; systemctl enable --now qga.service",
            unit.replace('\'', "'\\''")
        );
        lab.in_guest(guest, &script).ok();
    }
}

/// All of it, for each transport.
pub(crate) fn all() {
    println!(
        "transport   connect and first call   call               program    a guest: host    guest      of a heartbeat   cut to elsewhere, median and worst   bound"
    );
    // `figures transports ssh`: that one alone.
    let wanted = std::env::args().nth(2);
    let is_wanted = |it: &&Transport| wanted.as_deref().is_none_or(|name| name == it.name);
    TRANSPORTS.iter().filter(is_wanted).for_each(one);
    println!(
        "vsock       not measured: the lab's guests are containers, which have no context of their own (CID)"
    );
}

fn document(transport: &Transport, guests: &[&str]) -> Document {
    let document = Document::new("shop", guests)
        .timing(transport.timing)
        .fencing(transport.fencing)
        .sleeper("s", SLEEPER);
    guests.iter().fold(document, |document, guest| {
        document.address(guest, &transport.address_of(guest))
    })
}

fn one(transport: &Transport) {
    let lab = Lab::boot(&format!("figures-{}", transport.name)).with_guests(&GUESTS);
    (transport.set_up)(&lab);
    let called = call(&lab, transport);
    lab.deploy(&document(transport, &GUESTS[..1]));
    std::thread::sleep(Duration::from_secs(3));
    let one_guest = memory_kib(&lab);
    lab.deploy(&document(transport, &GUESTS));
    std::thread::sleep(Duration::from_secs(3));
    let before = used_us(&lab);
    std::thread::sleep(QUIET);
    let heartbeat_us = (used_us(&lab) - before) / HEARTBEATS;
    let memory = memory_kib(&lab).saturating_sub(one_guest);
    let inside = inside_kib(&lab, transport.program_inside);
    let mut times: Vec<f64> = (0..CUTS).map(|_| away(&lab, transport.cut)).collect();
    times.sort_by(f64::total_cmp);
    let (median, worst) = (times[CUTS / 2], times[CUTS - 1]);
    let pair = |name: &str| {
        let times = called[name].as_array();
        let at = |index: usize| times.and_then(|times| times[index].as_u64());
        let text = |us: u64| format!("{:.2}", us as f64 / 1000.0);
        match (at(0), at(1)) {
            (Some(median), Some(most)) => format!("{} ms, p99 {}", text(median), text(most)),
            _ => String::new(),
        }
    };
    let cut = match transport.cut {
        Cut::Cable => "cable",
        Cut::Power => "power",
    };
    println!(
        "{:<11} {:<24} {:<18} {:<10} {:<16} {:<10} {:<16} {:<36} {}",
        transport.name,
        pair("connect"),
        pair("call"),
        pair("program").split(',').next().unwrap_or_default(),
        format!("{:.1} MiB", memory as f64 / 1024.0),
        format!("{:.1} MiB", inside as f64 / 1024.0),
        format!("{heartbeat_us} µs"),
        format!("{median:.2} s, {worst:.2} s ({cut})"),
        bound_of(&lab, transport)
    );
}

/// What the document's timing says; where a power switch makes the guest safe, its time comes on
/// top.
fn bound_of(lab: &Lab, transport: &Transport) -> String {
    let timeout = transport.timing.split("heartbeat_timeout=").nth(1);
    match bound(lab).as_str() {
        "none" => format!(
            "{} and the power switch",
            timeout.unwrap_or("the timeout").trim_matches('"')
        ),
        bound => bound.to_owned(),
    }
}

/// Calls a guest as its DPE does, before there is one.
fn call(lab: &Lab, transport: &Transport) -> Value {
    let Ok(program) = std::env::current_exe() else {
        return Value::Null;
    };
    let inside = format!("/proc/{}/root/srv/caller", lab.pid1());
    let copied = std::fs::copy(program.with_file_name("caller"), inside);
    assert!(copied.is_ok(), "the caller cannot be copied: {copied:?}");
    let address = transport.address_of(GUESTS[0]);
    // As the DPE's user: ssh takes no key of its own user that others can read.
    let user = ["setpriv", "--reuid=dpe", "--regid=dpe", "--init-groups"];
    let caller = ["/srv/caller", &address, "shop", GUESTS[0]];
    let said = lab.run(&[user, caller].concat()).ok();
    serde_json::from_str(&said).unwrap_or_default()
}

/// Processor time of the DPE and what it runs, in µs.
fn used_us(lab: &Lab) -> u64 {
    let file = "/sys/fs/cgroup$(systemctl show dpe@shop.service -p ControlGroup --value)/cpu.stat";
    let script = format!("awk '/^usage_usec/ {{print $2}}' {file}");
    lab.sh(&script).stdout.trim().parse().unwrap_or(0)
}

/// Proportional set size of the DPE and what it runs.
fn memory_kib(lab: &Lab) -> u64 {
    let group = "/sys/fs/cgroup$(systemctl show dpe@shop.service -p ControlGroup --value)";
    let script = format!(
        "for p in $(cat {group}/cgroup.procs); do cat /proc/$p/smaps_rollup; done | awk '/^Pss:/ {{n += $2}} END {{print n}}'"
    );
    lab.sh(&script).stdout.trim().parse().unwrap_or(0)
}

/// Proportional set size of what speaks for a guest, in it.
fn inside_kib(lab: &Lab, program_inside: &str) -> u64 {
    let script = format!(
        "for p in $(pgrep -x \"{program_inside}\"); do cat /proc/$p/smaps_rollup; done | awk '/^Pss:/ {{n += $2}} END {{print n + 0}}'"
    );
    let said = lab.in_guest(GUESTS[0], &script);
    said.stdout.trim().parse().unwrap_or(0)
}

/// How long until the service has started in the other guest, in seconds. Then the guest that was
/// cut comes back.
fn away(lab: &Lab, cut: Cut) -> f64 {
    let home = lab.sleepers(SLEEPER)[0].0.clone();
    let begin = boottime();
    match cut {
        Cut::Power => lab.cut(&home),
        Cut::Cable => {
            let link = ["/srv/lab/guests.sh", "link", &home, "down"];
            lab.run(&link).ok();
        }
    }
    let mut found = None;
    lab.wait("the service runs elsewhere", 120, || {
        let running = lab.sleepers(SLEEPER);
        found = running.into_iter().find(|(guest, _)| *guest != home);
        found.is_some()
    });
    let took = found.map_or(f64::NAN, |(_, pid)| start_mark(lab, pid) - begin);
    match cut {
        // Fencing may have switched it on already.
        Cut::Power => lab
            .sh(&format!("/srv/lab/guests.sh start {home} || :"))
            .ok(),
        Cut::Cable => lab.run(&["/srv/lab/guests.sh", "link", &home, "up"]).ok(),
    };
    lab.wait("both are online", 120, || {
        let status = lab.status("shop");
        status.is_settled()
            && GUESTS
                .iter()
                .all(|guest| status.assembly_state(guest) == "online")
    });
    took
}

/// Five hundred guests on a network, all of one deployment: real agents with certificates of their
/// own, each at a port of its own, without booted systems around them. `figures wide 100`: so many.
pub(crate) fn wide() {
    const SERVICES: usize = 20;
    let given = std::env::args().nth(2).and_then(|text| text.parse().ok());
    let guests: usize = given.unwrap_or(500);
    let lab = Lab::boot("figures-wide");
    let crowd = Crowd::start_on_network(&lab, "big", guests);
    let names = crowd.names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut document = Document::new("big", &names).timing("");
    for (guest, address) in names.iter().zip(crowd.addresses()) {
        document = document.address(guest, &address);
    }
    for n in 0..SERVICES {
        document = document.service(&Crowd::service(&format!("s{n}")));
    }
    lab.write("/srv/document.xml", &document.xml());
    let begin = std::time::Instant::now();
    lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    lab.wait("all services run", 300, || lab.status("big").all_running());
    row(
        &format!("{guests} guests over TLS on one DPE: deploy to all services started"),
        &format!("{:.1} s", begin.elapsed().as_secs_f64()),
    );
    wide_and_idle(&lab, &crowd, guests);
    let lost = &names[..guests / 5];
    let cut = now_us();
    crowd.cut(lost.len());
    lab.wait("those that were cut are safe", 300, || {
        let status = lab.status("big");
        lost.iter()
            .all(|name| status.assembly_state(name) == "offline")
    });
    let safe = last(&lab.events(), "assembly.fencing-succeeded");
    let what = format!(
        "    {} of them cut at once: to the last one safe; bound {}",
        lost.len(),
        bound(&lab)
    );
    row(&what, &seconds(safe.saturating_sub(cut)));
}

/// What so many guests cost while nothing happens.
fn wide_and_idle(lab: &Lab, crowd: &Crowd<'_>, guests: usize) {
    let group = "$(systemctl show dpe@big.service -p ControlGroup --value)/cpu.stat";
    let script = format!("awk '/^usage_usec/ {{print $2}}' /sys/fs/cgroup{group}");
    let used = || -> f64 { lab.sh(&script).stdout.trim().parse().unwrap_or(f64::NAN) };
    let before = used();
    let longest = crowd.longest_without_renewal(0, QUIET.as_secs_f64());
    let used_us = used() - before;
    let share = used_us / QUIET.as_micros() as f64 * 100.0;
    row(
        "    the DPE, idle: of one processor",
        &format!("{share:.1} %"),
    );
    let beats = guests as f64 * QUIET.as_secs_f64();
    row(
        "    for each heartbeat, one a second from each guest",
        &format!("{:.0} µs", used_us / beats),
    );
    let mebibytes = |kibibytes: f64| format!("{:.1} MiB", kibibytes / 1024.0);
    let (pss, ..) = usage(lab, "dpe@big.service");
    row("    the DPE: PSS", &mebibytes(pss as f64));
    let all = "for p in $(pgrep -x cpe-agent); do cat /proc/$p/smaps_rollup; done";
    let sum = "awk '/^Pss:/ {n += $2} END {print n}'";
    let agents: f64 = lab
        .sh(&format!("{all} | {sum}"))
        .stdout
        .trim()
        .parse()
        .unwrap_or(f64::NAN);
    row("    an agent: PSS", &mebibytes(agents / guests as f64));
    row(
        "    longest without a renewal in 20 s; the lease is 10 s",
        &format!("{longest:.2} s"),
    );
}
