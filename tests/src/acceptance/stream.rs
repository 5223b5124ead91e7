//! Check 4: a stream that breaks, and tells each event once.

use end_to_end::System;

use crate::report::Findings;
use crate::stage::{FIRST_SLEEPER, SLEEPERS, Stage, curl};

const BREAKS: usize = 50;
/// Events are kept for so many seconds when old ones are removed.
const KEPT_S: u32 = 4;

pub(crate) fn stream(stage: &Stage, findings: &mut Findings) {
    stage.lab.write("/srv/stream.py", include_str!("stream.py"));
    // Kills each service, one after the other, until the stream has broken often enough.
    let last = FIRST_SLEEPER + SLEEPERS - 1;
    stage.lab.write(
        "/srv/killer",
        &format!(
            "for n in $(seq {FIRST_SLEEPER} {last}); do kill $(pgrep -f \"^/usr/bin/sleep $n\\$\") || :; sleep 2; done; sleep 5; touch /srv/killed\n"
        ),
    );
    stage
        .sh("rm -f /srv/killed; systemd-run --quiet --unit=killer bash /srv/killer")
        .ok();
    let run = stage.sh(&format!(
        "timeout 300 runuser -u alice -- python3 /srv/stream.py {BREAKS} /srv/killed"
    ));
    findings.tell(&format!(
        "curl -N was broken {BREAKS} times while services were killed ({})",
        run.stderr.trim()
    ));
    let told: Vec<u64> = run
        .stdout
        .lines()
        .filter_map(|it| it.parse().ok())
        .collect();
    let gaps = run.stdout.matches("gap").count();
    let log = stage.cursors();
    let failed = stage.lab.events().into_iter();
    let failed = failed.filter(|event| event.kind() == "service.failed");
    findings.check(
        &format!("services failed meanwhile: {}", failed.count()),
        run.code == 0,
    );
    let missed = log.iter().filter(|cursor| !told.contains(cursor)).count();
    findings.check(
        &format!(
            "{} cursors were told and the log has {}: {missed} missed, {gaps} gaps",
            told.len(),
            log.len()
        ),
        told == log && gaps == 0 && told.len() > 50,
    );
    nothing_old(stage, findings);
    before_retention(stage, findings);
    stage.settle("pair");
}

fn nothing_old(stage: &Stage, findings: &mut Findings) {
    stage.settle("pair");
    let late = stage.sh(&format!(
        "{} --no-buffer --max-time 3 'http://localhost/v1/events/stream?from=now' || :",
        curl("alice")
    ));
    findings.check(
        "from=now: it greets, and sends nothing old",
        late.stdout.contains(": hello") && !late.stdout.contains("id: "),
    );
}

/// What is older than some seconds is removed.
fn before_retention(stage: &Stage, findings: &mut Findings) {
    let former = stage.cursors();
    let (old, end) = (former.first().copied(), former.last().copied());
    stage
        .sh(&format!(
            "sleep {KEPT_S}; cp /etc/cpe/cpe.toml /srv/cpe.toml; printf '\\n[events]\\nkeep_for = \"{KEPT_S}s\"\\n' >> /etc/cpe/cpe.toml; systemctl restart cpe.service"
        ))
        .ok();
    findings.within("old events are removed", 60, || {
        stage.cursors().first().copied() != old
    });
    stage.sh("systemctl restart cpe-gateway.service").ok();
    stage.wait_for_gateway();
    stage
        .sh(&format!(
            "kill $(pgrep -f '^/usr/bin/sleep {FIRST_SLEEPER}$')"
        ))
        .ok();
    findings.within("something new happens", 60, || {
        stage.cursors().last().copied() > end
    });
    stage.settle("pair");
    let first = stage.cursors().first().copied().unwrap_or(0);
    let told = stage.sh(&format!(
        "{} --no-buffer --max-time 3 -H 'Last-Event-ID: {}' http://localhost/v1/events/stream || :",
        curl("alice"),
        old.unwrap_or(0)
    ));
    let gap = format!(
        "event: gap\nid: {}\ndata: {{\"first\": {first}}}",
        first.saturating_sub(1)
    );
    findings.check(
        &format!(
            "Last-Event-ID {}, which is gone: event: gap, with the first that is kept, {first}",
            old.unwrap_or(0)
        ),
        first > old.unwrap_or(0) + 1 && told.stdout.contains(&gap),
    );
    stage
        .sh("cp /srv/cpe.toml /etc/cpe/cpe.toml; systemctl restart cpe.service")
        .ok();
    stage.wait_for_gateway();
}
