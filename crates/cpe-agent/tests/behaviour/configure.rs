//! What is run before a service starts: once per boot and per change, with the service's
//! parameters; its failure is the start's.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cpe_bus::records::{MAX_VALUE, rc};
use cpe_bus::{Configure, Error, Operation, OperationState, OperationStatus};

use crate::guest::{
    Dpe, Guest, environment, find, holds, monitor, operation, until, with, write_program,
};

/// A script that notes that it ran, with its environment and its own file.
const SCRIPT: &str = r#"#!/bin/sh
env > "$HA_RSCTMP/configured.env"
stat -c '%a %n' "$0" > "$HA_RSCTMP/script"
echo "configure $OCF_RESOURCE_INSTANCE" >> "$HA_RSCTMP/actions"
if [ -n "$OCF_RESKEY_stuck" ]; then sleep 1000; fi
if [ -n "$OCF_RESKEY_wrong" ]; then echo "no such site" >&2; exit "$OCF_RESKEY_wrong"; fi
"#;

fn script(text: &str) -> Configure {
    Configure::Content {
        interpreter: "/bin/sh".into(),
        text: text.into(),
    }
}

fn start(resource: &str, configure: Configure) -> Operation {
    configured(operation(resource, "start"), configure)
}

fn configured(operation: Operation, configure: Configure) -> Operation {
    Operation {
        configure: Some(configure),
        ..operation
    }
}

/// What was run and started, without stops and monitors.
fn ran(guest: &Guest) -> Vec<String> {
    let all = guest.actions().into_iter();
    let is_it = |line: &String| !line.starts_with("stop") && !line.starts_with("monitor");
    all.filter(is_it).collect()
}

async fn restart(dpe: &mut Dpe, start: &Operation) {
    assert_eq!(dpe.run(&operation("db", "stop")).await.rc, rc::OK);
    let again = Operation {
        id: uuid::Uuid::new_v4().to_string(),
        ..start.clone()
    };
    assert_eq!(dpe.run(&again).await.rc, rc::OK);
}

#[tokio::test]
async fn it_is_run_once_per_boot_and_per_change() {
    let mut guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let first = with(start("db", script(SCRIPT)), "port", "1");
    let record = dpe.run(&first).await;
    assert_eq!((record.status, record.rc), (OperationStatus::Done, rc::OK));
    assert_eq!(record.operation, first.clone().without_configure());
    assert_eq!(ran(&guest), ["configure db", "start db"]);
    // Not for a restart of the service or of the agent, nor when its history is forgotten.
    restart(&mut dpe, &first).await;
    guest.kill_agent();
    guest.start_agent();
    let mut dpe = guest.dpe(2).await;
    restart(&mut dpe, &first).await;
    dpe.agent.forget(2, "db").await.unwrap();
    restart(&mut dpe, &first).await;
    assert_eq!(guest.count("configure db"), 1);
    // For another parameter, another script, and back again.
    let other = with(first.clone(), "port", "2");
    restart(&mut dpe, &other).await;
    restart(&mut dpe, &other).await;
    assert_eq!(guest.count("configure db"), 2);
    let changed = configured(other.clone(), script(&format!("{SCRIPT}true\n")));
    restart(&mut dpe, &changed).await;
    restart(&mut dpe, &first).await;
    assert_eq!(guest.count("configure db"), 4);
    // For another service, and where it comes by a live migration.
    assert_eq!(dpe.run(&start("web", script(SCRIPT))).await.rc, rc::OK);
    assert_eq!(guest.count("configure web"), 1);
    let arrival = configured(operation("vm", "migrate_from"), script(SCRIPT));
    dpe.run(&arrival).await;
    assert_eq!(guest.count("configure vm"), 1);
    // After a boot.
    guest.kill_agent();
    guest.new_boot();
    guest.start_agent();
    let mut dpe = guest.dpe(3).await;
    restart(&mut dpe, &first).await;
    assert_eq!(guest.count("configure db"), 5);
    // A deployment that lets go is another one when it comes back.
    dpe.agent.release(3, false).await.unwrap();
    let mut dpe = guest.dpe(4).await;
    restart(&mut dpe, &first).await;
    assert_eq!(guest.count("configure db"), 6);
}

#[tokio::test]
async fn it_has_the_environment_of_the_start_and_a_file_for_root_alone() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let first = with(start("db:0", script(SCRIPT)), "port", "5432");
    assert_eq!(dpe.run(&first).await.rc, rc::OK);
    let mut own = environment(&guest.path("tmp/configured.env"));
    let mut its = environment(&guest.path("tmp/db:0.start.env"));
    // What is left of the time is less for the second.
    for of in [&mut own, &mut its] {
        let timeout = of.remove("OCF_RESKEY_CRM_meta_timeout").unwrap();
        assert!(timeout.parse::<u32>().unwrap() <= 15_000);
        of.remove("_");
        of.remove("SHLVL");
    }
    assert_eq!(own, its);
    assert_eq!(own["OCF_RESKEY_port"], "5432");
    let file = fs::read_to_string(guest.path("tmp/script")).unwrap();
    let (mode, path) = file.trim().split_once(' ').unwrap();
    assert_eq!(mode, "700");
    assert!(
        path.starts_with(guest.path("state").to_str().unwrap()),
        "{path}"
    );
    assert!(!fs::exists(path).unwrap(), "it is deleted afterwards");
    let noted = guest.path("state/configured.json");
    let mode = fs::metadata(&noted).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let records = fs::read_dir(guest.path("state")).unwrap();
    for entry in records.flatten() {
        let text = fs::read(entry.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(!text.contains("configured.env"), "{:?}", entry.path());
    }
}

#[tokio::test]
async fn a_program_of_the_guest_is_run_by_its_path() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let program = guest.path("configure-db");
    let path = Configure::Path(program.to_str().unwrap().into());
    let absent = dpe.run(&start("db", path.clone())).await;
    assert_eq!(
        (absent.status, absent.rc),
        (OperationStatus::NotInstalled, rc::INSTALLED)
    );
    let expected = format!(
        "configure executable {0}: {0} cannot be executed: ",
        program.display()
    );
    assert!(
        absent.exit_reason.starts_with(&expected),
        "{}",
        absent.exit_reason
    );
    fs::write(&program, SCRIPT).unwrap();
    let locked = dpe.run(&start("db", path.clone())).await;
    assert_eq!(
        (locked.status, locked.rc),
        (OperationStatus::ErrorHard, rc::PERM)
    );
    assert_eq!(ran(&guest), Vec::<String>::new());
    write_program(&program, SCRIPT);
    assert_eq!(dpe.run(&start("db", path.clone())).await.rc, rc::OK);
    assert_eq!(ran(&guest), ["configure db", "start db"]);
    // A text that does not say what runs it is the shell's.
    let bare = SCRIPT.trim_start_matches("#!/bin/sh\n");
    write_program(&program, bare);
    assert_eq!(dpe.run(&start("other", path.clone())).await.rc, rc::OK);
    assert_eq!(guest.count("configure other"), 1);
    // A program of another kind of machine is nobody's.
    write_program(&program, &format!("\0{bare}"));
    let strange = dpe.run(&start("third", path)).await;
    assert_eq!(
        (strange.status, strange.rc),
        (OperationStatus::Error, rc::GENERIC)
    );
    assert_eq!(guest.count("configure third"), 0);
}

#[tokio::test]
async fn its_failure_is_the_starts_and_it_is_run_again_with_the_next() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let failed = dpe
        .run(&with(start("db", script(SCRIPT)), "wrong", "3"))
        .await;
    assert_eq!(
        (failed.status, failed.rc),
        (OperationStatus::Done, rc::GENERIC)
    );
    assert_eq!(
        failed.exit_reason,
        "configure executable of the document: exit code 3: no such site"
    );
    assert_eq!(ran(&guest), ["configure db"]);
    let said = "echo 'ocf-exit-reason:no disk' >&2; echo more >&2; exit 7";
    let failed = dpe.run(&start("db", script(said))).await;
    assert_eq!(failed.rc, rc::GENERIC);
    assert_eq!(
        failed.exit_reason,
        "configure executable of the document: exit code 7: no disk"
    );
    let failed = dpe.run(&start("db", script("kill -9 $$"))).await;
    assert_eq!(
        (failed.status, failed.rc),
        (OperationStatus::Error, rc::GENERIC)
    );
    assert_eq!(
        failed.exit_reason,
        "configure executable of the document: died of signal 9"
    );
    let mut slow = with(start("db", script(SCRIPT)), "stuck", "1");
    slow.timeout_ms = 300;
    let failed = dpe.run(&slow).await;
    assert_eq!(
        (failed.status, failed.rc),
        (OperationStatus::Timeout, rc::GENERIC)
    );
    assert_eq!(
        failed.exit_reason,
        "configure executable of the document: did not end within 300 ms and was killed"
    );
    assert_eq!(guest.service_pid("db"), None);
    assert_eq!(guest.count("start db"), 0);
    assert_eq!(dpe.run(&start("db", script(SCRIPT))).await.rc, rc::OK);
    assert_eq!(guest.count("configure db"), 3);
    // One that failed has left the guest half configured: the former one is run again.
    let wrong = with(start("db", script(SCRIPT)), "wrong", "3");
    assert_eq!(dpe.run(&wrong).await.rc, rc::GENERIC);
    restart(&mut dpe, &start("db", script(SCRIPT))).await;
    assert_eq!(guest.count("configure db"), 5);
}

#[tokio::test]
async fn it_is_run_again_when_its_agent_was_killed_in_it() {
    let mut guest = Guest::start();
    let dpe = guest.dpe(1).await;
    let stuck = with(start("db", script(SCRIPT)), "stuck", "1");
    dpe.execute(&stuck).await.unwrap();
    until("it is stuck", || holds(guest.count("configure db") == 1)).await;
    let scripts = |guest: &Guest| {
        let files = fs::read_dir(guest.path("state")).unwrap().flatten();
        let names = files.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("configure-")).count()
    };
    assert_eq!(scripts(&guest), 1);
    guest.kill_agent();
    guest.start_agent();
    let mut dpe = guest.dpe(2).await;
    assert!(guest.operation_processes().is_empty());
    assert_eq!(scripts(&guest), 0);
    let history = dpe.history().await;
    let record = find(&history, "db", "start").unwrap();
    assert_eq!(
        (record.state, record.rc),
        (OperationState::Complete, rc::UNKNOWN)
    );
    let again = start("db", script(SCRIPT));
    assert_eq!(dpe.run(&again).await.rc, rc::OK);
    assert_eq!(guest.count("configure db"), 2);
}

#[tokio::test]
async fn a_start_that_waits_still_has_it_after_a_kill_of_the_agent() {
    let mut guest = Guest::start();
    let dpe = guest.dpe(1).await;
    let mut late = start("db", script(SCRIPT));
    late.meta
        .insert("CRM_meta_start_delay".into(), "700".into());
    dpe.execute(&late).await.unwrap();
    guest.kill_agent();
    guest.start_agent();
    let mut dpe = guest.dpe(2).await;
    until("it is started", || holds(guest.service_pid("db").is_some())).await;
    assert_eq!(ran(&guest), ["configure db", "start db"]);
    assert_eq!(dpe.run(&operation("db", "monitor")).await.rc, rc::OK);
}

#[tokio::test]
async fn it_comes_before_services_of_every_class() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let old = Operation {
        class: "lsb".into(),
        provider: String::new(),
        agent: "olddaemon".into(),
        ..start("old", script(SCRIPT))
    };
    assert_eq!(dpe.run(&with(old, "port", "7")).await.rc, rc::OK);
    assert_eq!(guest.actions(), ["configure old"]);
    let its = environment(&guest.path("tmp/configured.env"));
    assert_eq!(its["OCF_RESKEY_port"], "7");
}

#[tokio::test]
async fn what_cannot_be_run_before_a_start_is_refused() {
    let guest = Guest::start();
    let dpe = guest.dpe(1).await;
    let watched = configured(monitor("db", 20), script(SCRIPT));
    for wrong in [
        start("db", script(&"x".repeat(MAX_VALUE + 2))),
        start("db", Configure::Path("relative".into())),
        watched,
    ] {
        let refused = dpe.execute(&wrong).await;
        assert!(
            matches!(&refused, Err(Error::InvalidArgument(text)) if text.contains("`configure`")),
            "{refused:?}"
        );
    }
    assert_eq!(guest.actions(), Vec::<String>::new());
}
