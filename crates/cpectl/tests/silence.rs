//! A daemon that hangs: it has its name, and says nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/bus.rs"]
mod bus;

use std::process::Output;

use cpe_bus::names::CPE_NAME;

use bus::Bus;

async fn cpectl(bus: &Bus, words: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_cpectl"));
    command.arg("--bus").arg(bus.selection().to_string());
    command.args(words).output().await.unwrap()
}

#[tokio::test]
async fn a_wait_ends_in_time_though_nobody_answers() {
    let bus = Bus::start();
    let silent = bus.selection().builder().name(CPE_NAME).build().await;
    let _silent = silent.unwrap();
    let ended = cpectl(&bus, &["wait", "shop", "--timeout", "1s"]).await;
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(8), "{said}");
    assert!(said.contains("cpe has not answered"), "{said}");
}

#[tokio::test]
async fn a_wait_goes_on_while_the_daemon_is_away() {
    let bus = Bus::start();
    let ended = cpectl(&bus, &["wait", "shop", "--timeout", "1s"]).await;
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(8), "{said}");
    assert!(said.contains("cpe does not answer"), "{said}");
}

#[tokio::test]
async fn a_check_ends_in_time_though_nobody_answers() {
    let bus = Bus::start();
    let silent = bus.selection().builder().name(CPE_NAME).build().await;
    let _silent = silent.unwrap();
    for words in [
        &["status", "shop", "--check", "--timeout", "1s"][..],
        &["status", "--check", "--timeout", "1s"],
    ] {
        let begin = std::time::Instant::now();
        let ended = cpectl(&bus, words).await;
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(8), "{said}");
        assert!(said.contains("no answer after 1s"), "{said}");
        assert!(begin.elapsed() < std::time::Duration::from_secs(20));
    }
    let refused = cpectl(&bus, &["status", "shop", "--timeout", "1s"]).await;
    assert_eq!(refused.status.code(), Some(2));
}
