//! `make demo`: the whole job on a private, real system, flow by flow. Exit status 0 only if every flow holds; 77 if this machine
//! cannot run it, with what is missing.

use std::process::ExitCode;
use std::time::Instant;

use end_to_end::{Lab, missing_prerequisite};

const GUESTS: [&str; 4] = ["web1", "web2", "app1", "db1"];
const SHOP: &str = "curl -fsS --max-time 2 http://10.77.0.100/";

/// Counts what held and what did not.
struct Report {
    failed: u32,
}

impl Report {
    fn check(&mut self, what: &str, holds: bool) {
        println!("  {} {what}", if holds { "✓" } else { "✗" });
        self.failed += u32::from(!holds);
    }

    /// Waits for a condition, then reports it with the time it took.
    fn within(&mut self, what: &str, seconds: u64, mut holds: impl FnMut() -> bool) {
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
}

fn step(number: u32, text: &str) {
    println!("\n{number}. {text}");
}

fn show(lab: &Lab) {
    for line in lab.cpectl(&["status", "shop"]).stdout.lines() {
        println!("     {line}");
    }
}

/// The processes of the three tiers: `(nginx, app, redis)`, each `guest:pid`.
fn processes(lab: &Lab) -> [String; 3] {
    ["^nginx: master", "python3 .*/app.py", "redis-server"].map(|pattern| {
        let found = lab.processes(pattern);
        found
            .iter()
            .map(|(guest, pid)| format!("{guest}:{pid}"))
            .collect::<Vec<_>>()
            .join(" ")
    })
}

fn main() -> ExitCode {
    if let Some(missing) = missing_prerequisite() {
        eprintln!("the demonstration needs {missing}");
        return ExitCode::from(77);
    }
    let begin = Instant::now();
    let mut report = Report { failed: 0 };
    println!(
        "A private system (real systemd, D-Bus and journal, in namespaces of its own) with four booted guests."
    );
    let lab = Lab::boot("demo");
    lab.sh(
        "install -d -o $(awk -F: '$1 == \"redis\" {print $3}' /srv/guest/etc/passwd) -m 750 /srv/shared/shop
         cp /usr/share/doc/cpe/60-dpe-unit-fencing.rules /etc/polkit-1/rules.d/",
    )
    .ok();
    let lab = lab.with_guests(&GUESTS);
    println!(
        "Ready after {:.1} s: cpe runs, {} boot cpe-agent.",
        begin.elapsed().as_secs_f64(),
        GUESTS.join(", ")
    );

    step(1, "Deploy: cpectl deploy --wait examples/three-tier.xml");
    let deployed = lab.cpectl(&["deploy", "--wait", "/srv/examples/three-tier.xml"]);
    report.check(
        "the deployment is accepted and all its services run",
        deployed.code == 0,
    );
    if deployed.code != 0 {
        println!("{}{}", deployed.stdout, deployed.stderr);
    }
    report.within(
        "nginx, the application and Redis answer behind http://10.77.0.100/",
        15,
        || lab.sh(SHOP).code == 0,
    );
    println!(
        "     {}",
        lab.sh(SHOP).stdout.trim().replace('\n', "\n     ")
    );
    show(&lab);

    step(2, "kill -9 of the DPE");
    let (before, old) = (processes(&lab), lab.main_pid("dpe@shop.service"));
    lab.sh("systemctl kill -s KILL dpe@shop.service");
    report.within("another DPE manages the deployment", 15, || {
        let pid = lab.main_pid("dpe@shop.service");
        pid != 0 && pid != old && lab.status("shop").all_running()
    });
    report.check(
        "the services were not touched: same processes",
        processes(&lab) == before,
    );
    report.check("and still answer", lab.sh(SHOP).code == 0);
    show(&lab);

    step(3, "kill -9 of a service (the application)");
    let before = processes(&lab);
    let app = lab.processes("python3 .*/app.py");
    if let Some((_, pid)) = app.first() {
        lab.sh(&format!("kill -9 {pid}"));
    }
    report.within("it is recovered in place", 20, || {
        let now = lab.processes("python3 .*/app.py");
        now.len() == 1 && now[0].0 == app[0].0 && now != app && lab.sh(SHOP).code == 0
    });
    let now = processes(&lab);
    report.check(
        "the others were not touched",
        (&now[0], &now[2]) == (&before[0], &before[2]),
    );
    show(&lab);

    step(
        4,
        "An assembly is lost: the power of web1, where nginx runs, is cut",
    );
    lab.guest("cut", "web1");
    report.within(
        "nginx runs elsewhere, and the shop answers at the same address",
        40,
        || {
            lab.processes("^nginx: master")
                .iter()
                .any(|(guest, _)| guest != "web1")
                && lab.sh(SHOP).code == 0
        },
    );
    let events = lab.events();
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
            lab.status("shop").is_settled()
                && lab
                    .processes("^nginx: master")
                    .iter()
                    .all(|(guest, _)| guest == "web1")
                && lab.sh(SHOP).code == 0
        },
    );
    show(&lab);

    step(
        5,
        "A modified document: another greeting (cpectl deploy --wait examples/three-tier-modified.xml)",
    );
    let before = processes(&lab);
    report.check(
        "it is accepted as the next generation",
        lab.cpectl(&["deploy", "--wait", "/srv/examples/three-tier-modified.xml"])
            .code
            == 0,
    );
    report.within("the shop says something else", 20, || {
        lab.sh(SHOP).stdout.contains("Winter sale")
    });
    let now = processes(&lab);
    report.check(
        "only the difference was done: nginx and Redis untouched",
        (&now[0], &now[2]) == (&before[0], &before[2]),
    );
    report.check("the application was restarted", now[1] != before[1]);
    show(&lab);

    step(6, "The event log: cpectl events");
    let listing = lab.cpectl(&["events"]);
    for line in listing.stdout.lines() {
        println!("     {line}");
    }
    let kinds: Vec<String> = lab.events().iter().map(|event| event.kind()).collect();
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

    step(7, "Destroy: cpectl destroy shop --wait");
    report.check("done", lab.cpectl(&["destroy", "shop", "--wait"]).code == 0);
    report.check(
        "no process of it is left",
        processes(&lab).iter().all(String::is_empty),
    );
    report.check("no DPE is left", lab.main_pid("dpe@shop.service") == 0);
    report.check(
        "the event log says so",
        lab.events()
            .iter()
            .any(|event| event.kind() == "deployment.destroyed"),
    );

    drop(lab);
    println!(
        "\n{:.0} s in all. {}",
        begin.elapsed().as_secs_f64(),
        match report.failed {
            0 => "Everything held; nothing is left behind.".to_owned(),
            failed => format!("{failed} did not hold."),
        }
    );
    ExitCode::from(u8::from(report.failed > 0))
}
