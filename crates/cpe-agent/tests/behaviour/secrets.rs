//! Values that only the guest has: read for each operation, and told by none.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cpe_bus::records::rc;
use cpe_bus::{GuestSecret, Operation, OperationStatus, SECRET_NAMES};

use crate::guest::{Guest, environment, find, holds, operation, until, with};
use crate::lease::again;

const CANARY: &str = "canary-in-the-coal-mine";

/// A resource agent that tells all that it knows, and fails on demand.
const TALKER: &str = r#"#!/bin/sh
env > "$HA_RSCTMP/$OCF_RESOURCE_INSTANCE.$1.talk"
echo "password is $OCF_RESKEY_password, dsn is $OCF_RESKEY_dsn"
echo "ocf-exit-reason:cannot log in with $OCF_RESKEY_password at $OCF_RESKEY_dsn" >&2
case $1 in monitor) exit 7 ;; stop) exit 0 ;; esac
exit "${OCF_RESKEY_code:-0}"
"#;

fn secret_file(path: &Path, content: &str) -> String {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    GuestSecret::File(path.to_str().unwrap().to_owned()).to_value()
}

fn talker(guest: &Guest) -> String {
    guest.add_resource_agent("Talker", TALKER);
    "Talker".to_owned()
}

fn of(agent: &str, action: &str, value: &str) -> Operation {
    let operation = with(operation("db", action), "password", value);
    Operation {
        agent: agent.to_owned(),
        verbose: true,
        ..operation
    }
}

/// All files below a folder that have a text in them.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files_with(&path, text));
        } else if fs::read(&path).is_ok_and(|it| String::from_utf8_lossy(&it).contains(text)) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn an_agent_gets_what_is_in_the_file_and_nobody_else_does() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let agent = talker(&guest);
    let file = guest.path("password");
    let value = secret_file(&file, &format!("{CANARY}\n"));
    let start = with(of(&agent, "start", &value), "code", "1");
    let record = dpe.run(&start).await;
    assert_eq!(record.rc, rc::GENERIC);
    assert_eq!(record.operation.parameters["password"], value);
    assert_eq!(record.exit_reason, "cannot log in with *** at");
    let talked = environment(&guest.path("tmp/db.start.talk"));
    assert_eq!(talked["OCF_RESKEY_password"], CANARY);
    let said = format!("{record:?}");
    assert!(
        said.contains("password is ***, dsn is") && !said.contains(CANARY),
        "{said}"
    );
    // It is read again each time; another one is no other operation.
    secret_file(&file, "another-canary");
    dpe.run(&of(&agent, "start", &value)).await;
    let talked = environment(&guest.path("tmp/db.start.talk"));
    assert_eq!(talked["OCF_RESKEY_password"], "another-canary");
    assert_eq!(files_with(&guest.path("state"), "canary"), [""; 0]);
}

#[tokio::test]
async fn what_is_marked_is_not_told() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let mut start = with(of(&talker(&guest), "start", "plain-word"), "dsn", CANARY);
    let marks = [(SECRET_NAMES.to_owned(), " dsn ".to_owned())];
    start.annotations.extend(marks);
    let record = dpe.run(&start).await;
    assert_eq!(record.exit_reason, "cannot log in with plain-word at ***");
    let said = format!("{:?}{:?}", record.output, record.said);
    assert!(
        said.contains("plain-word") && !said.contains(CANARY),
        "{said}"
    );
}

#[tokio::test]
async fn what_the_agent_of_a_service_calls_private_is_not_told() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let metadata = r#"<resource-agent name="Talker"><parameters><parameter name="dsn" private="1"/>
        <parameter name="password"/></parameters><actions><action name="start"/></actions></resource-agent>"#;
    let talker = TALKER.replace(
        "#!/bin/sh\n",
        &format!("#!/bin/sh\nif [ $1 = meta-data ]; then echo '{metadata}'; exit 0; fi\n"),
    );
    guest.add_resource_agent("Talker", &talker);
    let start = with(of("Talker", "start", "plain-word"), "dsn", CANARY);
    let record = dpe.run(&with(start, "code", "1")).await;
    assert_eq!(record.exit_reason, "cannot log in with plain-word at ***");
    let said = format!("{:?}{:?}", record.output, record.said);
    assert!(
        said.contains("plain-word") && !said.contains(CANARY),
        "{said}"
    );
    // So what ends it needs no metadata.
    assert_eq!(record.operation.annotations[SECRET_NAMES], " dsn ");
}

#[tokio::test]
async fn a_stop_that_the_agent_decides_tells_no_more_than_others() {
    let guest = Guest::start();
    let mut dpe = guest.dpe_with_lease(1, 600).await;
    let mut start = with(of(&talker(&guest), "start", "plain-word"), "dsn", CANARY);
    let marks = [(SECRET_NAMES.to_owned(), " dsn ".to_owned())];
    start.annotations.extend(marks);
    dpe.run(&start).await;
    until("it is stopped", || {
        holds(guest.path("tmp/db.stop.talk").exists())
    })
    .await;
    while dpe.heartbeat().await.is_some() {}
    let dpe = again(&guest, 2).await;
    let history = dpe.history().await;
    let stop = find(&history, "db", "stop").unwrap();
    assert!(
        stop.operation.id.starts_with("lease-expiry/") && stop.output.contains("dsn is ***"),
        "{stop:?}"
    );
}

#[tokio::test]
async fn without_the_file_nothing_begins_and_everything_ends() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let agent = talker(&guest);
    let file = guest.path("password");
    let value = secret_file(&file, CANARY);
    assert_eq!(dpe.run(&of(&agent, "start", &value)).await.rc, rc::OK);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o622)).unwrap();
    fs::remove_file(guest.path("tmp/db.start.talk")).unwrap();
    // What may run counts as running while nobody can look.
    let record = dpe.run(&of(&agent, "monitor", &value)).await;
    assert_eq!(
        (record.status, record.rc),
        (OperationStatus::Done, rc::GENERIC)
    );
    assert!(record.exit_reason.contains("chmod go-w"), "{record:?}");
    let record = dpe.run(&of(&agent, "stop", &value)).await;
    assert_eq!(record.rc, rc::OK);
    let talked = environment(&guest.path("tmp/db.stop.talk"));
    assert!(!talked.contains_key("OCF_RESKEY_password"));
    let record = dpe.run(&of(&agent, "start", &value)).await;
    assert_eq!(
        (record.status, record.rc),
        (OperationStatus::NotInstalled, rc::INSTALLED)
    );
    let reason = format!(
        "the value of parameter password is not in this guest: {} may be written by others than its owner: chmod go-w it",
        file.display()
    );
    assert_eq!(record.exit_reason, reason);
    assert!(!guest.path("tmp/db.start.talk").exists());
    // Where nothing was started, it does not run, and is not started.
    let record = dpe.run(&of(&agent, "monitor", &value)).await;
    assert_eq!(
        (record.status, record.rc),
        (OperationStatus::NotInstalled, rc::INSTALLED)
    );
}
