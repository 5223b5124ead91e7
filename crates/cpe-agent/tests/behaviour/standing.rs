//! What keeps the agent going when memory or processor time is short is its own: services have what
//! everybody has.

use std::fs;

use crate::guest::{Guest, operation};

/// The OOM score of a process.
fn score(pid: u32) -> i32 {
    let text = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
    text.trim().parse().unwrap()
}

/// The scheduling policy of a thread of a process; 2 is SCHED_RR.
fn policy(pid: u32, thread: &str) -> Option<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let stats = tasks
        .flatten()
        .map(|task| fs::read_to_string(task.path().join("stat")));
    let stat = stats
        .flatten()
        .find(|stat| stat.contains(&format!("({thread})")))?;
    let fields = stat.rsplit_once(')').unwrap().1;
    // The first of these is the third of proc_pid_stat(5); policy is the 41st.
    fields.split_whitespace().nth(41 - 3)?.parse().ok()
}

#[tokio::test]
async fn the_agent_is_spared_and_its_last_resort_comes_first_but_services_are_as_others() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    dpe.run(&operation("db", "start")).await;
    let service = u32::try_from(guest.service_pid("db").unwrap()).unwrap();
    let agent = guest.agent_pid();
    let log = guest.log();
    assert!(
        score(agent) == -500 || log.contains("shot like any other"),
        "{log}"
    );
    let first = policy(agent, "deadman") == Some(2);
    assert!(
        first || log.contains("has no priority over others"),
        "{log}"
    );
    assert_eq!(score(service), score(std::process::id()));
    assert_eq!(policy(service, "sleep"), Some(0));
}
