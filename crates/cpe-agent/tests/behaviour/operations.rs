//! Operations: environments, results, timeouts, order, monitors.

use std::time::Duration;

use cpe_bus::records::{MAX_OUTPUT, MAX_SAID, rc};
use cpe_bus::{Error, Operation, OperationState, OperationStatus};

use crate::guest::{Guest, environment, find, holds, monitor, operation, until, with};

#[tokio::test]
async fn it_gives_a_resource_agent_its_environment_and_nothing_of_its_own() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let mut start = with(operation("db:0", "start"), "port", "5432");
    start.meta.insert("CRM_meta_on_node".into(), "web1".into());
    let record = dpe.run(&start).await;
    assert_eq!((record.status, record.rc), (OperationStatus::Done, rc::OK));
    assert!(record.started > 0 && record.completed >= record.started && record.last_rc_change > 0);
    assert_eq!(record.operation, start);
    let environment = environment(&guest.path("tmp/db:0.start.env"));
    for (name, value) in [
        ("OCF_ROOT", guest.path("ocf").to_str().unwrap()),
        ("OCF_RESOURCE_INSTANCE", "db:0"),
        ("OCF_RESOURCE_PROVIDER", "test"),
        ("OCF_RESOURCE_TYPE", "Service"),
        ("OCF_RA_VERSION_MAJOR", "1"),
        ("OCF_RESKEY_port", "5432"),
        ("OCF_RESKEY_CRM_meta_on_node", "web1"),
        ("OCF_RESKEY_CRM_meta_timeout", "15000"),
        ("OCF_RESKEY_CRM_meta_interval", "0"),
    ] {
        assert_eq!(
            environment.get(name).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
    assert!(!environment.contains_key("SECRET_OF_THE_AGENT"));
}

#[tokio::test]
async fn it_reports_code_and_exit_reason_of_a_failure() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let record = dpe
        .run(&with(operation("db", "start"), "fail", "no such file: /x"))
        .await;
    assert_eq!(
        (record.status, record.rc),
        (OperationStatus::Done, rc::CONFIGURED)
    );
    assert_eq!(record.exit_reason, "no such file: /x");
    let record = dpe.run(&operation("db", "fly")).await;
    assert_eq!(record.rc, rc::UNIMPLEMENTED);
}

#[tokio::test]
async fn it_says_that_an_agent_is_not_installed() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    for (class, provider) in [("ocf", "test"), ("ocf", ""), ("lsb", "")] {
        let absent = Operation {
            class: class.into(),
            provider: provider.into(),
            agent: "Absent".into(),
            ..operation("db", "start")
        };
        let record = dpe.run(&absent).await;
        assert_eq!(
            (record.status, record.rc),
            (OperationStatus::NotInstalled, rc::INSTALLED),
            "{class}:{provider}"
        );
        assert!(
            record.exit_reason.contains("Absent"),
            "{}",
            record.exit_reason
        );
    }
}

#[tokio::test]
async fn it_kills_an_operation_with_its_grandchildren_at_the_timeout() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let record = dpe
        .run(&Operation {
            timeout_ms: 200,
            ..with(operation("db", "start"), "hang", "1")
        })
        .await;
    assert_eq!(
        (record.status, record.rc),
        (OperationStatus::Timeout, rc::GENERIC)
    );
    assert!(
        record.exit_reason.contains("200 ms"),
        "{}",
        record.exit_reason
    );
    until("the grandchildren are gone", || {
        holds(guest.operation_processes().is_empty())
    })
    .await;
}

#[tokio::test]
async fn it_bounds_what_an_agent_writes() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let record = dpe.run(&operation("db", "flood")).await;
    assert!(
        record.output.len() <= MAX_OUTPUT && record.output.ends_with("line 4999"),
        "{}",
        record.output
    );
}

#[tokio::test]
async fn it_tells_all_that_an_agent_writes_where_that_is_asked_for() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let verbose = Operation {
        verbose: true,
        ..operation("db", "flood")
    };
    let record = dpe.run(&verbose).await;
    let said = record.said.unwrap();
    let written = said.out.len() as u64 + said.out_cut;
    assert!(said.out.len() <= MAX_SAID && written > MAX_OUTPUT as u64);
    assert!(said.out.ends_with("line 4999\n"), "{}", said.out);
    assert_eq!(said.out_cut == 0, said.out.starts_with("line 0\n"));
    // Nobody else gets it, and it is not kept.
    let kept = dpe.history().await;
    let kept = find(&kept, "db", "flood").unwrap();
    assert!(kept.said.is_none() && kept.output.len() <= MAX_OUTPUT);
    let record = dpe.run(&operation("db", "flood")).await;
    assert_eq!(record.said, None);
}

#[tokio::test]
async fn it_does_one_operation_of_a_resource_at_a_time_in_order() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    dpe.execute(&with(operation("db", "start"), "delay", "0.2"))
        .await
        .unwrap();
    let monitor = dpe.run(&operation("db", "monitor")).await;
    assert_eq!(monitor.rc, rc::OK, "the monitor did not wait for the start");
    assert!(monitor.queue_ms > 0);
    assert_eq!(guest.actions(), ["start db", "monitor db"]);
}

#[tokio::test]
async fn it_does_operations_of_different_resources_side_by_side() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    // Each start waits for the other's.
    dpe.execute(&with(operation("a", "start"), "meet", "b"))
        .await
        .unwrap();
    dpe.execute(&with(operation("b", "start"), "meet", "a"))
        .await
        .unwrap();
    assert_eq!(
        (dpe.completion().await.rc, dpe.completion().await.rc),
        (rc::OK, rc::OK)
    );
}

#[tokio::test]
async fn it_does_the_same_request_once() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let start = operation("db", "start");
    let first = dpe.run(&start).await;
    let second = dpe.run(&start).await;
    assert_eq!(first, second);
    assert_eq!(guest.count("start db"), 1);
}

#[tokio::test]
async fn it_reports_a_monitors_first_result_and_then_only_changes() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    dpe.run(&operation("db", "start")).await;
    let first = dpe.run(&monitor("db", 20)).await;
    assert_eq!(first.rc, rc::OK);
    until("it has run again", || holds(guest.count("monitor db") > 5)).await;
    assert_eq!(dpe.completion_within(Duration::ZERO).await, None);

    let pid = rustix::process::Pid::from_raw(guest.service_pid("db").unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let change = dpe.completion().await;
    assert_eq!(
        (change.rc, change.call_id),
        (rc::NOT_RUNNING, first.call_id)
    );
    assert!(change.last_rc_change > first.last_rc_change);
    let runs = guest.count("monitor db");
    until("it has run again", || {
        holds(guest.count("monitor db") > runs + 5)
    })
    .await;
    assert_eq!(dpe.completion_within(Duration::ZERO).await, None);
    assert_eq!(
        find(&dpe.history().await, "db", "monitor").unwrap().rc,
        rc::NOT_RUNNING
    );
}

#[tokio::test]
async fn it_cancels_a_monitor() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    dpe.run(&monitor("db", 20)).await;
    assert!(dpe.agent.cancel(1, "db", "monitor", 20).await.unwrap());
    assert_eq!(dpe.completion().await.state, OperationState::Cancelled);
    assert_eq!(dpe.history().await, []);
    until("what ran has ended", || {
        holds(guest.operation_processes().is_empty())
    })
    .await;
    let runs = guest.count("monitor db");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(guest.count("monitor db"), runs);
    assert!(!dpe.agent.cancel(1, "db", "monitor", 20).await.unwrap());
}

#[tokio::test]
async fn it_takes_a_waiting_operation_back_but_does_not_interrupt_one_that_runs() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    dpe.execute(&with(operation("db", "start"), "delay", "0.2"))
        .await
        .unwrap();
    dpe.execute(&operation("db", "stop")).await.unwrap();
    until("the start runs", || holds(guest.count("start db") == 1)).await;
    assert!(!dpe.agent.cancel(1, "db", "start", 0).await.unwrap());
    assert!(dpe.agent.cancel(1, "db", "stop", 0).await.unwrap());
    assert_eq!(dpe.completion().await.state, OperationState::Cancelled);
    assert_eq!(dpe.completion().await.rc, rc::OK);
    assert_eq!(guest.count("stop db"), 0);
}

#[tokio::test]
async fn it_ends_the_monitors_of_a_service_that_is_stopped() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    dpe.run(&operation("db", "start")).await;
    dpe.run(&monitor("db", 20)).await;
    dpe.run(&operation("db", "stop")).await;
    let history = dpe.history().await;
    assert!(find(&history, "db", "monitor").is_none() && find(&history, "db", "stop").is_some());
}

#[tokio::test]
async fn it_forgets_a_resource() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    dpe.run(&operation("db", "start")).await;
    dpe.run(&monitor("db", 20)).await;
    dpe.run(&operation("web", "start")).await;
    dpe.agent.forget(1, "db").await.unwrap();
    let history = dpe.history().await;
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].operation.resource, "web");
    assert!(
        guest.service_pid("db").is_some(),
        "the service itself is left alone"
    );
}

#[tokio::test]
async fn it_maps_the_exit_codes_of_init_scripts() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let lsb = |action: &str, class: &str| Operation {
        class: class.into(),
        provider: String::new(),
        agent: "olddaemon".into(),
        ..operation("old", action)
    };
    assert_eq!(dpe.run(&lsb("monitor", "lsb")).await.rc, rc::NOT_RUNNING);
    assert_eq!(dpe.run(&lsb("start", "lsb")).await.rc, rc::OK);
    assert_eq!(dpe.run(&lsb("monitor", "lsb")).await.rc, rc::OK);
    assert_eq!(dpe.run(&lsb("stop", "lsb")).await.rc, rc::OK);
    assert_eq!(
        dpe.run(&lsb("promote", "lsb")).await.status,
        OperationStatus::NotSupported
    );
    assert_eq!(
        dpe.run(&lsb("start", "heartless")).await.status,
        OperationStatus::NotSupported
    );
    // Nobody says whether there is a unit of that name. A stop by the script would miss what the
    // unit runs.
    for action in ["start", "stop"] {
        let record = dpe.run(&lsb(action, "service")).await;
        assert_eq!(record.status, OperationStatus::Error);
        assert!(record.exit_reason.contains("olddaemon"), "{record:?}");
    }
    assert_eq!(
        dpe.run(&lsb("start", "systemd")).await.status,
        OperationStatus::Error
    );
}

#[tokio::test]
async fn it_gives_an_agents_metadata() {
    let guest = Guest::start();
    let dpe = guest.connect().await;
    let xml = dpe.agent.metadata("ocf", "test", "Service").await.unwrap();
    assert!(xml.contains("<resource-agent name=\"Service\">"), "{xml}");
    let xml = dpe.agent.metadata("lsb", "", "olddaemon").await.unwrap();
    assert!(xml.contains("A daemon &lt;of old&gt;"), "{xml}");
    let absent = dpe.agent.metadata("ocf", "test", "Absent").await;
    assert!(matches!(absent, Err(Error::NotFound(_))), "{absent:?}");
    let outside = dpe.agent.metadata("ocf", "..", "../../bin/sh").await;
    assert!(
        matches!(outside, Err(Error::InvalidArgument(_))),
        "{outside:?}"
    );
}

#[tokio::test]
async fn it_lists_the_agents_that_are_installed() {
    let guest = Guest::start();
    // No program, and hidden.
    std::fs::write(guest.path("ocf/resource.d/test/README"), "").unwrap();
    guest.add_resource_agent(".hidden", "");
    std::fs::create_dir_all(guest.path("ocf/resource.d/other")).unwrap();
    guest.add_resource_agent("../other/Second", "#!/bin/sh\n");
    let dpe = guest.connect().await;
    let (agents, more) = dpe.agent.list_agents("").await.unwrap();
    assert_eq!(more, 0);
    let listed = |name: &str| agents.iter().any(|agent| agent == name);
    assert!(
        listed("ocf:test:Service") && listed("ocf:other:Second"),
        "{agents:?}"
    );
    assert!(listed("lsb:olddaemon"), "{agents:?}");
    assert!(
        !agents
            .iter()
            .any(|it| it.contains("README") || it.contains("hidden"))
    );
    let (scripts, _) = dpe.agent.list_agents("lsb").await.unwrap();
    assert!(
        scripts.contains(&"lsb:olddaemon".to_owned())
            && scripts.iter().all(|agent| agent.starts_with("lsb:")),
        "{scripts:?}"
    );
    let unknown = dpe.agent.list_agents("upstart").await;
    assert!(
        matches!(unknown, Err(Error::InvalidArgument(_))),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn ten_thousand_agents_are_listed_up_to_a_bound_in_order() {
    let guest = Guest::start();
    for number in 0..10_000 {
        guest.add_resource_agent(&format!("A{number:05}"), "");
    }
    let dpe = guest.connect().await;
    let (agents, more) = dpe.agent.list_agents("ocf").await.unwrap();
    assert_eq!(agents.len(), cpe_bus::records::agent::MAX_LISTED_AGENTS);
    assert!(more >= 10_000 - 4096, "{more}");
    assert_eq!(agents[0], "ocf:test:A00000");
}

#[tokio::test]
async fn an_agent_that_floods_or_leaves_something_running_gives_no_metadata_and_is_cleared_away() {
    let guest = Guest::start();
    guest.add_resource_agent("Flood", "#!/bin/sh\nexec yes '<a/>'\n");
    guest.add_resource_agent("Words", "#!/bin/sh\necho usage: x\n");
    guest.add_resource_agent("Failing", "#!/bin/sh\necho no >&2; exit 3\n");
    let forking = "#!/bin/sh\nset -m\n(sleep 4321; :) &\necho $! > \"$HA_RSCTMP/left\"\n\
                   echo '<resource-agent/>'\n";
    guest.add_resource_agent("Forking", forking);
    // It has a lease to keep meanwhile.
    let mut dpe = guest.dpe(1).await;
    let refused = async |agent: &str| {
        let result = dpe.agent.metadata("ocf", "test", agent).await;
        match result.unwrap_err() {
            Error::Failed(text) => text,
            other => panic!("{other:?}"),
        }
    };
    let flood = refused("Flood").await;
    assert!(
        flood.contains("test/Flood gives no metadata: it wrote more than"),
        "{flood}"
    );
    assert!(refused("Words").await.contains("is not XML"));
    assert!(refused("Failing").await.contains("code 3: no"));
    let xml = dpe.agent.metadata("ocf", "test", "Forking").await.unwrap();
    assert_eq!(xml, "<resource-agent/>\n");
    let left = std::fs::read_to_string(guest.path("tmp/left")).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", left.trim()));
    assert!(stat.is_err() || stat.unwrap().contains(") Z "), "{left}");
    assert_eq!(dpe.run(&operation("db", "start")).await.rc, rc::OK);
}

#[tokio::test]
async fn it_refuses_an_operation_that_makes_no_sense_by_name() {
    let guest = Guest::start();
    let dpe = guest.dpe(1).await;
    let refused = dpe
        .execute(&Operation {
            agent: "../Service".into(),
            ..operation("db", "start")
        })
        .await;
    assert!(
        matches!(&refused, Err(Error::InvalidArgument(text)) if text.contains("`type`")),
        "{refused:?}"
    );
    assert_eq!(dpe.history().await, []);
}

#[tokio::test]
async fn it_says_which_parameters_force_a_restart_and_has_the_others_reloaded() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let of = |action: &str, limit: &str| {
        let mut operation = with(operation("db", action), "limit", limit);
        operation.agent = "Reloadable".into();
        with(with(operation, "port", "5432"), "unheard-of", "1")
    };
    let force_restart = |record: &cpe_bus::OperationRecord| {
        record
            .operation
            .annotations
            .get("op-force-restart")
            .cloned()
    };
    let record = dpe.run(&of("start", "5")).await;
    assert_eq!((record.status, record.rc), (OperationStatus::Done, rc::OK));
    assert_eq!(force_restart(&record).as_deref(), Some(" port unheard-of "));
    let pid = guest.service_pid("db").expect("it runs");
    let record = dpe.run(&of("reload-agent", "7")).await;
    assert_eq!((record.status, record.rc), (OperationStatus::Done, rc::OK));
    assert_eq!(force_restart(&record).as_deref(), Some(" port unheard-of "));
    let limit = std::fs::read_to_string(guest.path("tmp/db.limit")).unwrap();
    assert_eq!((limit.trim(), guest.service_pid("db")), ("7", Some(pid)));
    // The history keeps it, and an agent without the action says nothing.
    let history = dpe.history().await;
    assert!(
        history.iter().all(|record| force_restart(record).is_some()),
        "{history:?}"
    );
    let record = dpe.run(&operation("plain", "start")).await;
    assert_eq!(force_restart(&record), None);
}

#[tokio::test]
async fn an_agent_without_metadata_is_asked_for_it_once_and_again_when_its_file_changes() {
    const SILENT: &str =
        "#!/bin/sh\n[ \"$1\" != meta-data ] || { echo asked >> \"$HA_RSCTMP/asked\"; exit 1; }\n";
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let asked = || {
        let lines = std::fs::read_to_string(guest.path("tmp/asked")).unwrap_or_default();
        lines.lines().count()
    };
    let silent = || Operation {
        agent: "Silent".into(),
        ..operation("db", "monitor")
    };
    guest.add_resource_agent("Silent", SILENT);
    for _ in 0..3 {
        assert_eq!(dpe.run(&silent()).await.rc, rc::OK);
        assert_eq!(asked(), 1);
    }
    guest.add_resource_agent("Silent", SILENT);
    dpe.run(&silent()).await;
    assert_eq!(asked(), 2);
}
