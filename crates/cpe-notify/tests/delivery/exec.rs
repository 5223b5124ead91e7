//! Alert agents: real programs.

use std::time::{Duration, Instant};

use cpe_bus::EventKind;

use crate::{Daemon, event, status, text, until};

fn sink(script: &str, more: &str) -> String {
    format!("type = \"exec\"\nafter = 0\ncommand = [\"/bin/sh\", \"-c\", {script:?}]\n{more}")
}

#[tokio::test]
async fn a_program_gets_the_environment_of_pacemaker_and_no_other() {
    let daemon = Daemon::new();
    let out = daemon.folder.path().join("out");
    let more = "recipient = \"a b\"\nenvironment = { email_sender = \"ha@example.org\" }\n";
    daemon.write(
        "a.toml",
        &sink(
            &format!("env | sort >> {}; echo >> {0}", out.display()),
            more,
        ),
    );
    let _sinks = daemon.start();
    let id = daemon.log.record(event(EventKind::ServiceFailed));
    daemon.log.record(event(EventKind::TransitionStarted));
    daemon.log.record(event(EventKind::AssemblyLost));
    until("two arrived", async || {
        text(&out).matches("\n\n").count() == 2
    })
    .await;
    let text = text(&out);
    let first = text.split("\n\n").next().unwrap();
    let names: Vec<&str> = first
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    let foreign = names.iter().filter(|name| {
        let own = name.starts_with("CRM_alert_") || name.starts_with("CPE_");
        !own && ![
            "PATH",
            "PWD",
            "LANG",
            "email_sender",
            "_",
            "SHLVL",
            "OLDPWD",
        ]
        .contains(name)
    });
    assert_eq!(foreign.collect::<Vec<_>>(), Vec::<&&str>::new());
    for line in [
        "CRM_alert_kind=resource",
        "CRM_alert_rsc=db",
        "CRM_alert_node=web1",
        "CRM_alert_recipient=a b",
        "CRM_alert_node_sequence=1",
        "email_sender=ha@example.org",
        &format!("CPE_EVENT_ID={id}"),
    ] {
        assert!(first.lines().any(|own| own == line), "{line}: {first}");
    }
    assert!(
        text.contains("CRM_alert_node_sequence=3"),
        "the transition is passed"
    );
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_its_children_and_tried_again() {
    let daemon = Daemon::new();
    let out = daemon.folder.path().join("out");
    let script = format!(
        "echo x >> {0}; [ $(wc -l < {0}) -gt 1 ] || {{ sleep 7321 & sleep 7321; }}",
        out.display()
    );
    daemon.write("a.toml", &sink(&script, "timeout = \"300ms\"\n"));
    let sinks = daemon.start();
    let begin = Instant::now();
    daemon.log.record(event(EventKind::ServiceFailed));
    until("it arrived", async || {
        status(&sinks, "a").await.delivered == 1
    })
    .await;
    assert!(begin.elapsed() < Duration::from_secs(30));
    let status = status(&sinks, "a").await;
    assert_eq!(status.last_error, "it was killed after 300 ms");
    assert_eq!(running("7321"), 0);
}

#[tokio::test]
async fn what_a_program_says_is_kept_and_what_it_leaves_behind_ends() {
    let daemon = Daemon::new();
    let script = "sleep 7322 & yes | head -c 1000000 >&2; echo bad luck; exit 3";
    daemon.write("a.toml", &sink(script, "attempts = 2\n"));
    daemon.write(
        "b.toml",
        "type = \"exec\"\ncommand = [\"/nonexistent/alert\"]\nafter = 0\nattempts = 1\n",
    );
    let sinks = daemon.start();
    daemon.log.record(event(EventKind::ServiceFailed));
    until("both are dead letters", async || {
        status(&sinks, "a").await.dead + status(&sinks, "b").await.dead == 2
    })
    .await;
    let error = status(&sinks, "a").await.last_error;
    assert!(error.starts_with("exit status: 3: bad luck y y"), "{error}");
    let error = status(&sinks, "b").await.last_error;
    assert!(
        error.starts_with("cannot run /nonexistent/alert: No such file"),
        "{error}"
    );
    assert_eq!(running("7322"), 0);
}

#[tokio::test]
async fn a_run_that_is_given_up_ends() {
    let daemon = Daemon::new();
    daemon.write("a.toml", &sink("sleep 7323 & sleep 7323", ""));
    let sinks = daemon.start();
    daemon.log.record(event(EventKind::ServiceFailed));
    until("it runs", async || running("7323") == 2).await;
    daemon.end(sinks).await;
    until("nothing is left", async || running("7323") == 0).await;
}

/// How many processes `sleep SECONDS` there are.
fn running(seconds: &str) -> usize {
    let wanted = format!("sleep\0{seconds}\0");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.map(|entry| std::fs::read(entry.path().join("cmdline")));
    lines
        .filter(|line| line.as_ref().is_ok_and(|line| line == wanted.as_bytes()))
        .count()
}
