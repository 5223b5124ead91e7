//! `make demo STAGE=vm`: two virtual machines under software emulation, one with our agent over
//! TLS, one with the QEMU guest agent alone, domains of libvirt whose power `fence_virsh` switches.
//! Each step says what is done, and what must hold.

use std::cell::Cell;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use end_to_end::domains::{self, FENCE_VIRSH, MACHINES};
use end_to_end::{Lab, System, missing_for_machines};
use test_kit::not_tested_here;

use crate::{Report, step};

/// All of it takes no longer.
const WITHIN: Duration = Duration::from_secs(180);

const DOCUMENT: &str = r#"<deployable name="shop" heartbeat_interval="1s" heartbeat_timeout="5s">
  <assemblies>
    <assembly name="vm1" address="tcp:10.77.0.21">FENCING</assembly>
    <assembly name="vm2" address="qemu-ga:/run/cpe/guests/vm2/qga.sock">FENCING</assembly>
  </assemblies>
  <services>
    <service name="web" class="ocf" provider="own" type="web" monitor_interval="1s"/>
  </services>
</deployable>
"#;

/// All of it. `begin`: when the demonstration began.
pub(crate) fn show(begin: Instant) -> ExitCode {
    if let Some(missing) = missing_for_machines() {
        eprintln!("The demonstration needs {missing}");
        return ExitCode::from(77);
    }
    println!(
        "A private system (real systemd, D-Bus and journal, in namespaces of its own) with two virtual machines of libvirt: QEMU without hardware support."
    );
    let lab = domains::boot("demo-vm");
    println!(
        "Ready after {:.1} s: both have booted. In vm1 is cpe-agent, at a port of the network with certificates on both sides; in vm2 nothing of ours.",
        begin.elapsed().as_secs_f64()
    );
    let mut report = Report { failed: 0 };
    let machines = Machines {
        lab,
        steps: Cell::new(0),
    };
    if machines.deploy(&mut report) {
        machines.visit_both(&mut report);
        machines.move_it(&mut report);
        machines.reboot(&mut report);
        machines.destroy(&mut report);
    }
    drop(machines);
    was_quick(&mut report, begin.elapsed());
    report.end(begin)
}

/// Whether all of it took no longer than it may. A machine that does much else says nothing about
/// that if it is slow: the two machines and what they need are no such load.
fn was_quick(report: &mut Report, took: Duration) {
    let what = format!("all of it took less than {} s", WITHIN.as_secs());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load
        .split(' ')
        .next()
        .map_or(Ok(0.0), str::parse)
        .unwrap_or(0.0);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    if took >= WITHIN && load > 2.0 + 2.0 * processors as f64 {
        return not_tested_here(&format!(
            "{what}: this machine was busy with other things (load {load} on {processors} processors)"
        ));
    }
    report.check(&what, took < WITHIN);
}

struct Machines {
    lab: Lab,
    /// How many there were.
    steps: Cell<u32>,
}

impl Machines {
    fn serving(&self) -> Vec<&'static str> {
        domains::serving(&self.lab)
    }

    fn state(&self, machine: &str) -> String {
        self.lab.status("shop").assembly_state(machine)
    }

    fn count(&self, kind: &str) -> usize {
        let events = self.lab.events();
        events.iter().filter(|event| event.kind() == kind).count()
    }

    fn status(&self) {
        for line in self.lab.cpectl(&["status", "shop"]).stdout.lines() {
            println!("     {line}");
        }
    }

    fn deploy(&self, report: &mut Report) -> bool {
        self.step("Deploy: cpectl deploy --wait");
        let document = DOCUMENT.replace("FENCING", FENCE_VIRSH);
        self.lab.write("/srv/document.xml", &document);
        self.lab
            .write("/srv/refused.xml", &DOCUMENT.replace("FENCING", ""));
        let refused = self.lab.cpectl(&["validate", "/srv/refused.xml"]);
        report.check(
            "without a power switch for vm2 the document is refused: nothing there keeps a lease",
            refused.code != 0 && format!("{refused:?}").contains("keeps no lease"),
        );
        let deployed = self.lab.cpectl(&["deploy", "--wait", "/srv/document.xml"]);
        report.check("it is accepted, and its service runs", deployed.code == 0);
        if deployed.code != 0 {
            println!("{}{}", deployed.stdout, deployed.stderr);
        }
        report.within("both machines are online", 40, || {
            MACHINES
                .iter()
                .all(|(name, _)| self.state(name) == "online")
        });
        report.within("one of them serves", 10, || self.serving().len() == 1);
        self.status();
        report.failed == 0
    }

    /// The same in each machine: in the one with our agent, and in the one without.
    fn visit_both(&self, report: &mut Report) {
        for _ in MACHINES {
            let serving = self.serving();
            let Some(home) = serving.first() else {
                report.check("somebody serves", false);
                return;
            };
            self.kill(home, report);
            self.cut(home, report);
            self.bring_back(home, report);
        }
    }

    /// Calls a program of a machine's web server, which it may not outlive.
    fn call(&self, machine: &str, program: &str) {
        let at = MACHINES.iter().find(|(name, _)| *name == machine);
        let number = at.map_or(0, |(_, number)| *number);
        let url = format!("http://10.77.0.{number}:8080/cgi-bin/{program}");
        self.lab.run(&["curl", "-sS", "--max-time", "2", &url]);
    }

    fn step(&self, text: &str) {
        self.steps.set(self.steps.get() + 1);
        step(self.steps.get(), text);
    }

    fn kill(&self, home: &str, report: &mut Report) {
        let how = match home {
            "vm1" => "by our agent",
            _ => "through the QEMU guest agent",
        };
        self.step(&format!("The web server in {home} is killed"));
        let recovered = self.count("service.recovered");
        self.call(home, "kill");
        report.within(&format!("it is started again there, {how}"), 30, || {
            self.count("service.recovered") > recovered && self.serving() == [home]
        });
    }

    fn cut(&self, home: &str, report: &mut Report) {
        self.step(&format!("The power of {home} is cut: virsh destroy {home}"));
        let fenced = self.count("assembly.fencing-succeeded");
        self.lab.run(&["virsh", "--quiet", "destroy", home]).ok();
        let mut twice = false;
        report.within("the other machine serves", 60, || {
            let serving = self.serving();
            twice |= serving.len() > 1;
            serving.len() == 1 && serving != [home]
        });
        report.check("never both", !twice);
        report.check(
            "after fence_virsh has seen that its power is off",
            self.count("assembly.fencing-succeeded") > fenced,
        );
    }

    fn bring_back(&self, lost: &str, report: &mut Report) {
        self.step(&format!("{lost} is switched on again by its fencing"));
        report.within("it is online", 60, || self.state(lost) == "online");
        report.check("one machine serves", self.serving().len() == 1);
        self.status();
    }

    /// To the other machine, until it is the one without our agent.
    fn move_it(&self, report: &mut Report) {
        for _ in MACHINES {
            let serving = self.serving();
            let home = serving.first().copied().unwrap_or_default();
            self.step(&format!("Move: cpectl standby shop {home}"));
            let asked = self.lab.cpectl(&["standby", "shop", home]);
            report.check("it is accepted", asked.code == 0);
            report.within("the other machine serves, this one does not", 30, || {
                let now = self.serving();
                now.len() == 1 && now != serving
            });
            let asked = self.lab.cpectl(&["unstandby", "shop", home]);
            report.check("it may have services again", asked.code == 0);
            if home == "vm1" {
                return;
            }
        }
    }

    fn reboot(&self, report: &mut Report) {
        self.step("vm2 reboots by itself: its channel stays open, and what ran there is gone");
        let lost = self.count("assembly.lost");
        self.call("vm2", "reboot");
        report.within("that is noticed", 30, || self.count("assembly.lost") > lost);
        report.within("one machine serves, both are online", 60, || {
            let online = MACHINES
                .iter()
                .all(|(name, _)| self.state(name) == "online");
            online && self.serving().len() == 1
        });
    }

    fn destroy(&self, report: &mut Report) {
        self.step("Destroy: cpectl destroy shop --wait");
        let destroyed = self.lab.cpectl(&["destroy", "shop", "--wait"]);
        report.check("done", destroyed.code == 0);
        report.check("nobody serves", self.serving().is_empty());
    }
}
