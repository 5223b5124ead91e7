//! A daemon that hangs: it has its name, and says nothing. One that ends before it answers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/bus.rs"]
mod bus;

use std::process::Output;
use std::time::Duration;

use cpe_bus::Fields;
use cpe_bus::names::CPE_NAME;
use futures_util::StreamExt;
use zbus::{Connection, MessageStream};

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
        assert!(begin.elapsed() < Duration::from_secs(20));
    }
    let refused = cpectl(&bus, &["status", "shop", "--timeout", "1s"]).await;
    assert_eq!(refused.status.code(), Some(2));
}

/// Answers what is asked before a change, and ends as soon as it is told that member.
async fn dies_of(connection: Connection, member: &'static str) {
    let mut calls = MessageStream::from(&connection);
    while let Some(Ok(call)) = calls.next().await {
        let header = call.header();
        if header.message_type() != zbus::message::Type::MethodCall {
            continue;
        }
        let asked = header.member().map(|it| it.to_string());
        let asked = asked.unwrap_or_default();
        if asked == member {
            connection.close().await.unwrap();
            return;
        }
        let answered = match asked.as_str() {
            "PlanService" | "PlanStandby" | "PlanUpkeep" => connection.reply(&header, &"{}").await,
            "GetDocument" => {
                let generation: u64 = call.body().deserialize().unwrap();
                let document = (format!("<generation{generation}/>"), 2_u64);
                connection.reply(&header, &document).await
            }
            "Query" => {
                let none: (Vec<Fields>, u64) = (Vec::new(), 0);
                connection.reply(&header, &none).await
            }
            _ => {
                let name = "org.cloudpolicy.Error.NotReady";
                connection.reply_error(&header, name, &"not now").await
            }
        };
        answered.unwrap();
    }
}

/// The same, of which nobody reads what it prints.
async fn unread(bus: &Bus, words: &[&str]) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_cpectl"));
    command.arg("--bus").arg(bus.selection().to_string());
    command.args(words).stdout(writer);
    command.stderr(std::process::Stdio::piped());
    command.spawn().unwrap().wait_with_output().await.unwrap()
}

/// What comes of a command if a call of that member is not answered.
async fn unanswered(words: &str, member: &'static str, is_read: bool) -> (Option<i32>, String) {
    let bus = Bus::start();
    let connection = bus.selection().builder().name(CPE_NAME).build().await;
    let connection = connection.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("shop.xml");
    std::fs::write(&document, "<deployable name=\"shop\"/>").unwrap();
    let dies = tokio::spawn(dies_of(connection, member));
    let words = words.replace("FILE", document.to_str().unwrap());
    let arguments = words.split(' ').collect::<Vec<_>>();
    let ended = match is_read {
        true => cpectl(&bus, &arguments).await,
        false => unread(&bus, &arguments).await,
    };
    let said = String::from_utf8(ended.stderr).unwrap();
    let called = tokio::time::timeout(Duration::from_secs(10), dies).await;
    assert!(called.is_ok(), "{words} does not call {member}: {said}");
    (ended.status.code(), said)
}

#[tokio::test]
async fn a_change_that_nobody_answers_may_have_been_done() {
    for (words, member) in [
        ("deploy FILE", "CreateDeployment"),
        ("deploy FILE --expect 1", "UpdateDeployment"),
        ("rollback shop 1 --yes", "UpdateDeployment"),
        ("destroy shop", "DestroyDeployment"),
        ("destroy shop --expect 1", "DestroyDeploymentAt"),
        ("chown shop alice", "SetOwner"),
        ("cleanup shop web", "OrderUpkeep"),
        ("cleanup shop web --operation start", "OrderUpkeep"),
        ("refresh shop web", "OrderUpkeep"),
        ("standby shop web1", "OrderUpkeep"),
        ("standby shop --all --yes", "OrderUpkeep"),
        ("maintenance shop on", "OrderUpkeep"),
        ("restart shop web", "OrderService"),
        ("fence shop web1 --off", "Fence"),
        ("confirm-fenced shop web1 --attempt 7-1", "ConfirmFenced"),
        ("host-failed rack7", "HostFailed"),
        ("host activate host-2", "Activate"),
        ("host move shop host-2", "Move"),
        ("host remove host-2", "Remove"),
        ("host confirm-lost host-2 --yes", "ConfirmLost"),
        ("debug stop shop web --on web1", "Debug"),
        ("attribute shop set rack 7 --assembly web1", "SetAttribute"),
        (
            "attribute shop delete rack --assembly web1",
            "DeleteAttribute",
        ),
        ("ticket shop grant paris --force", "GrantTicket"),
        ("ticket shop revoke paris", "RevokeTicket"),
        ("ticket shop standby paris", "SetTicketStandby"),
    ] {
        let (status, said) = unanswered(words, member, true).await;
        assert_eq!(status, Some(10), "{words}: {said}");
        assert!(said.contains("may have been done"), "{words}: {said}");
    }
}

#[tokio::test]
async fn a_question_that_nobody_answers_may_be_asked_again() {
    for (words, member) in [
        ("status shop", "GetStatus"),
        ("plan FILE", "PlanDeployment"),
        ("restart shop web", "PlanService"),
        ("standby shop --all --yes", "PlanStandby"),
        ("cleanup shop --dry-run", "PlanUpkeep"),
        ("destroy shop", "Query"),
    ] {
        let (status, said) = unanswered(words, member, true).await;
        assert_eq!(status, Some(7), "{words}: {said}");
        assert!(!said.contains("may have been done"), "{words}: {said}");
    }
}

#[tokio::test]
async fn a_change_is_made_though_nobody_reads_what_it_says() {
    for (words, member) in [
        ("move shop web web2", "OrderService"),
        ("standby shop web1", "OrderUpkeep"),
        ("cleanup shop", "OrderUpkeep"),
        ("maintenance shop on", "OrderUpkeep"),
        ("rollback shop 1 --yes", "UpdateDeployment"),
        ("deploy FILE", "CreateDeployment"),
    ] {
        let (status, said) = unanswered(words, member, false).await;
        assert_eq!(status, Some(10), "{words}: {said}");
    }
}
