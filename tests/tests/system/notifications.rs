//! Events arrive elsewhere: at a webhook, at an alert agent of Pacemaker's; whoever is killed.

use std::time::{Duration, Instant};

use end_to_end::sinks::{self, PAGER, received, record, sink};
use end_to_end::{Document, Lab, System};

/// Events that are recorded while daemons are killed.
const EVENTS: usize = 250;

#[track_caller]
fn wait_for_all(lab: &Lab, name: &str) {
    lab.wait("everything is delivered", 120, || {
        let sink = sink(lab, name);
        sink["lag"] == 0 && sink["state"] == "idle"
    });
}

#[test]
fn every_event_arrives_in_order_whoever_is_killed() {
    let lab = Lab::boot("notify");
    let skipped =
        lab.sh("systemctl start cpe-notify.service; systemctl is-active cpe-notify.service || :");
    assert_eq!(skipped.ok().trim(), "inactive", "it has no sinks");
    sinks::start(&lab, &[("pager", PAGER)]);
    kill_at_random(&lab);
    wait_for_all(&lab, "pager");
    let events: Vec<String> = lab.events().iter().map(|event| event.field("id")).collect();
    assert!(events.len() >= EVENTS, "{}", events.len());
    let received_all = received(&lab);
    let wrong = received_all.iter().filter(|row| row.2 != "right");
    assert_eq!(wrong.count(), 0, "a signature is wrong");
    let failed = received_all.iter().filter(|row| row.1 == "503");
    assert_eq!(failed.count(), 5);
    // What was under way when somebody was killed comes twice, one after the other.
    let mut ids: Vec<String> = received_all.into_iter().map(|row| row.0).collect();
    ids.dedup();
    assert_eq!(ids, events);
    dead_letters(&lab);
    mistakes(&lab);
    confinement(&lab);
}

/// Records events, and kills daemons and the bus meanwhile.
#[track_caller]
fn kill_at_random(lab: &Lab) {
    record(lab, EVENTS);
    let seed = fastrand::u64(..);
    eprintln!("seed of the kills: {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let begin = Instant::now();
    let mut kills = 0;
    while lab.sh("test -e /srv/recorded").code != 0 {
        assert!(
            begin.elapsed() < Duration::from_secs(180),
            "events are not recorded"
        );
        std::thread::sleep(Duration::from_millis(random.u64(100..1500)));
        kills += 1;
        let victim = match random.u32(0..9) {
            0..=2 => "systemctl kill -s KILL cpe.service || :",
            3..=7 => "systemctl kill -s KILL cpe-notify.service || :",
            _ => "systemctl kill -s KILL dbus.service || :",
        };
        lab.sh(victim).ok();
    }
    assert!(kills > 5, "{kills}");
}

/// What the receiver refuses is a dead letter, and arrives when it is sent again.
#[track_caller]
fn dead_letters(lab: &Lab) {
    lab.sh("touch /srv/received.refuse").ok();
    let test = lab.cpectl(&["sinks", "test", "pager"]);
    assert_eq!(test.code, 1);
    assert!(test.stderr.contains("HTTP status 400"), "{test:?}");
    lab.sh("rm -f /srv/recorded; sed -i 's/seq [0-9]*/seq 2/' /srv/record; bash /srv/record")
        .ok();
    lab.wait("both are dead letters", 60, || {
        sink(lab, "pager")["dead"] == 2
    });
    let dead = lab.cpectl(&["sinks", "dead", "pager"]).ok();
    let expected = ["test.number-1", "test.number-2", "HTTP status 400"];
    assert!(expected.iter().all(|text| dead.contains(text)), "{dead}");
    let priority =
        "journalctl -u cpe-notify -p err -o cat MESSAGE_ID=4e1c9a0f7d5b4b7c8f3d2a6b91e07c35";
    let told = lab.sh(priority).ok();
    assert!(told.contains("sink pager failed"), "{told}");

    lab.sh("rm /srv/received.refuse").ok();
    lab.sh("systemctl kill -s KILL cpe-notify.service").ok();
    lab.wait("cpe-notify is back", 30, || {
        sink(lab, "pager")["state"] == "idle"
    });
    let before = received(lab).len();
    lab.cpectl(&["sinks", "redeliver", "pager"]).ok();
    lab.wait("both have arrived", 60, || sink(lab, "pager")["dead"] == 0);
    let again: Vec<String> = received(lab)
        .split_off(before)
        .into_iter()
        .map(|row| row.1)
        .collect();
    assert_eq!(again, ["200", "200"]);
    lab.cpectl(&["sinks", "test", "pager"]).ok();
}

/// A wrong file is told with its place, and stops no other sink, also at a reload.
#[track_caller]
fn mistakes(lab: &Lab) {
    lab.write(
        "/etc/cpe/sinks.d/wrong.toml",
        "type = \"http\"\nurls = \"x\"\n",
    );
    let check = lab.sh("runuser -u cpe-notify -- cpe-notify --check-config");
    assert_eq!(check.code, 1);
    let told = "/etc/cpe/sinks.d/wrong.toml:2:1: unknown field `urls`";
    assert!(check.stderr.contains(told), "{check:?}");
    let pid = lab.main_pid("cpe-notify.service");
    lab.sh("systemctl reload cpe-notify.service").ok();
    lab.wait("it is refused", 30, || {
        lab.cpectl(&["sinks"]).stdout.contains(told)
    });
    assert_eq!(sink(lab, "pager")["state"], "idle");
    assert_eq!(lab.main_pid("cpe-notify.service"), pid);
    let denied = lab.sh("runuser -u nobody -- cpectl sinks");
    assert_eq!(denied.code, 6, "{denied:?}");
}

/// The unit keeps the daemon and the programs that it runs in.
#[track_caller]
fn confinement(lab: &Lab) {
    let said = lab
        .sh("systemd-analyze security --no-pager cpe-notify.service")
        .ok();
    let level = said.split("exposure level for cpe-notify.service: ").nth(1);
    let level: Option<f64> = level.and_then(|rest| rest.split(' ').next()?.parse().ok());
    eprintln!("exposure of cpe-notify.service: {level:?}");
    assert!(level.is_some_and(|level| level <= 2.5), "{said}");
    // What leaves its process group and its session is found all the same.
    lab.write(
        "/etc/cpe/sinks.d/stubborn.toml",
        "type = \"exec\"\nall = true\nafter = 0\nattempts = 1\ntimeout = \"2s\"\nkinds = [\"test.number-1\"]\n\
         command = [\"/bin/sh\", \"-c\", \"trap '' TERM; setsid sleep 4711 & sleep 4712\"]\n",
    );
    lab.sh("chgrp cpe-notify /etc/cpe/sinks.d/*; chmod 0640 /etc/cpe/sinks.d/*; systemctl reload cpe-notify.service")
        .ok();
    lab.wait("it runs", 30, || {
        lab.sh("pgrep -fc '^sleep 471[12]$'").stdout.trim() == "2"
    });
    let group = lab.sh("cat /proc/$(pgrep -f '^sleep 4711$')/cgroup").ok();
    assert!(group.contains("/cpe-notify.service/stubborn-"), "{group}");
    lab.wait("it is a dead letter", 60, || {
        sink(lab, "stubborn")["dead"] == 2
    });
    let left = lab.sh("pgrep -fc '^sleep 471[12]$' || :").stdout;
    assert_eq!(left.trim(), "0");
    let groups = lab
        .sh("ls -d /sys/fs/cgroup/system.slice/cpe-notify.service/*/ || :")
        .stdout;
    assert_eq!(groups, "", "no control group is left");
}

#[test]
fn an_alert_agent_of_pacemakers_writes_its_lines_for_nodes_fencing_and_resources() {
    let lab = Lab::boot("alerts").with_guests(&["a", "b"]);
    let there = lab.sh("test -e /srv/alerts/alert_file.sh.sample").code;
    assert_eq!(
        there, 0,
        "Pacemaker's alert agents are missing: run `make lab`"
    );
    lab.sh("install -D -m 0755 /srv/alerts/alert_file.sh.sample /usr/share/pacemaker/alerts/alert_file.sh")
        .ok();
    let alert = "type = \"exec\"\ncommand = [\"/usr/share/pacemaker/alerts/alert_file.sh\"]\n\
                 recipient = \"/var/log/cpe-notify/alerts.log\"\ndeployments = [\"shop\"]\n";
    mail(&lab);
    sinks::start(&lab, &[("pager", alert)]);
    lab.wait("the sink is there", 30, || {
        sink(&lab, "pager")["state"] == "idle"
    });
    lab.deploy(&Document::new("shop", &["a", "b"]).sleeper("db", 700_001));
    let place = lab.sleepers(700_001)[0].0.clone();
    lab.cut(&place);
    lab.wait("the service has moved", 60, || {
        let now = lab.sleepers(700_001);
        now.len() == 1 && now[0].0 != place
    });
    wait_for_all(&lab, "pager");
    let log = lab.sh("cat /var/log/cpe-notify/alerts.log").ok();
    eprintln!("{log}");
    let has = |words: &[&str]| {
        let fits = |line: &str| words.iter().all(|word| line.contains(word));
        log.lines().any(fits)
    };
    assert!(has(&["Node", &place, "member"]), "{log}");
    assert!(has(&["Node", &place, "lost"]), "{log}");
    assert!(has(&["Fencing", "shop: "]), "{log}");
    assert!(has(&["Resource", "start", "db", "ok"]), "{log}");
    assert_eq!(sink(&lab, "pager")["dead"], 0);
    wait_for_all(&lab, "mail");
    let mails = lab.sh("cat /var/log/cpe-notify/mails").ok();
    let subject = format!("Node '{place}' is now 'lost'");
    assert!(
        mails.contains(&subject) && mails.contains("To: ops@example.org"),
        "{mails}"
    );
}

/// The agent that writes mails, over a fake of the program that sends them.
#[track_caller]
fn mail(lab: &Lab) {
    lab.write(
        "/usr/local/bin/sendmail",
        "#!/bin/sh\nexec cat >> /var/log/cpe-notify/mails # a fake\n",
    );
    lab.write(
        "/etc/cpe/sinks.d/mail.toml",
        "type = \"exec\"\ncommand = [\"/srv/alerts/alert_smtp.sh.sample\"]\nrecipient = \"ops@example.org\"\n\
         kinds = [\"assembly.*\"]\nenvironment = { email_sender = \"ha@example.org\" }\n",
    );
    lab.sh("chmod 0755 /usr/local/bin/sendmail").ok();
}
