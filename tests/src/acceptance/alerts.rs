//! Check 9: events arrive at a webhook whoever is killed, and at an alert agent of Pacemaker's.

use std::time::{Duration, Instant};

use end_to_end::System;
use end_to_end::sinks::{self, PAGER, received, record, sink};

use crate::report::Findings;
use crate::stage::Stage;

const ALERTS: &str = r#"type = "exec"
command = ["/usr/share/pacemaker/alerts/alert_file.sh"]
recipient = "/var/log/cpe-notify/alerts.log"
deployments = ["pair"]
after = "now"
"#;
/// Events that are recorded while daemons are killed.
const EVENTS: usize = 80;

pub(crate) fn alerts(stage: &Stage, findings: &mut Findings) {
    let there = stage.sh("test -e /srv/alerts/alert_file.sh.sample").code;
    if there != 0 {
        findings.not_done("Pacemaker's alert_file.sh.sample: `make lab` fetches it");
    }
    start(stage);
    everything_arrives(stage, findings);
    dead_letters(stage, findings);
    if there == 0 {
        an_alert_agent(stage, findings);
    }
    stage
        .sh("systemctl stop cpe-notify.service receiver.service; rm -f /etc/cpe/sinks.d/*")
        .ok();
}

/// Starts cpe-notify with both sinks, and the receiver, which fails five times.
fn start(stage: &Stage) {
    let lab = &stage.lab;
    lab.sh("install -D -m 0755 /srv/alerts/alert_file.sh.sample /usr/share/pacemaker/alerts/alert_file.sh || :")
        .ok();
    sinks::start(lab, &[("pager", PAGER), ("alerts", ALERTS)]);
}

fn everything_arrives(stage: &Stage, findings: &mut Findings) {
    let kills = kill_at_random(stage);
    findings.tell(&format!(
        "{EVENTS} events were recorded while cpe and cpe-notify were killed {kills} times"
    ));
    findings.within("everything is delivered", 180, || {
        let sink = sink(&stage.lab, "pager");
        sink["lag"] == 0 && sink["state"] == "idle"
    });
    let events: Vec<String> = stage
        .lab
        .events()
        .iter()
        .map(|event| event.field("id"))
        .collect();
    let rows = received(&stage.lab);
    let refused = rows.iter().filter(|row| row.1 == "503").count();
    findings.equal(
        "so often the sink failed at first",
        &refused.to_string(),
        "5",
    );
    let wrong = rows.iter().filter(|row| row.2 != "right").count();
    findings.check(
        &format!("{} signatures are verified, {wrong} are wrong", rows.len()),
        wrong == 0 && !rows.is_empty(),
    );
    // What was under way when somebody was killed comes twice, one after the other.
    let sent = rows.len();
    let mut ids: Vec<String> = rows.into_iter().map(|row| row.0).collect();
    ids.dedup();
    findings.check(
        &format!(
            "all {} ids arrive, in order ({sent} requests)",
            events.len()
        ),
        ids == events && events.len() >= EVENTS,
    );
}

/// Records events, and kills daemons meanwhile; how often.
fn kill_at_random(stage: &Stage) -> u32 {
    record(&stage.lab, EVENTS);
    let seed = fastrand::u64(..);
    println!("  · seed of the kills: {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let begin = Instant::now();
    let mut kills = 0;
    while stage.sh("test -e /srv/recorded").code != 0 {
        let late = begin.elapsed() > Duration::from_secs(180);
        assert!(!late, "events are not recorded");
        std::thread::sleep(Duration::from_millis(random.u64(100..1200)));
        kills += 1;
        let victim = if random.bool() { "cpe" } else { "cpe-notify" };
        stage
            .sh(&format!("systemctl kill -s KILL {victim}.service || :"))
            .ok();
    }
    kills
}

/// What the receiver refuses is a dead letter, and arrives when it is sent again.
fn dead_letters(stage: &Stage, findings: &mut Findings) {
    findings.within("cpe-notify is well", 60, || {
        sink(&stage.lab, "pager")["state"] == "idle"
    });
    stage.sh("touch /srv/received.refuse").ok();
    stage
        .sh("rm -f /srv/recorded; sed -i 's/seq [0-9]*/seq 2/' /srv/record; bash /srv/record")
        .ok();
    findings.within("a sink that answers 400: two dead letters", 60, || {
        sink(&stage.lab, "pager")["dead"] == 2
    });
    let dead = stage.lab.cpectl(&["sinks", "dead", "pager"]).stdout;
    let expected = ["test.number-1", "test.number-2", "HTTP status 400"];
    findings.check(
        "cpectl sinks dead shows both, and why",
        expected.iter().all(|text| dead.contains(text)),
    );
    stage.sh("rm /srv/received.refuse").ok();
    let before = received(&stage.lab).len();
    let sent = stage.lab.cpectl(&["sinks", "redeliver", "pager"]);
    findings.within("cpectl sinks redeliver delivers them", 60, || {
        sink(&stage.lab, "pager")["dead"] == 0
    });
    let again = received(&stage.lab).split_off(before);
    findings.check(
        &format!("{} came, with a right signature", again.len()),
        sent.code == 0
            && again.len() == 2
            && again
                .iter()
                .all(|row| (&*row.1, &*row.2) == ("200", "right")),
    );
}

fn an_alert_agent(stage: &Stage, findings: &mut Findings) {
    stage.settle("pair");
    let place = stage.lab.status("pair").assembly_of("s0");
    let place = place.unwrap_or_default();
    stage.lab.cut(&place);
    findings.within(
        &format!("{place} is lost, and s0 runs elsewhere"),
        60,
        || {
            let now = stage.lab.status("pair").assembly_of("s0");
            now.is_some_and(|now| now != place)
        },
    );
    stage.lab.guest("start", &place);
    findings.within(&format!("{place} is back"), 90, || {
        stage.lab.status("pair").assembly_state(&place) == "online"
    });
    findings.within("alert_file.sh was told of everything", 120, || {
        let sink = sink(&stage.lab, "alerts");
        sink["lag"] == 0 && sink["state"] == "idle"
    });
    let log = stage.sh("cat /var/log/cpe-notify/alerts.log || :").stdout;
    for words in [
        ["Node", &*place, "lost"],
        ["Node", &*place, "member"],
        ["Fencing", "pair: ", ""],
        ["Resource", "start", "s0"],
    ] {
        let fits = |line: &&str| words.iter().all(|word| line.contains(word));
        let line = log.lines().find(fits);
        findings.check(
            &format!("alert_file.sh.sample writes: {}", line.unwrap_or("nothing")),
            line.is_some(),
        );
    }
    let dead = sink(&stage.lab, "alerts")["dead"].to_string();
    findings.equal("dead letters of it", &dead, "0");
}
