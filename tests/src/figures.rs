//! `make bench`, second half: how long the whole system takes, and what it needs when idle, on a
//! private real system.

use std::time::{Duration, Instant};

use end_to_end::{Document, Event, Lab, System, missing_prerequisite};

const GUESTS: [&str; 4] = ["a", "b", "c", "d"];

fn main() {
    if let Some(missing) = missing_prerequisite() {
        eprintln!("the measurements need {missing}");
        std::process::exit(77);
    }
    one_deployment();
    many_deployments();
}

fn row(what: &str, value: &str) {
    println!("{what:<64} {value}");
}

fn seconds(us: u64) -> String {
    format!("{:.2} s", us as f64 / 1e6)
}

/// Time of the last event of that kind, in µs since the Unix epoch.
fn last(events: &[Event], kind: &str) -> u64 {
    let times = events
        .iter()
        .filter(|event| event.kind() == kind)
        .filter_map(|event| event.field("time").parse().ok());
    times.max().unwrap_or(0)
}

fn now_us() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Proportional set size in KiB, processor time in ticks, voluntary context switches of a unit's
/// main process.
fn usage(lab: &Lab, unit: &str) -> (u64, u64, u64) {
    let pid = lab.main_pid(unit);
    let number = |script: String| lab.sh(&script).stdout.trim().parse().unwrap_or(0);
    (
        number(format!(
            "awk '/^Pss:/ {{print $2}}' /proc/{pid}/smaps_rollup"
        )),
        number(format!("awk '{{print $14 + $15}}' /proc/{pid}/stat")),
        number(format!(
            "awk '/^voluntary/ {{print $2}}' /proc/{pid}/status"
        )),
    )
}

fn one_deployment() {
    let lab = Lab::boot("figures").with_guests(&GUESTS);
    let mut document = Document::new("shop", &GUESTS);
    for n in 0..10 {
        document = document.sleeper(&format!("s{n}"), 900_000 + n);
    }
    lab.write("/srv/document.xml", &document.xml());
    lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    let replied = now_us();
    lab.wait("all services run", 60, || lab.status("shop").is_settled());
    let started = last(&lab.events(), "deployment.started");
    row(
        "CreateDeployment's reply to all services started (4 × 10)",
        &seconds(started.saturating_sub(replied)),
    );

    std::thread::sleep(Duration::from_secs(2));
    let (pss, ticks, switches) = usage(&lab, "dpe@shop.service");
    std::thread::sleep(Duration::from_secs(20));
    let (_, later_ticks, later_switches) = usage(&lab, "dpe@shop.service");
    row(
        "one idle dpe, 4 assemblies, heartbeats every 0.5 s: PSS",
        &format!("{:.2} MiB", pss as f64 / 1024.0),
    );
    row(
        "    processor time in 20 s",
        &format!("{} ms", (later_ticks - ticks) * 10),
    );
    row(
        "    wake-ups in 20 s (160 heartbeats)",
        &(later_switches - switches).to_string(),
    );

    let old = lab.main_pid("dpe@shop.service");
    let killed = Instant::now();
    lab.sh("systemctl kill -s KILL dpe@shop.service").ok();
    lab.wait("another DPE manages", 30, || {
        let pid = lab.main_pid("dpe@shop.service");
        pid != 0 && pid != old && lab.status("shop").all_running()
    });
    row(
        "kill -9 of the DPE to managing again",
        &format!("{:.2} s", killed.elapsed().as_secs_f64()),
    );

    let home = lab.sleepers(900_000)[0].0.clone();
    let cut = now_us();
    lab.cut(&home);
    lab.wait("the service runs elsewhere", 120, || {
        lab.sleepers(900_000)
            .iter()
            .any(|(guest, _)| *guest != home)
    });
    let events = lab.events();
    row(
        "power cut to assembly lost (heartbeat timeout 2 s)",
        &seconds(last(&events, "assembly.lost").saturating_sub(cut)),
    );
    row(
        "power cut to safe (lease 3 s, stop timeout 20 s, margins)",
        &seconds(last(&events, "assembly.fencing-succeeded").saturating_sub(cut)),
    );
    row(
        "power cut to its services up elsewhere",
        &seconds(now_us().saturating_sub(cut)),
    );
}

fn many_deployments() {
    const COUNT: u32 = 200;
    let lab = Lab::boot("figures-many");
    for n in 0..COUNT {
        // A guest belongs to one deployment.
        let guest = format!("a{n}");
        let document = Document::new(&format!("d{n}"), &[&guest]).sleeper("s", 1);
        lab.write(&format!("/srv/d{n}.xml"), &document.xml());
    }
    let begin = Instant::now();
    lab.sh(&format!(
        "for n in $(seq 0 {}); do cpectl deploy /srv/d$n.xml > /dev/null; done",
        COUNT - 1
    ))
    .ok();
    row(
        "200 deployments created, one cpectl each",
        &format!("{:.1} s", begin.elapsed().as_secs_f64()),
    );
    let running = || {
        lab.sh("systemctl list-units --no-legend --state=active 'dpe@*' | wc -l")
            .stdout
            .trim()
            == COUNT.to_string()
    };
    lab.wait("all DPEs run", 180, running);
    row(
        "    and all their DPEs running",
        &format!("{:.1} s", begin.elapsed().as_secs_f64()),
    );
    std::thread::sleep(Duration::from_secs(20));
    let (pss, ..) = usage(&lab, "cpe.service");
    row(
        "cpe with 200 deployments: PSS",
        &format!("{:.2} MiB", pss as f64 / 1024.0),
    );
    let (pss, ..) = usage(&lab, "dpe@d7.service");
    row(
        "one of 200 dpe: PSS",
        &format!("{:.2} MiB", pss as f64 / 1024.0),
    );
}
