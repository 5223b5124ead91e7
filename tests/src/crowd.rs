//! Many guests that cost little: real agents and real leases, but plain processes of the lab's host
//! instead of booted systems. Each has its own socket, state, boot id and resource agents' state.

use crate::lab::Lab;
use crate::system::System;

/// Where the state of their agents is.
const STATE: &str = "/run/crowd";

/// The port of the first one that listens on a network.
const FIRST_PORT: usize = 20_000;

/// Guests `g0`, `g1`, … of a lab.
pub struct Crowd<'a> {
    lab: &'a Lab,
    count: usize,
}

impl<'a> Crowd<'a> {
    /// Starts so many, each at a socket file.
    #[track_caller]
    pub fn start(lab: &'a Lab, count: usize) -> Crowd<'a> {
        let listen = "--listen unix:/run/cpe/guests/g$n/agent.sock --socket-mode 0666";
        Crowd::start_with(lab, count, "mkdir -p /run/cpe/guests/g$n", listen)
    }

    /// Starts so many for a deployment, each at a port of the lab's own, with a certificate.
    #[track_caller]
    pub fn start_on_network(lab: &'a Lab, deployment: &str, count: usize) -> Crowd<'a> {
        lab.cpectl(&["pki", "init"]).ok();
        let certificate =
            format!("cpectl pki issue {deployment} g$n --output $s/certificate > /dev/null");
        let listen =
            format!("--listen tcp:127.0.0.1:$(({FIRST_PORT} + n)) --certificates $s/certificate");
        Crowd::start_with(lab, count, &certificate, &listen)
    }

    /// `prepare`: shell commands for guest `$n`, whose folder is `$s`.
    #[track_caller]
    fn start_with(lab: &'a Lab, count: usize, prepare: &str, listen: &str) -> Crowd<'a> {
        // A service is a file: what the services do is not what is looked at.
        let service = r#"#!/bin/sh
state="$HA_RSCTMP/$OCF_RESOURCE_INSTANCE.state"
case "$1" in
start) touch "$state" ;;
stop) rm -f "$state" ;;
monitor) [ -f "$state" ] || exit 7 ;;
meta-data) echo '<resource-agent name="File"><version>1.1</version></resource-agent>' ;;
*) exit 3 ;;
esac
"#;
        lab.sh("mkdir -p /srv/crowd/resource.d/lab").ok();
        lab.write("/srv/crowd/resource.d/lab/File", service);
        // The reboot command ends the guest: without --kernel-reset nothing else does.
        lab.sh(&format!(
            r#"chmod 755 /srv/crowd/resource.d/lab/File
            for n in $(seq 0 {last}); do
              s={STATE}/g$n; mkdir -p $s/tmp
              {prepare}
              cat /proc/sys/kernel/random/uuid > $s/boot_id
              systemd-run --quiet --collect --unit=crowd-g$n -- /usr/bin/cpe-agent \
                {listen} --state-dir $s/state --resource-agents /srv/crowd \
                --resource-tmp $s/tmp --boot-id-file $s/boot_id --machine-id-file $s/none --persistent-dir $s/var \
                --reboot-command "systemctl kill --signal=KILL crowd-g$n.service"
            done"#,
            last = count - 1
        ))
        .ok();
        Crowd { lab, count }
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        (0..self.count).map(|n| format!("g{n}")).collect()
    }

    /// Where they listen that were started on a network.
    pub fn addresses(&self) -> impl Iterator<Item = String> {
        let ports = (FIRST_PORT..).take(self.count);
        ports.map(|port| format!("tcp:127.0.0.1:{port}"))
    }

    /// A service that any of them can run.
    pub fn service(name: &str) -> String {
        format!(
            r#"<service name="{name}" class="ocf" provider="lab" type="File" monitor_interval="10s"/>"#
        )
    }

    /// Cuts the power of the first so many, at once.
    #[track_caller]
    pub fn cut(&self, first: usize) {
        let units: Vec<String> = (0..first).map(|n| format!("crowd-g{n}.service")).collect();
        let script = format!("systemctl kill --signal=KILL {}", units.join(" "));
        self.lab.sh(&script).ok();
    }

    /// How old the newest renewal is that a guest has got, in seconds.
    pub fn renewed_ago(&self, guest: usize) -> Option<f64> {
        let lease = format!(
            "/proc/{}/root{STATE}/g{guest}/state/lease.json",
            self.lab.pid1()
        );
        let lease: serde_json::Value = serde_json::from_slice(&std::fs::read(lease).ok()?).ok()?;
        let stamp_us = lease["stamp_us"].as_u64().filter(|stamp| *stamp > 0)?;
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let now_us = now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000;
        Some(now_us.saturating_sub(stamp_us) as f64 / 1e6)
    }

    /// The oldest newest renewal of the guests from that one on, as looked at for so many seconds.
    pub fn longest_without_renewal(&self, from: usize, seconds: f64) -> f64 {
        let begin = std::time::Instant::now();
        let mut longest: f64 = 0.0;
        while begin.elapsed().as_secs_f64() < seconds {
            for guest in from..self.count {
                longest = longest.max(self.renewed_ago(guest).unwrap_or(f64::INFINITY));
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        longest
    }
}
