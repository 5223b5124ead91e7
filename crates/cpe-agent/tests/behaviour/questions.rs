//! What tools ask of the whole deployment: passed on to the DPE, answered when the DPE has; and
//! what is answered for other guests.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cpe_bus::proxies::agent::QuestionStream;
use cpe_bus::records::agent::QUESTIONS;
use cpe_bus::records::question::{Place, Question, Reply, Value, What, Why};
use cpe_bus::{HelloSettings, NodeAttributes};
use futures_util::StreamExt;

use crate::guest::{Dpe, Guest, PATIENCE, holds, until};

/// What a DPE says that answers questions.
const ANSWERS: HelloSettings = HelloSettings {
    heartbeat_interval_ms: 50,
    lease_ms: 0,
    grace_ms: 0,
    stop_timeout_ms: 0,
    answers: true,
    number: 0,
    process: 0,
};

/// A DPE that answers questions, and the questions that it hears.
async fn answering(guest: &Guest, epoch: u64) -> (Dpe, QuestionStream) {
    let mut dpe = guest.connect().await;
    let questions = dpe.agent.receive_question().await.unwrap();
    let hello = dpe.hello(epoch, ANSWERS).await.unwrap();
    assert!(hello.capabilities.contains(&QUESTIONS.to_owned()));
    (dpe, questions)
}

async fn next(questions: &mut QuestionStream) -> (u64, Question) {
    let signal = tokio::time::timeout(PATIENCE, questions.next()).await;
    let signal = signal.expect("no question").expect("closed");
    let args = signal.args().unwrap();
    let question = Question::from_fields(&args.question).unwrap();
    (args.number, question)
}

async fn answer(dpe: &Dpe, number: u64, reply: Reply) {
    let (fields, values) = reply.to_fields();
    let told = dpe.agent.answer(dpe.epoch, number, fields, values);
    told.await.unwrap();
}

/// A tool that is called by hand.
fn call(guest: &Guest, line: &str) -> Child {
    let mut words = line.split(' ');
    let tool = words.next().unwrap();
    Command::new(guest.path(&format!("state/bin/{tool}")))
        .args(words)
        .env("CPE_AGENT_STATE_DIR", guest.path("state"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Its exit code, and what it has printed.
async fn end(tool: Child) -> (i32, String) {
    let output = tokio::task::spawn_blocking(|| tool.wait_with_output().unwrap());
    let output = output.await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    (output.status.code().unwrap(), text)
}

fn value(node: &str, name: &str, value: &str) -> Value {
    Value {
        node: node.into(),
        name: name.into(),
        value: value.into(),
    }
}

#[tokio::test]
async fn a_tool_returns_when_the_dpe_has_answered() {
    let guest = Guest::start();
    let (dpe, mut questions) = answering(&guest, 1).await;
    let mut tool = call(
        &guest,
        "crm_attribute -N web2 -l forever -n db-status -v LATEST",
    );
    let (number, question) = next(&mut questions).await;
    assert_eq!(
        (question.what, question.place),
        (What::Set, Place::Assembly)
    );
    assert_eq!((&*question.node, &*question.name), ("web2", "db-status"));
    assert_eq!(question.value, "LATEST");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(tool.try_wait().unwrap().is_none(), "nothing is durable yet");
    answer(&dpe, number, Reply::Done).await;
    assert_eq!(end(tool).await, (0, String::new()));
}

#[tokio::test]
async fn a_tool_prints_what_the_dpe_says_and_ends_with_pacemakers_codes() {
    let guest = Guest::start();
    let (dpe, mut questions) = answering(&guest, 1).await;
    let rows = |rows: Vec<Value>| Reply::Values(rows);
    let refused = |why, text: &str| Reply::Refused(why, text.into());
    for (line, reply, code, said) in [
        (
            "crm_attribute -n db_REPL_INFO -s mysql_replication -q",
            rows(vec![value("", "db_REPL_INFO", "web2|f|7")]),
            0,
            "web2|f|7\n",
        ),
        (
            "attrd_updater -A -n pingd -Q",
            rows(vec![
                value("web1", "pingd", "1"),
                value("web2", "pingd", "0"),
            ]),
            0,
            "name=\"pingd\" host=\"web1\" value=\"1\"\nname=\"pingd\" host=\"web2\" value=\"0\"\n",
        ),
        (
            "crm_resource -W -r db",
            rows(vec![value("web2", "db", "Promoted")]),
            0,
            "resource db is running on: web2 Promoted\n",
        ),
        (
            "crm_resource -W -r db",
            rows(vec![]),
            0,
            "resource db is NOT running\n",
        ),
        (
            "crm_attribute -N web2 -l reboot -n lag -G -q",
            rows(vec![]),
            105,
            "crm_attribute: node attribute lag has no value here\n",
        ),
        (
            "crm_attribute -n stonith-enabled -v false",
            refused(Why::Invalid, "that is the document's"),
            65,
            "crm_attribute: that is the document's\n",
        ),
        (
            "attrd_updater -N web9 -n x -U 1",
            refused(Why::NoNode, "no web9"),
            68,
            "attrd_updater: no web9\n",
        ),
        (
            "crm_resource -B -r db -Q",
            refused(Why::NotNow, "later"),
            75,
            "crm_resource: later\n",
        ),
    ] {
        let tool = call(&guest, line);
        let (number, _) = next(&mut questions).await;
        answer(&dpe, number, reply).await;
        assert_eq!(end(tool).await, (code, said.to_owned()), "{line}");
    }
}

#[tokio::test]
async fn a_dpe_that_comes_back_is_asked_again_and_the_tool_does_not_notice() {
    let guest = Guest::start();
    let (dpe, mut questions) = answering(&guest, 1).await;
    let tool = call(&guest, "crm_attribute -l forever -n x -v 1");
    let (first, _) = next(&mut questions).await;
    drop((dpe, questions));
    let other = call(&guest, "crm_attribute -n y -v 2");
    let (dpe, mut questions) = answering(&guest, 2).await;
    let (again, question) = next(&mut questions).await;
    assert_eq!((again, &*question.name), (first, "x"));
    // The other was asked while nobody was there, or after.
    let (number, question) = next(&mut questions).await;
    assert_eq!(question.name, "y");
    answer(&dpe, number, Reply::Done).await;
    answer(&dpe, again, Reply::Done).await;
    // Twice is once.
    answer(&dpe, again, Reply::Done).await;
    assert_eq!(end(tool).await.0, 0);
    assert_eq!(end(other).await.0, 0);
}

#[tokio::test]
async fn who_cannot_be_asked_is_said() {
    let guest = Guest::start();
    let socket = guest.path("state/attributes.sock");
    until("the tools can be called", || holds(socket.exists())).await;
    let (code, said) = end(call(&guest, "crm_attribute -l forever -n x -v 1")).await;
    assert_eq!(code, 102, "{said}");
    assert!(said.contains("belongs to no deployment"), "{said}");
    // A DPE of an earlier version.
    let dpe = guest.dpe(1).await;
    let (code, said) = end(call(&guest, "crm_node -l")).await;
    assert_eq!(code, 102, "{said}");
    assert!(said.contains("earlier version"), "{said}");
    drop(dpe);
    let (dpe, questions) = answering(&guest, 2).await;
    drop((dpe, questions));
    let begin = Instant::now();
    let (code, said) = end(call(&guest, "crm_attribute -l forever -n x -v 1")).await;
    assert_eq!(code, 102, "{said}");
    assert!(said.contains("may be done or not"), "{said}");
    assert!(begin.elapsed() < Duration::from_secs(15));
}

/// The names of this guest's boot's attributes.
async fn own_names(dpe: &Dpe) -> Vec<String> {
    let (version, records) = dpe.agent.attributes(dpe.epoch).await.unwrap();
    let all = NodeAttributes::from_fields(version, &records).unwrap();
    all.values.into_keys().collect()
}

#[tokio::test]
async fn the_name_of_the_host_means_another_assembly_of_that_name_and_else_this_guest() {
    let guest = Guest::start();
    let (dpe, mut questions) = answering(&guest, 1).await;
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy().into_owned();
    let no_node = || Reply::Refused(Why::NoNode, format!("there is no assembly {host}"));
    for (words, what) in [
        ("crm_attribute -N HOST -l reboot -n a -v 1", What::Set),
        ("attrd_updater -N HOST -n b -U 1", What::Set),
        ("crm_attribute --node HOST -l reboot -n a -G", What::Get),
        ("crm_attribute -N HOST -l reboot -n a -D", What::Delete),
        ("crm_attribute -N localhost -l reboot -n c -v 1", What::Set),
    ] {
        let line = words.replace("HOST", &host);
        // Another assembly has the name: nothing happens here.
        let before = own_names(&dpe).await;
        let tool = call(&guest, &line);
        let (number, question) = next(&mut questions).await;
        let asked = line.split(' ').nth(2).unwrap();
        assert_eq!((question.what, &*question.node), (what, asked), "{line}");
        let reply = match what {
            What::Get => Reply::Values(vec![value(&host, "a", "9")]),
            _ => Reply::Done,
        };
        answer(&dpe, number, reply).await;
        let (code, said) = end(tool).await;
        assert_eq!(code, 0, "{line}: {said}");
        assert_eq!(
            said.contains("value=9"),
            what == What::Get,
            "{line}: {said}"
        );
        assert_eq!(own_names(&dpe).await, before, "{line}");
        // None has: this guest is meant.
        let tool = call(&guest, &line);
        let (number, _) = next(&mut questions).await;
        answer(&dpe, number, no_node()).await;
        let (code, said) = end(tool).await;
        assert_eq!(code, 0, "{line}: {said}");
        assert_eq!(
            said.contains("value=1"),
            what == What::Get,
            "{line}: {said}"
        );
    }
    assert_eq!(own_names(&dpe).await, ["b", "c"]);
    // What the DPE keeps is asked of it again, for this guest.
    for words in [
        "crm_attribute -N HOST -n a -v 1",
        "crm_resource -B -r db -N HOST -Q",
        "crm_resource -U -r db -N HOST -Q",
    ] {
        let line = words.replace("HOST", &host);
        let tool = call(&guest, &line);
        let (number, question) = next(&mut questions).await;
        assert_eq!(question.node, host, "{line}");
        answer(&dpe, number, no_node()).await;
        let (number, question) = next(&mut questions).await;
        assert_eq!(question.node, "", "{line}");
        answer(&dpe, number, Reply::Done).await;
        assert_eq!(end(tool).await.0, 0, "{line}");
    }
}

#[tokio::test]
async fn what_the_dpe_said_of_the_hosts_name_is_known_while_none_is_there() {
    let guest = Guest::start();
    let (dpe, mut questions) = answering(&guest, 1).await;
    let host = rustix::system::uname();
    let line = format!(
        "crm_attribute -N {} -l reboot -n a -v",
        host.nodename().to_string_lossy()
    );
    let tool = call(&guest, &format!("{line} 1"));
    let (number, _) = next(&mut questions).await;
    let none = Reply::Refused(Why::NoNode, "there is no such assembly".into());
    answer(&dpe, number, none).await;
    assert_eq!(end(tool).await.0, 0);
    drop((dpe, questions));
    let begin = Instant::now();
    assert_eq!(end(call(&guest, &format!("{line} 2"))).await.0, 0);
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "nobody is waited for"
    );
    // The next DPE is asked again, and says otherwise.
    let (dpe, mut questions) = answering(&guest, 2).await;
    let tool = call(&guest, &format!("{line} 3"));
    let (number, _) = next(&mut questions).await;
    answer(&dpe, number, Reply::Done).await;
    assert_eq!(end(tool).await.0, 0);
    let (version, records) = dpe.agent.attributes(dpe.epoch).await.unwrap();
    let own = NodeAttributes::from_fields(version, &records).unwrap();
    assert_eq!(own.values["a"].value, "2");
}

#[tokio::test]
async fn what_is_not_a_guests_to_say_is_refused_here() {
    let guest = Guest::start();
    let (_dpe, _questions) = answering(&guest, 1).await;
    for (line, reason) in [
        ("crm_attribute -N web2 -n standby -v on", "cpectl standby"),
        (
            "crm_attribute -l forever -n terminate -v 1",
            "the DPE decides",
        ),
        (
            "attrd_updater -N web2 -n fail-count-db -U 0",
            "cpectl cleanup",
        ),
    ] {
        let (code, said) = end(call(&guest, line)).await;
        assert_eq!(code, 65, "{line}: {said}");
        assert!(said.contains(reason), "{line}: {said}");
    }
}

#[tokio::test]
async fn it_answers_for_other_guests_what_concerns_this_boot() {
    let guest = Guest::start();
    let (dpe, _questions) = answering(&guest, 1).await;
    let boot = |what, name: &str, value: &str| Question {
        name: name.into(),
        value: value.into(),
        ..Question::new(what, Place::Boot)
    };
    let ask = async |question: Question| {
        let asked = dpe.agent.ask(1, question.to_fields()).await;
        let (fields, values) = asked.unwrap();
        Reply::from_fields(&fields, &values).unwrap()
    };
    assert_eq!(ask(boot(What::Set, "bootstrap", "true")).await, Reply::Done);
    let (version, all) = dpe.agent.attributes(1).await.unwrap();
    let all = NodeAttributes::from_fields(version, &all).unwrap();
    assert_eq!(all.values["bootstrap"].value, "true");
    let tool = call(&guest, "crm_attribute -N web1 -l reboot -n bootstrap -q");
    assert_eq!(end(tool).await, (0, "true\n".into()));
    // What a guest keeps to itself others may ask for.
    let tool = call(&guest, "attrd_updater -p -n gtid -U 17");
    assert_eq!(end(tool).await.0, 0);
    let known = Reply::Values(vec![value("web1", "gtid", "17")]);
    assert_eq!(ask(boot(What::Get, "gtid", "")).await, known);
    assert_eq!(ask(boot(What::Delete, "gtid", "")).await, Reply::Done);
    let none = Reply::Values(vec![]);
    assert_eq!(ask(boot(What::Get, "gtid", "")).await, none);
    let wrong = ask(Question::new(What::Nodes, Place::Deployment)).await;
    assert!(
        matches!(wrong, Reply::Refused(Why::Invalid, _)),
        "{wrong:?}"
    );
    let stale = dpe.agent.ask(0, boot(What::Get, "x", "").to_fields()).await;
    assert!(crate::guest::is_stale(&stale), "{stale:?}");
}
