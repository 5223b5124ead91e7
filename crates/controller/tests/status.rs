//! What a status says of a world that is told to the controller in one go: a document, and what the
//! agents of its assemblies remember.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::{
    AssemblyId, Attribute, Attributes, Controller, Durable, Effect, Hello, Input, Operation,
    Record, RecordState, Request, ServiceId, Task, Time, TransitionKey, dispatcher_uuid,
};
use cpe_status::{
    AssemblyState, DeploymentStatus, FailureStatus, FencingResult, OperationOutcome,
    OperationStatus, ResourceKind,
};

/// A controller whose decisions are made, and whose orders succeed at once.
struct Told {
    controller: Controller,
    now: Time,
    /// The last call id of any agent.
    calls: u32,
    /// What agents were told to do.
    orders: Vec<Operation>,
    /// The policy engine answers.
    decides: bool,
    /// Agents begin nothing.
    holds: bool,
}

impl Told {
    /// A deployment of this document, of which no agent was heard yet.
    fn new(document: String) -> Told {
        Told::undecided(document, true)
    }

    fn undecided(document: String, decides: bool) -> Told {
        let now = Time {
            boottime_us: 1_000_000,
            wall_us: 1_800_000_000_000_000,
        };
        let controller = Controller::new("sim", Durable::default(), now);
        let mut told = Told {
            controller,
            now,
            calls: 100,
            orders: Vec::new(),
            decides,
            holds: false,
        };
        told.give(Input::Request(Request::Load {
            document,
            generation: 1,
            in_doubt: Default::default(),
        }));
        told
    }

    fn give(&mut self, input: Input) {
        self.now.boottime_us += 1_000;
        self.now.wall_us += 1_000;
        self.controller.handle(self.now, input).unwrap();
        while let Some(effect) = self.controller.poll_effect() {
            let answer = match effect {
                Effect::Decide(question) if self.decides => {
                    Input::Decided(Box::new(question.answer()))
                }
                Effect::Execute { operation, .. } if self.holds => {
                    self.orders.push(*operation);
                    continue;
                }
                Effect::Execute {
                    assembly,
                    operation,
                } => self.completed(assembly, *operation),
                Effect::Cancel {
                    assembly,
                    resource,
                    action,
                    interval_ms,
                } => Input::Cancelled {
                    assembly,
                    resource,
                    action,
                    interval_ms,
                },
                _ => continue,
            };
            self.controller.handle(self.now, answer).unwrap();
        }
    }

    /// What an agent answers that has done it.
    fn completed(&mut self, assembly: AssemblyId, operation: Operation) -> Input {
        self.calls += 1;
        self.orders.push(operation.clone());
        let key = TransitionKey::parse(&operation.id).unwrap();
        let record = Record {
            operation,
            call_id: self.calls,
            rc: key.expected_rc,
            completed: self.now.wall_us,
            last_rc_change: self.now.wall_us,
            ..Record::default()
        };
        let record = Box::new(record);
        Input::OperationCompleted { assembly, record }
    }

    /// An agent answers, and remembers this.
    fn answers(&mut self, assembly: &str, history: Vec<Record>) {
        self.answers_with(assembly, history, Attributes::default());
    }

    fn answers_with(&mut self, assembly: &str, history: Vec<Record>, attributes: Attributes) {
        self.answers_of_boot("boot", assembly, history, attributes);
    }

    fn answers_of_boot(
        &mut self,
        boot: &str,
        assembly: &str,
        history: Vec<Record>,
        attributes: Attributes,
    ) {
        let hello = Hello {
            boot_id: format!("{boot} of {assembly}"),
            machine_id: format!("machine of {assembly}"),
            ..Hello::default()
        };
        let wanted = self.controller.wanted(&assembly.into());
        let number = wanted.map_or(0, |connect| connect.number);
        self.give(Input::AgentConnected {
            assembly: assembly.into(),
            number,
            hello,
            history,
            attributes,
        });
    }

    /// Time passes, without a sign of life.
    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.now.boottime_us += 499_000;
            self.now.wall_us += 499_000;
            self.give(Input::Tick);
        }
    }

    /// The last such operation has another result.
    fn fails(&mut self, assembly: &str, action: Task, interval_ms: u32, rc: i32, why: &str) {
        let mut orders = self.orders.iter().rev();
        let same = |it: &&Operation| it.action == action && it.interval_ms == interval_ms;
        let operation = orders.find(same).unwrap().clone();
        self.calls += 1;
        let record = Record {
            operation,
            call_id: self.calls,
            rc,
            exit_reason: why.to_owned(),
            completed: self.now.wall_us,
            last_rc_change: self.now.wall_us,
            ..Record::default()
        };
        self.give(Input::OperationCompleted {
            assembly: assembly.into(),
            record: Box::new(record),
        });
    }

    /// Each instance as `NAME ASSEMBLY STATE ROLE`.
    fn rows(&self) -> Vec<String> {
        let rows = self.status().services.into_iter().map(|row| {
            let (name, assembly) = (row.name, row.assembly);
            format!("{name} {assembly} {} {}", row.state, row.role)
        });
        rows.collect()
    }

    fn failures(&self) -> Vec<FailureStatus> {
        self.status().failures
    }

    fn status(&self) -> DeploymentStatus {
        self.controller.status(self.now)
    }
}

/// An operation that ended with that code; the expected one is 0, of a probe 7.
fn record(resource: &str, action: Task, interval_ms: u32, call_id: u32, rc: i32) -> Record {
    let expected = if action == Task::Monitor && interval_ms == 0 {
        7
    } else {
        0
    };
    let operation = Operation {
        id: format!("{call_id}:1:{expected}:{}", dispatcher_uuid(7)),
        resource: resource.to_owned(),
        class: "ocf".into(),
        provider: "sim".into(),
        kind: "Simulated".into(),
        action,
        interval_ms,
        ..Operation::default()
    };
    Record {
        operation,
        call_id,
        rc,
        completed: 1_799_999_000_000_000 + u64::from(call_id) * 1_000_000,
        last_rc_change: 1_799_999_000_000_000 + u64::from(call_id) * 1_000_000,
        ..Record::default()
    }
}

fn document(assemblies: usize, services: &str, configuration: &str) -> String {
    let assemblies: String = (1..=assemblies)
        .map(|number| format!("<assembly name=\"n{number}\" address=\"unix:/run/n{number}\"/>"))
        .collect();
    format!(
        "<deployable name=\"sim\"><assemblies>{assemblies}</assemblies><services>{services}</services>\
         <configuration>{configuration}</configuration></deployable>"
    )
}

fn service(name: &str) -> String {
    format!("<service name=\"{name}\" class=\"ocf\" provider=\"sim\" type=\"Simulated\"/>")
}

/// A `<primitive>` of `<configuration>` with meta attributes.
fn primitive(name: &str, meta: &[(&str, &str)]) -> String {
    let set = attributes(name, meta);
    format!(
        "<primitive id=\"{name}\" class=\"ocf\" provider=\"sim\" type=\"Simulated\">{set}</primitive>"
    )
}

fn attributes(of: &str, meta: &[(&str, &str)]) -> String {
    let pairs = meta.iter().map(|(name, value)| {
        format!("<nvpair id=\"{of}-{name}\" name=\"{name}\" value=\"{value}\"/>")
    });
    let pairs: String = pairs.collect();
    format!("<meta_attributes id=\"{of}-meta\">{pairs}</meta_attributes>")
}

fn resources(elements: &str) -> String {
    format!("<resources>{elements}</resources>")
}

/// A primitive with two monitors.
fn monitored(name: &str, meta: &[(&str, &str)], more: &str) -> String {
    let monitors = [10, 20].map(|seconds| {
        format!("<op id=\"{name}-{seconds}\" name=\"monitor\" interval=\"{seconds}s\" {more}/>")
    });
    let operations = format!("<operations>{}</operations></primitive>", monitors.concat());
    primitive(name, meta).replace("</primitive>", &operations)
}

fn clone(id: &str, meta: &[(&str, &str)], of: &str) -> String {
    format!("<clone id=\"{id}\">{}{of}</clone>", attributes(id, meta))
}

#[test]
fn instances_that_can_be_told_apart_are_shown_where_they_run_and_not_as_stopped() {
    let unique = [
        ("globally-unique", "true"),
        ("clone-max", "3"),
        ("clone-node-max", "2"),
    ];
    let cloned = clone("pool", &unique, &primitive("web", &[]));
    let mut told = Told::new(document(1, "", &resources(&cloned)));
    let start = |resource| record(resource, Task::Start, 0, 1, 0);
    told.answers("n1", vec![start("web:0"), start("web:1")]);
    assert_eq!(
        told.rows(),
        [
            "web:0 n1 started started",
            "web:1 n1 started started",
            "web:2  stopped stopped"
        ]
    );
    let tree = told.status().resources;
    assert_eq!((tree[0].kind, tree[0].unique), (ResourceKind::Clone, true));
    assert_eq!(tree[0].instances, 3);
    let web = &tree[0].members[0];
    assert_eq!(
        (web.name.as_str(), web.enabled, web.wanted),
        ("web", true, 2)
    );
}

#[test]
fn a_clone_shows_its_instances_by_assembly_with_their_roles() {
    let promotable = [("promotable", "true")];
    let cloned = clone("dbs", &promotable, &primitive("db", &[]));
    let mut told = Told::new(document(2, "", &resources(&cloned)));
    let score = Attribute {
        value: "10".into(),
        dampening_ms: 0,
    };
    let scores = Attributes {
        version: 1,
        values: [("master-db".to_owned(), score)].into(),
    };
    told.answers_with("n1", vec![], scores);
    told.answers("n2", vec![]);
    assert_eq!(
        told.rows(),
        ["db n1 promoted promoted", "db n2 started started"]
    );
    // Left alone it has its role all the same.
    let maintenance = Request::Maintenance {
        assembly: None,
        on: true,
    };
    told.give(Input::Request(maintenance));
    assert_eq!(
        told.rows(),
        ["db n1 unmanaged promoted", "db n2 unmanaged started"]
    );
}

#[test]
fn the_tree_has_groups_in_clones_with_members_in_their_order() {
    let group = format!(
        "<group id=\"pair\">{}{}</group>",
        primitive("b", &[]),
        primitive("a", &[])
    );
    let configuration = resources(&clone("pairs", &[], &group));
    let alone = service("alone");
    let mut told = Told::new(document(2, &alone, &configuration));
    let names = |told: &Told| -> Vec<String> {
        let status = told.status();
        let all = status.resources.iter().flat_map(|top| top.all());
        all.map(|it| format!("{}:{}", it.name, it.kind)).collect()
    };
    let expected = [
        "alone:service",
        "pairs:clone",
        "pair:group",
        "b:service",
        "a:service",
    ];
    assert_eq!(names(&told), expected, "also before anything is decided");
    told.answers("n1", vec![record("b", Task::Start, 0, 1, 0)]);
    told.answers("n2", vec![]);
    assert_eq!(names(&told), expected);
    let rows = [
        "alone n1 started started",
        "b n1 started started",
        "b n2 started started",
        "a n1 started started",
        "a n2 started started",
    ];
    assert_eq!(told.rows(), rows);
}

#[test]
fn containers_and_addresses_of_a_bundle_are_services_too() {
    let bundle = "<bundle id=\"b\"><podman image=\"i\" replicas=\"1\"/></bundle>";
    let mut told = Told::undecided(document(1, "", &resources(bundle)), false);
    told.answers("n1", vec![record("b-podman-0", Task::Start, 0, 1, 0)]);
    assert_eq!(told.rows(), ["b-podman-0 n1 started started"]);
    let status = told.status();
    assert_eq!(status.resources[0].members[0].name, "b-podman-0");
    assert_eq!(status.services[0].agent, "ocf:heartbeat:podman");
}

#[test]
fn what_runs_and_is_not_in_the_document_is_shown() {
    let mut told = Told::undecided(document(1, &service("a"), ""), false);
    told.answers("n1", vec![record("old", Task::Start, 0, 1, 0)]);
    let rows = ["a  stopped stopped", "old n1 started started"];
    assert_eq!(told.rows(), rows);
    let old = &told.status().services[1];
    assert_eq!(old.reason, "it is not in the document");
    assert_eq!(old.agent, "ocf:sim:Simulated");
}

#[test]
fn failures_are_told_by_operation_with_when_they_are_forgotten() {
    let meta = [("failure-timeout", "60s"), ("migration-threshold", "3")];
    let mut told = Told::new(document(2, "", &resources(&monitored("db", &meta, ""))));
    told.answers("n1", vec![]);
    told.answers("n2", vec![]);
    let place = told.status().services[0].assembly.clone();
    told.fails(&place, Task::Monitor, 10_000, 7, "");
    told.wait(2);
    told.fails(&place, Task::Monitor, 20_000, 1, "no\u{1b}answer");
    let failures = told.failures();
    let told_of: Vec<(&str, u32, u32, i32, bool)> = failures
        .iter()
        .map(|it| {
            (
                it.operation.as_str(),
                it.count,
                it.threshold,
                it.rc,
                it.banned,
            )
        })
        .collect();
    let expected = [
        ("monitor/20000", 1, 3, 1, false),
        ("monitor/10000", 1, 3, 7, false),
    ];
    assert_eq!(told_of, expected);
    let [newer, older] = &failures[..] else {
        panic!("{failures:?}");
    };
    assert!(newer.time >= older.time + 1_000_000);
    // The policy engine forgets all of them together.
    assert_eq!(newer.forgotten, newer.time + 60_000_000);
    assert_eq!(older.forgotten, newer.forgotten);
    assert!(newer.reason.ends_with("no\u{1b}answer"), "{}", newer.reason);
    assert_eq!(told.status().services[0].failures, 2);

    told.fails(&place, Task::Monitor, 20_000, 1, "");
    assert!(told.failures().iter().all(|it| it.banned), "the third");
    let moved = told.status().services[0].clone();
    assert!(moved.assembly != place && moved.failures == 3, "{moved:?}");
}

#[test]
fn failures_that_block_are_not_forgotten_by_themselves() {
    let meta = [("failure-timeout", "60s")];
    let db = monitored("db", &meta, "on-fail=\"block\"");
    let mut told = Told::new(document(1, "", &resources(&db)));
    told.answers("n1", vec![]);
    told.fails("n1", Task::Monitor, 10_000, 7, "");
    let failures = told.failures();
    assert_eq!((failures[0].count, failures[0].forgotten), (1, 0));
    let own = told.status().resources[0].clone();
    assert!(own.enabled);
}

#[test]
fn constraints_that_a_move_left_are_told_and_no_others() {
    let location = |id: &str, node: &str, score: &str| {
        format!("<rsc_location id=\"{id}\" rsc=\"db\" node=\"{node}\" score=\"{score}\"/>")
    };
    let configuration = format!(
        "{}<constraints>{}{}{}</constraints>",
        resources(&primitive("db", &[])),
        location("cli-ban-db-on-n1", "n1", "-INFINITY"),
        location("cli-prefer-db", "n2", "INFINITY"),
        location("never", "n1", "-INFINITY"),
    );
    let mut told = Told::new(document(2, "", &configuration));
    told.answers("n1", vec![]);
    told.answers("n2", vec![]);
    let bans = told.status().bans;
    let bans: Vec<String> = bans
        .iter()
        .map(|ban| {
            format!(
                "{} {} {} {}",
                ban.constraint, ban.service, ban.assembly, ban.score
            )
        })
        .collect();
    let expected = [
        "cli-ban-db-on-n1 db n1 -INFINITY",
        "cli-prefer-db db n2 INFINITY",
    ];
    assert_eq!(bans, expected);
}

#[test]
fn a_fencing_whose_dpe_was_killed_has_succeeded_when_the_guest_was_rebooted() {
    let mut told = Told::new(document(1, &service("a"), ""));
    told.answers("n1", vec![record("a", Task::Start, 0, 1, 0)]);
    told.wait(6);
    let rows = told.controller.facts().rows();
    let facts = Durable::from_rows(&rows).unwrap();
    told.controller = Controller::new("sim", facts, told.now);
    told.give(Input::Tick);
    told.answers_of_boot("second boot", "n1", Vec::new(), Attributes::default());
    let attempts = told.status().fencing;
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    assert_eq!(attempts[0].result, FencingResult::Succeeded);
    assert_eq!(attempts[0].detail, "its guest was rebooted");
}

#[test]
fn the_history_of_fencing_survives_the_dpe() {
    let mut told = Told::new(document(1, &service("a"), ""));
    told.answers("n1", vec![record("a", Task::Start, 0, 1, 0)]);
    told.wait(6);
    let attempts = told.status().fencing;
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    let first = &attempts[0];
    assert_eq!(
        (first.assembly.as_str(), first.device.as_str()),
        ("n1", "lease")
    );
    assert_eq!((first.result, first.ended), (FencingResult::Pending, 0));
    assert_eq!(first.attempt, told.status().assemblies[0].fencing_attempt);

    // The DPE is killed meanwhile.
    let rows = told.controller.facts().rows();
    let facts = Durable::from_rows(&rows).unwrap();
    told.controller = Controller::new("sim", facts, told.now);
    told.give(Input::Tick);
    let attempts = told.status().fencing;
    let known = (attempts[0].result, attempts[0].began);
    assert_eq!(known, (FencingResult::Pending, first.began));
    told.wait(30);
    told.wait(30);
    let attempts = told.status().fencing;
    let results: Vec<FencingResult> = attempts.iter().map(|it| it.result).collect();
    assert_eq!(results, [FencingResult::Succeeded, FencingResult::GivenUp]);
    assert_eq!(attempts[1].detail, "it is begun again");
    assert!(attempts[0].ended > attempts[0].began);

    told.give(Input::Request(Request::Unload {
        stop_services: false,
    }));
    told.wait(60);
    assert!(
        told.status().fencing.is_empty(),
        "of a deployment that ended"
    );
}

#[test]
fn all_problems_are_told_not_only_the_first() {
    let services = format!("{}{}", service("a"), service("b"));
    let mut told = Told::new(document(1, &services, ""));
    told.answers("n1", vec![]);
    assert_eq!(told.status().problems, [""; 0]);
    told.wait(6);
    let problems = told.status().problems;
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].starts_with("assembly n1 is being made safe"));
    assert!(problems[1].starts_with("service a failed"));
    assert_eq!(told.rows(), ["a  failed stopped", "b  failed stopped"]);
}

/// Bytes that it may have: a message of the system's bus may have 32 MiB.
const LONGEST_STATUS: usize = 1024 * 1024;

#[test]
fn a_status_of_64_assemblies_and_2000_services_fits_into_a_message() {
    let services: String = (0..2000).map(|n| service(&format!("s{n}"))).collect();
    let mut told = Told::undecided(document(64, &services, ""), false);
    for assembly in 1..=64 {
        let own = (0..2000).filter(|n| n % 64 + 1 == assembly);
        let history = own.flat_map(|n| {
            let resource = format!("s{n}");
            [
                record(&resource, Task::Start, 0, 2, 0),
                record(&resource, Task::Monitor, 10_000, 3, 0),
            ]
        });
        // Elsewhere it was looked for, and not found.
        let others = (0..2000).filter(|n| n % 64 + 1 != assembly);
        let probes = others.map(|n| record(&format!("s{n}"), Task::Monitor, 0, 1, 7));
        told.answers(&format!("n{assembly}"), history.chain(probes).collect());
    }
    let status = told.status();
    assert_eq!(status.services.len(), 2000);
    let length = serde_json::to_string(&status).unwrap().len();
    assert!(length < LONGEST_STATUS, "{length}");
}

/// Each operation as `SERVICE ASSEMBLY OPERATION: OUTCOME (MEANING)`.
fn operations(told: &Told, service: Option<&str>, assembly: Option<&str>) -> Vec<String> {
    let (service, assembly) = (service.map(ServiceId::from), assembly.map(AssemblyId::from));
    let known = told
        .controller
        .operations(service.as_ref(), assembly.as_ref());
    let rows = known.unwrap().operations.into_iter().map(|row| {
        let OperationStatus {
            service,
            assembly,
            operation,
            outcome,
            meaning,
            ..
        } = row;
        format!("{service} {assembly} {operation}: {outcome} ({meaning})")
    });
    rows.collect()
}

#[test]
fn the_last_operations_are_told_with_time_result_and_failures() {
    let mut told = Told::new(document(2, "", &resources(&monitored("db", &[], ""))));
    let mut start = record("db", Task::Start, 0, 3, 0);
    (start.started, start.exec_ms, start.queue_ms) = (1_799_999_001_000_000, 1200, 30);
    told.answers("n1", vec![start, record("db", Task::Monitor, 0, 2, 7)]);
    told.answers("n2", vec![record("db", Task::Monitor, 0, 1, 7)]);
    told.fails("n1", Task::Monitor, 10_000, 1, "no answer on port 5432");
    let all = operations(&told, None, None);
    let expected = [
        "db n1 monitor: done (not running)",
        "db n1 start: done (ok)",
        "db n1 monitor/20000: done (ok)",
        "db n1 stop: done (ok)",
    ];
    let known = told.controller.operations(None, None).unwrap();
    for line in expected {
        assert!(all.contains(&line.to_owned()), "{line} is not in {all:#?}");
    }
    assert_eq!((known.deployment.as_str(), known.left_out), ("sim", 0));
    assert!(operations(&told, None, Some("n2"))[0].starts_with("db n2 monitor: "));
    assert!(
        operations(&told, None, Some("n2"))
            .iter()
            .all(|row| !row.contains(" n1 "))
    );
    let of = |operation: &str| {
        let mut own = known.operations.iter();
        own.find(|it| it.operation == operation && it.assembly == "n1")
            .unwrap()
    };
    // The failed monitor was followed by a stop, a start and a new monitor: what is forgotten of it
    // is its result, and not that it failed.
    let monitor = of("monitor/10000");
    assert_eq!((monitor.failures, monitor.last_failure > 0), (1, true));
    let probe = of("monitor");
    assert!(!probe.failed && probe.rc == Some(7) && probe.failures == 0);
    assert_eq!(probe.time, 1_799_999_002_000_000);
}

#[test]
fn an_operation_says_how_long_it_took_and_waited_and_why_it_failed() {
    let mut told = Told::undecided(document(1, &service("db"), ""), false);
    let mut slow = record("db", Task::Start, 0, 3, 1);
    (slow.started, slow.exec_ms, slow.queue_ms) = (1_799_999_001_000_000, 20_000, 30);
    (slow.status, slow.operation.timeout_ms) = (2, 20_000);
    slow.exit_reason = "é".repeat(300);
    told.answers("n1", vec![slow]);
    let known = told.controller.operations(None, None).unwrap();
    let [start] = &known.operations[..] else {
        panic!("{known:?}");
    };
    assert_eq!(start.outcome, OperationOutcome::TimedOut);
    assert_eq!(start.meaning, "timed out after 20000 ms");
    assert_eq!((start.rc, start.failed), (None, true));
    assert_eq!((start.took_ms, start.waited_ms), (Some(20_000), Some(30)));
    assert_eq!(start.reason.len(), 256, "bounded");
}

#[test]
fn who_asks_for_the_operations_of_nothing_is_told_what_there_is() {
    let group = format!(
        "<group id=\"pair\">{}{}</group>",
        primitive("a", &[]),
        primitive("b", &[])
    );
    let unique = [
        ("globally-unique", "true"),
        ("clone-max", "2"),
        ("clone-node-max", "2"),
    ];
    let web = clone("webs", &unique, &primitive("web", &[]));
    let mut told = Told::undecided(document(1, "", &resources(&(group + &web))), false);
    let probe = |name| record(name, Task::Monitor, 0, 1, 7);
    told.answers("n1", ["a", "b", "web:0", "web:1"].map(probe).to_vec());
    let of = |name| {
        let rows = operations(&told, Some(name), None).into_iter();
        rows.map(|row| row.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("pair"), ["a", "b"]);
    assert_eq!(of("web"), ["web:0", "web:1"]);
    assert_eq!(of("webs"), ["web:0", "web:1"]);
    assert_eq!(of("web:1"), ["web:1"]);
    assert_eq!(of("b"), ["b"]);
    let unknown = told
        .controller
        .operations(Some(&"x".into()), None)
        .unwrap_err();
    assert!(
        unknown.to_string().contains("there is no service \"x\""),
        "{unknown}"
    );
    let unknown = told
        .controller
        .operations(None, Some(&"x".into()))
        .unwrap_err();
    assert!(
        unknown.to_string().contains("there is no assembly \"x\""),
        "{unknown}"
    );
}

#[test]
fn of_very_many_operations_the_failed_and_the_newest_are_told() {
    let services: String = (0..1100)
        .map(|number| service(&format!("s{number}")))
        .collect();
    let mut told = Told::undecided(document(1, &services, ""), false);
    let probe = |number: u32| record(&format!("s{number}"), Task::Monitor, 0, number + 1, 7);
    let mut history: Vec<Record> = (0..1100).map(probe).collect();
    history[0].rc = 5;
    told.answers("n1", history);
    let known = told.controller.operations(None, None).unwrap();
    assert_eq!((known.operations.len(), known.left_out), (1000, 100));
    let names: Vec<&str> = known
        .operations
        .iter()
        .map(|it| it.service.as_str())
        .collect();
    assert!(names.contains(&"s0"), "it failed");
    assert!(!names.contains(&"s1") && names.contains(&"s1099"), "by age");
}

#[test]
fn a_service_that_waits_for_its_start_delay_says_so() {
    let mut told = Told::undecided(document(1, &service("db"), ""), false);
    let mut start = record("db", Task::Start, 0, 3, 0);
    start.state = RecordState::Pending;
    let delay = ("CRM_meta_start_delay".to_owned(), "30000".to_owned());
    start.operation.meta.insert(delay.0, delay.1);
    told.answers("n1", vec![start.clone()]);
    let remark = |told: &Told| told.status().services[0].reason.clone();
    assert_eq!(remark(&told), "its start waits for its start delay (30 s)");
    assert_eq!(
        operations(&told, None, None),
        ["db n1 start: pending (waits for its start delay (30 s))"]
    );
    start.started = 1_799_999_001_000_000;
    let record = Box::new(start);
    told.give(Input::OperationCompleted {
        assembly: "n1".into(),
        record,
    });
    assert_eq!(remark(&told), "");
}

#[test]
fn what_was_sent_is_the_last_operation_and_told_once() {
    let mut told = Told::new(document(1, &service("db"), ""));
    told.holds = true;
    told.answers("n1", vec![record("db", Task::Monitor, 0, 3, 7)]);
    let expected = [
        "db n1 monitor: done (not running)",
        "db n1 start: pending (has not ended)",
    ];
    assert_eq!(operations(&told, None, None), expected);
    let start = Record {
        operation: told.orders.last().unwrap().clone(),
        state: RecordState::Pending,
        call_id: 4,
        started: told.now.wall_us,
        ..Record::default()
    };
    let record = Box::new(start);
    told.give(Input::OperationCompleted {
        assembly: "n1".into(),
        record,
    });
    assert_eq!(operations(&told, None, None), expected);
}

#[test]
fn an_assembly_whose_document_names_another_host_is_on_none_until_it_is_heard() {
    let load = |told: &mut Told, host: &str, generation: u64| {
        let named = format!("name=\"n1\" host=\"{host}\" ");
        let document = document(1, &service("a"), "").replace("name=\"n1\" ", &named);
        told.give(Input::Request(Request::Load {
            document,
            generation,
            in_doubt: Default::default(),
        }));
    };
    let host = |told: &Told| told.status().assemblies[0].host.clone();
    let mut told = Told::new(document(1, &service("a"), ""));
    load(&mut told, "compute-7", 2);
    told.answers("n1", vec![record("a", Task::Start, 0, 1, 0)]);
    assert_eq!(host(&told), "compute-7");
    told.wait(6);
    assert_eq!(told.status().assemblies[0].state, AssemblyState::Fencing);
    // It may have moved before it was lost, or not.
    load(&mut told, "compute-8", 3);
    assert_eq!(host(&told), "");
    // A DPE that is started again does not know it either.
    let facts = Durable::from_rows(&told.controller.facts().rows()).unwrap();
    told.controller = Controller::new("sim", facts, told.now);
    told.give(Input::Tick);
    assert_eq!(host(&told), "");
    load(&mut told, "compute-7", 4);
    assert_eq!(host(&told), "compute-7");
    load(&mut told, "compute-8", 5);
    told.answers("n1", vec![record("a", Task::Start, 0, 1, 0)]);
    assert_eq!(host(&told), "compute-8");
}
