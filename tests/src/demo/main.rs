//! `make demo`: the whole job on a private, real system, flow by flow. Exit status 0 only if every
//! flow holds; 77 if this machine cannot run it, with what is missing.

use std::process::ExitCode;
use std::time::Instant;

use end_to_end::{Lab, Output, Processes, System, missing_prerequisite};

mod hosts;
mod postgresql;
mod vm;

const GUESTS: [&str; 4] = ["web1", "web2", "app1", "db1"];

/// Counts the checks that failed.
pub(crate) struct Report {
    pub(crate) failed: u32,
}

impl Report {
    pub(crate) fn check(&mut self, what: &str, holds: bool) {
        println!("  {} {what}", if holds { "✓" } else { "✗" });
        self.failed += u32::from(!holds);
    }

    /// Waits for a condition, then reports it with the time it took.
    pub(crate) fn within(&mut self, what: &str, seconds: u64, mut holds: impl FnMut() -> bool) {
        let begin = Instant::now();
        let mut held = holds();
        while !held && begin.elapsed().as_secs() < seconds {
            std::thread::sleep(std::time::Duration::from_millis(100));
            held = holds();
        }
        self.check(
            &format!("{what} ({:.1} s)", begin.elapsed().as_secs_f64()),
            held,
        );
    }

    /// Says how it went. `begin`: when the demonstration began.
    pub(crate) fn end(&self, begin: Instant) -> ExitCode {
        println!(
            "\n{:.0} s in all. {}",
            begin.elapsed().as_secs_f64(),
            match self.failed {
                0 => "Everything held; nothing is left behind.".to_owned(),
                failed => format!("{failed} did not hold."),
            }
        );
        ExitCode::from(u8::from(self.failed > 0))
    }
}

pub(crate) fn step(number: u32, text: &str) {
    println!("\n{number}. {text}");
}

/// Where the demonstration takes place.
struct Stage {
    system: Box<dyn System>,
    document: String,
    modified: String,
    /// The shop's address for its customers.
    url: &'static str,
}

impl Stage {
    /// `booted`: a private system with booted guests. `processes`: guests as processes of this
    /// user.
    ///
    /// # Errors
    /// What this machine lacks for it.
    fn prepare(kind: &str) -> Result<Stage, String> {
        match kind {
            "booted" => missing_prerequisite().map_or_else(|| Ok(Stage::booted()), Err),
            "processes" => Processes::missing_prerequisite().map_or_else(Stage::processes, Err),
            _ => Err(
                "an argument: `booted`, `processes` (make demo chooses), `hosts`, `postgresql` or `vm`"
                    .into(),
            ),
        }
    }

    fn booted() -> Stage {
        println!(
            "A private system (real systemd, D-Bus and journal, in namespaces of its own) with four booted guests."
        );
        let lab = Lab::boot("demo");
        lab.sh(
            "install -d -o $(awk -F: '$1 == \"redis\" {print $3}' /srv/guest/etc/passwd) -m 750 /srv/shared/shop
             cp /usr/share/doc/cpe/60-dpe-unit-fencing.rules /etc/polkit-1/rules.d/",
        )
        .ok();
        Stage {
            system: Box::new(lab.with_guests(&GUESTS)),
            document: "/srv/examples/three-tier.xml".into(),
            modified: "/srv/examples/three-tier-modified.xml".into(),
            url: "http://10.77.0.100/",
        }
    }

    fn processes() -> Result<Stage, String> {
        println!(
            "The service manager and the bus of this user, and four guests: units of it that run cpe-agent."
        );
        let processes = Processes::start(&GUESTS).map_err(|error| format!("{error:#}"))?;
        Ok(Stage {
            document: processes.file("document.xml"),
            modified: processes.file("modified.xml"),
            system: Box::new(processes),
            url: "http://127.0.0.1:18080/",
        })
    }

    fn visit(&self) -> Output {
        self.system
            .run(&["curl", "-fsS", "--max-time", "2", self.url])
    }

    fn show(&self) {
        for line in self.system.cpectl(&["status", "shop"]).stdout.lines() {
            println!("     {line}");
        }
    }

    /// The processes of the three tiers, each with its guest: nginx, the application, Redis.
    fn servers(&self) -> [Vec<(String, u32)>; 3] {
        [self.nginx(), self.app(), self.redis()]
    }

    fn nginx(&self) -> Vec<(String, u32)> {
        self.system.processes("^nginx: master")
    }

    fn app(&self) -> Vec<(String, u32)> {
        self.system.processes("python3 .*/app.py")
    }

    fn redis(&self) -> Vec<(String, u32)> {
        self.system.processes("redis-server")
    }
}

fn main() -> ExitCode {
    let begin = Instant::now();
    let kind = std::env::args().nth(1).unwrap_or_default();
    if kind == "hosts" {
        return hosts::show(begin);
    }
    if kind == "postgresql" {
        return postgresql::show(begin);
    }
    if kind == "vm" {
        return vm::show(begin);
    }
    let stage = match Stage::prepare(&kind) {
        Ok(stage) => stage,
        Err(missing) => {
            eprintln!("The demonstration needs {missing}");
            return ExitCode::from(77);
        }
    };
    println!(
        "Ready after {:.1} s: cpe runs, and cpe-agent in {}.",
        begin.elapsed().as_secs_f64(),
        GUESTS.join(", ")
    );
    let mut report = Report { failed: 0 };
    deploy(&stage, &mut report);
    kill_the_dpe(&stage, &mut report);
    kill_a_service(&stage, &mut report);
    lose_an_assembly(&stage, &mut report);
    modify(&stage, &mut report);
    read_events(&stage, &mut report);
    destroy(&stage, &mut report);
    drop(stage);
    report.end(begin)
}

fn deploy(stage: &Stage, report: &mut Report) {
    let system = &stage.system;
    step(
        1,
        &format!("Deploy: cpectl deploy --wait {}", stage.document),
    );
    let deployed = system.cpectl(&["deploy", "--wait", &stage.document]);
    report.check(
        "the deployment is accepted and all its services run",
        deployed.code == 0,
    );
    if deployed.code != 0 {
        println!("{}{}", deployed.stdout, deployed.stderr);
    }
    report.within(
        &format!(
            "nginx, the application and Redis answer behind {}",
            stage.url
        ),
        15,
        || stage.visit().code == 0,
    );
    println!(
        "     {}",
        stage.visit().stdout.trim().replace('\n', "\n     ")
    );
    stage.show();
}

fn kill_the_dpe(stage: &Stage, report: &mut Report) {
    let system = &stage.system;
    step(2, "kill -9 of the DPE");
    let (before, old) = (stage.servers(), system.main_pid("dpe@shop.service"));
    system
        .manage(&["kill", "--signal=KILL", "dpe@shop.service"])
        .ok();
    report.within("another DPE manages the deployment", 15, || {
        let pid = system.main_pid("dpe@shop.service");
        pid != 0 && pid != old && system.status("shop").all_running()
    });
    report.check(
        "the services were not touched: same processes",
        stage.servers() == before,
    );
    report.check("and still answer", stage.visit().code == 0);
    stage.show();
}

fn kill_a_service(stage: &Stage, report: &mut Report) {
    let system = &stage.system;
    step(3, "kill -9 of a service (the application)");
    let before = stage.servers();
    let app = stage.app();
    if let Some((_, pid)) = app.first() {
        system.sh(&format!("kill -9 {pid}"));
    }
    report.within("it is recovered in place", 20, || {
        let now = stage.app();
        now.len() == 1 && now[0].0 == app[0].0 && now != app && stage.visit().code == 0
    });
    let now = stage.servers();
    report.check(
        "the others were not touched",
        (&now[0], &now[2]) == (&before[0], &before[2]),
    );
    stage.show();
}

fn lose_an_assembly(stage: &Stage, report: &mut Report) {
    let system = &stage.system;
    step(
        4,
        "An assembly is lost: the power of web1, where nginx runs, is cut",
    );
    system.cut("web1");
    // The event log says so: where guests boot fast, nginx is soon back on web1.
    report.within(
        "nginx was started elsewhere, and the shop answers at the same address",
        40,
        || {
            system
                .events()
                .iter()
                .any(|event| event.kind() == "service.moved" && event.field("assembly") != "web1")
                && stage.visit().code == 0
        },
    );
    let events = system.events();
    let at = |kind: &str| {
        events
            .iter()
            .position(|event| event.kind() == kind && event.field("assembly") == "web1")
    };
    report.check(
        "events: lost, then made safe, before its services moved",
        matches!((at("assembly.lost"), at("assembly.fencing-succeeded")), (Some(lost), Some(safe)) if lost < safe)
            && events.iter().position(|event| event.kind() == "service.moved") > at("assembly.fencing-succeeded"),
    );
    report.within(
        "web1 is started again and takes back what prefers it",
        30,
        || {
            system.status("shop").is_settled()
                && stage.nginx().iter().all(|(guest, _)| guest == "web1")
                && stage.visit().code == 0
        },
    );
    stage.show();
}

fn modify(stage: &Stage, report: &mut Report) {
    let system = &stage.system;
    step(
        5,
        &format!(
            "A modified document, another greeting: cpectl deploy --wait {}",
            stage.modified
        ),
    );
    let before = stage.servers();
    report.check(
        "it is accepted as the next generation",
        system.cpectl(&["deploy", "--wait", &stage.modified]).code == 0,
    );
    report.within("the shop says something else", 20, || {
        stage.visit().stdout.contains("Winter sale")
    });
    let now = stage.servers();
    report.check(
        "only the difference was done: nginx and Redis untouched",
        (&now[0], &now[2]) == (&before[0], &before[2]),
    );
    report.check("the application was restarted", now[1] != before[1]);
    stage.show();
}

fn read_events(stage: &Stage, report: &mut Report) {
    let system = &stage.system;
    step(6, "The event log: cpectl events");
    let listing = system.cpectl(&["events"]);
    for line in listing.stdout.lines() {
        println!("     {line}");
    }
    let kinds: Vec<String> = system.events().iter().map(|event| event.kind()).collect();
    for kind in [
        "deployment.created",
        "dpe.died",
        "dpe.restarted",
        "service.failed",
        "service.recovered",
        "assembly.lost",
        "service.moved",
        "deployment.modified",
    ] {
        report.check(kind, kinds.iter().any(|seen| seen == kind));
    }
}

fn destroy(stage: &Stage, report: &mut Report) {
    let system = &stage.system;
    step(7, "Destroy: cpectl destroy shop --wait");
    report.check(
        "done",
        system.cpectl(&["destroy", "shop", "--wait"]).code == 0,
    );
    report.check(
        "no process of it is left",
        stage.servers().iter().all(Vec::is_empty),
    );
    report.check("no DPE is left", system.main_pid("dpe@shop.service") == 0);
    report.check(
        "the event log says so",
        system
            .events()
            .iter()
            .any(|event| event.kind() == "deployment.destroyed"),
    );
}
