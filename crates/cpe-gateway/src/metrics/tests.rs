//! Pages of deployments that are made up.

use std::collections::BTreeSet;
use std::time::Duration;

use cpe_bus::DeploymentEntry;
use cpe_status::{
    AssemblyState, AssemblyStatus, DeploymentState, DeploymentStatus, FailureStatus,
    INFINITE_FAILURES, ResourceKind, ResourceStatus, RoomReport, RoomStatus, ServiceState,
    ServiceStatus, SinkNumbers,
};

use super::*;
use crate::mirror::{Seen, Tally};

fn service(name: &str, state: ServiceState, assembly: &str, failures: u32) -> ServiceStatus {
    ServiceStatus {
        name: name.into(),
        service: name.split(':').next().unwrap().into(),
        agent: "ocf:heartbeat:nginx".into(),
        assembly: assembly.into(),
        state,
        failures,
        ..ServiceStatus::default()
    }
}

fn seen(name: &str, assemblies: usize, services: Vec<ServiceStatus>) -> Seen {
    let assembly = |number: usize| AssemblyStatus {
        name: format!("a{number}"),
        state: AssemblyState::Online,
        last_heartbeat: 1_700_000_000_500_000,
        ..AssemblyStatus::default()
    };
    let status = DeploymentStatus {
        name: name.into(),
        generation: 1,
        epoch: 1,
        assemblies: (0..assemblies).map(assembly).collect(),
        services,
        ..DeploymentStatus::default()
    };
    Seen {
        entry: DeploymentEntry {
            name: name.into(),
            state: DeploymentState::Degraded,
            generation: 1,
            ..DeploymentEntry::default()
        },
        status: Some(Arc::new(status)),
        fetched: None,
    }
}

fn facts(seen: Vec<Seen>) -> Facts {
    Facts {
        cpe: "1.0".into(),
        age: Duration::from_millis(250),
        seen,
        tally: Tally::default(),
        whole: Some(Whole {
            sinks: vec![SinkNumbers {
                name: "pa\"ger".into(),
                lag: Some(3),
                failed: 2,
                ..SinkNumbers::default()
            }],
            requests: Requests::default(),
        }),
        max_series: 20_000,
    }
}

fn text(facts: Facts) -> String {
    page(Arc::new(facts), Page::Own, Format::Text).unwrap()
}

/// The series of a page, without their values.
fn series(text: &str) -> BTreeSet<&str> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect()
}

#[test]
fn a_page_has_what_is_known_and_zeros_where_there_is_nothing() {
    let services = vec![
        service("web:0", ServiceState::Started, "a0", 1),
        service("web:1", ServiceState::Failed, "", 2),
        service("db", ServiceState::Promoted, "a1", INFINITE_FAILURES),
    ];
    let text = text(facts(vec![seen("shop", 2, services)]));
    for line in [
        "# TYPE cpe_events_total counter",
        "cpe_events_total{kind=\"other\"} 0",
        "cpe_events_total{kind=\"assembly.lost\"} 0",
        "cpe_build_info{component=\"cpe\",version=\"1.0\"} 1",
        "cpe_gateway_mirror_age_seconds 0.25",
        "cpe_metrics_dropped_series 0",
        "cpe_deployment_state{deployment=\"shop\",state=\"degraded\"} 1",
        "cpe_deployment_state{deployment=\"shop\",state=\"active\"} 0",
        "cpe_assemblies{deployment=\"shop\",state=\"online\"} 2",
        "cpe_assemblies{deployment=\"shop\",state=\"lost\"} 0",
        "cpe_services{deployment=\"shop\",state=\"failed\"} 1",
        "cpe_service_running{deployment=\"shop\",service=\"web\"} 1",
        "cpe_service_failures{deployment=\"shop\",service=\"web\"} 3",
        "cpe_service_failures{deployment=\"shop\",service=\"db\"} 1000000",
        "cpe_assembly_online{deployment=\"shop\",assembly=\"a0\"} 1",
        "cpe_assembly_last_heartbeat_timestamp_seconds{deployment=\"shop\",assembly=\"a0\"} 1700000000.5",
        "cpe_overlay_entries{deployment=\"shop\",kind=\"ban\"} 0",
        "cpe_dpe_restarts_total{deployment=\"shop\"} 0",
        "cpe_sink_lag_events{sink=\"pa\\\"ger\"} 3",
        "cpe_sink_deliveries_total{sink=\"pa\\\"ger\",outcome=\"failed\"} 2",
        "cpe_failover_duration_seconds_bucket{le=\"+Inf\"} 0",
    ] {
        assert!(
            text.lines().any(|it| it == line),
            "{line} is not in\n{text}"
        );
    }
    // What is not known is not there.
    let absent = [
        "cpe_deployment_survives_loss{",
        "cpe_deployment_changed_timestamp_seconds{",
        "cpe_sink_last_success_timestamp_seconds{",
    ];
    assert!(!absent.iter().any(|name| text.contains(name)), "{text}");
}

#[test]
fn room_is_told_only_where_it_is_known() {
    let survives = |holds, sentence: &str| {
        let mut seen = seen("shop", 1, Vec::new());
        let mut status = (*seen.status.unwrap()).clone();
        status.room = Some(RoomStatus {
            holds,
            text: sentence.into(),
            ..RoomStatus::default()
        });
        seen.status = Some(Arc::new(status));
        let text = text(facts(vec![seen]));
        let mut lines = text.lines();
        let line = lines.find_map(|it| it.strip_prefix("cpe_deployment_survives_loss{"));
        line.map(str::to_owned)
    };
    assert_eq!(survives(true, "yes").unwrap(), "deployment=\"shop\"} 1");
    let missing = "no: db would not run without a1";
    assert_eq!(survives(false, missing).unwrap(), "deployment=\"shop\"} 0");
    let cut_short = RoomReport {
        not_looked_at: 3,
        ..RoomReport::default()
    };
    assert_eq!(survives(false, &cut_short.text()), None);
}

#[test]
fn a_move_makes_no_new_series() {
    let at = |assembly: &str, state| {
        let services = vec![service("db", state, assembly, 0)];
        facts(vec![seen("shop", 3, services)])
    };
    let before = text(at("a0", ServiceState::Started));
    let between = text(at("", ServiceState::Stopping));
    let after = text(at("a2", ServiceState::Promoted));
    assert_eq!(series(&before), series(&between));
    assert_eq!(series(&before), series(&after));
}

#[test]
fn too_many_series_are_left_out_by_whole_deployments() {
    let one = |name: &str, services: usize| {
        let services = (0..services).map(|number| {
            let name = format!("s{number}");
            service(&name, ServiceState::Started, "a0", 0)
        });
        seen(name, 1, services.collect())
    };
    // 2 of the assembly, and 2 of each service.
    let mut many = facts(vec![one("a", 4), one("big", 50), one("c", 4), one("d", 4)]);
    many.max_series = 25;
    let text = text(many);
    assert!(
        text.contains("\ncpe_metrics_dropped_series 112\n"),
        "{text}"
    );
    let has = |name: &str| text.contains(&format!("cpe_service_running{{deployment=\"{name}\""));
    assert_eq!(["a", "big", "c", "d"].map(has), [true, false, true, false]);
    let as_a_whole = "cpe_services{deployment=\"big\",state=\"started\"} 50";
    assert!(text.contains(as_a_whole), "{text}");
    let parts = series(&text).into_iter().filter(|it| {
        [
            "cpe_service_running",
            "cpe_service_failures",
            "cpe_assembly_",
        ]
        .iter()
        .any(|name| it.starts_with(name))
    });
    assert!(parts.count() <= 25);
}

#[test]
fn a_deployment_of_which_nothing_is_known_has_its_state_alone() {
    let mut stored = seen(
        "shop",
        1,
        vec![service("db", ServiceState::Started, "a0", 0)],
    );
    let status = DeploymentStatus {
        epoch: 0,
        ..(*stored.status.unwrap()).clone()
    };
    stored.status = Some(Arc::new(status));
    let text = text(facts(vec![stored]));
    assert!(text.contains("cpe_deployment_state{deployment=\"shop\",state=\"degraded\"} 1"));
    assert!(!text.contains("cpe_services{") && !text.contains("cpe_service_running{"));
}

#[test]
fn a_page_of_open_metrics_ends_as_it_must() {
    let facts = Arc::new(facts(vec![seen("shop", 1, Vec::new())]));
    let text = page(facts, Page::Own, Format::OpenMetrics).unwrap();
    assert!(text.ends_with("\n# EOF\n"));
    assert!(text.contains("# TYPE cpe_events counter\n"));
}

#[test]
fn pacemakers_numbers_are_as_its_exporter_has_them() {
    let services = vec![
        service("web:0", ServiceState::Promoted, "a0", 0),
        service("old", ServiceState::Started, "a1", 0),
    ];
    let mut shop = seen("shop", 2, services);
    let mut status = (*shop.status.unwrap()).clone();
    let web = ResourceStatus {
        name: "web".into(),
        kind: ResourceKind::Service,
        ..ResourceStatus::default()
    };
    let nest = |name: &str, kind, member| ResourceStatus {
        name: name.into(),
        kind,
        members: vec![member],
        ..ResourceStatus::default()
    };
    let group = nest("front", ResourceKind::Group, web);
    status.resources = vec![nest("front-clone", ResourceKind::Clone, group)];
    status.assemblies[1].state = AssemblyState::Fencing;
    let failure = |operation: &str, count| FailureStatus {
        service: "web:0".into(),
        assembly: "a1".into(),
        operation: operation.into(),
        count,
        ..FailureStatus::default()
    };
    status.failures = vec![
        failure("start", INFINITE_FAILURES),
        failure("monitor/10000", 2),
    ];
    shop.status = Some(Arc::new(status));
    let facts = Arc::new(facts(vec![shop]));
    let text = page(facts, Page::Pacemaker, Format::Text).unwrap();
    for line in [
        "ha_cluster_pacemaker_nodes{deployment=\"shop\",node=\"a0\",type=\"member\",status=\"online\"} 1",
        "ha_cluster_pacemaker_nodes{deployment=\"shop\",node=\"a1\",type=\"member\",status=\"online\"} 0",
        "ha_cluster_pacemaker_nodes{deployment=\"shop\",node=\"a1\",type=\"member\",status=\"unclean\"} 1",
        "ha_cluster_pacemaker_resources{deployment=\"shop\",node=\"a0\",resource=\"web\",role=\"master\",managed=\"true\",status=\"active\",agent=\"ocf:heartbeat:nginx\",group=\"front\",clone=\"front-clone\"} 1",
        "ha_cluster_pacemaker_resources{deployment=\"shop\",node=\"a1\",resource=\"old\",role=\"started\",managed=\"true\",status=\"orphaned\",agent=\"ocf:heartbeat:nginx\",group=\"\",clone=\"\"} 1",
        "ha_cluster_pacemaker_fail_count{deployment=\"shop\",node=\"a1\",resource=\"web:0\"} +Inf",
        "cpe_metrics_dropped_series 0",
    ] {
        assert!(
            text.lines().any(|it| it == line),
            "{line} is not in\n{text}"
        );
    }
}

/// Every family of a page of the text format.
fn families(text: &str) -> BTreeSet<&str> {
    let types = text.lines().filter_map(|it| it.strip_prefix("# TYPE "));
    types.map(|it| it.split(' ').next().unwrap()).collect()
}

const OPERATIONS: &str = include_str!("../../../../docs/operations.md");

#[test]
fn every_family_is_documented_and_no_other_one() {
    let facts = Arc::new(facts(Vec::new()));
    let page = |which| page(Arc::clone(&facts), which, Format::Text).unwrap();
    let (own, pacemaker) = (page(Page::Own), page(Page::Pacemaker));
    let exported: BTreeSet<&str> = families(&own)
        .union(&families(&pacemaker))
        .copied()
        .collect();
    let documented: BTreeSet<&str> = OPERATIONS
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.starts_with("cpe_") || name.starts_with("ha_cluster_"))
        .map(|name| name.split('{').next().unwrap())
        .collect();
    assert_eq!(exported, documented);
}

const RULES: &str = include_str!("../../../../systemd/usr/share/cpe-gateway/cpe.rules.yml");
const DASHBOARD: &str =
    include_str!("../../../../systemd/usr/share/cpe-gateway/cpe-dashboard.json");

#[test]
fn alerts_and_dashboard_ask_for_what_there_is() {
    let facts = Arc::new(facts(Vec::new()));
    let page = page(facts, Page::Own, Format::Text).unwrap();
    let exported = families(&page);
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for text in [RULES, DASHBOARD] {
        let words = text.split(|c| !is_part(c));
        let mut count = 0;
        for name in words.filter(|word| word.starts_with("cpe_")) {
            let parts = ["_bucket", "_sum", "_count"];
            let whole = parts.iter().find_map(|part| name.strip_suffix(part));
            let is_there = exported.contains(name) || whole.is_some_and(|it| exported.contains(it));
            assert!(is_there, "there is no {name}");
            count += 1;
        }
        assert!(count >= 8, "{count}");
    }
}

#[test]
fn every_alert_leads_to_a_place_that_says_what_to_do() {
    let headings = OPERATIONS
        .lines()
        .filter_map(|line| line.strip_prefix("#### "));
    let anchors: BTreeSet<String> = headings.map(str::to_lowercase).collect();
    let mut alerts = 0;
    for alert in RULES.split("- alert: ").skip(1) {
        let name = alert.lines().next().unwrap();
        for key in ["severity: ", "summary: ", "description: "] {
            assert!(alert.contains(key), "{name} has no {key}");
        }
        let link = alert.split_once("operations.md#").unwrap().1;
        let anchor = link.split('"').next().unwrap();
        assert_eq!(anchor, name.to_lowercase());
        assert!(anchors.contains(anchor), "operations.md has no {anchor}");
        alerts += 1;
    }
    assert_eq!(alerts, 9);
}

#[test]
fn the_dashboard_has_its_variables_and_rows() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let texts = |list: &serde_json::Value, key: &str| -> Vec<String> {
        let all = list.as_array().unwrap().iter();
        all.filter_map(|it| Some(it[key].as_str()?.to_owned()))
            .collect()
    };
    let variables = texts(&dashboard["templating"]["list"], "name");
    assert_eq!(variables, ["datasource", "deployment"]);
    let panels = dashboard["panels"].as_array().unwrap();
    let rows: Vec<&str> = panels
        .iter()
        .filter(|panel| panel["type"] == "row")
        .filter_map(|panel| panel["title"].as_str())
        .collect();
    let expected = [
        "States",
        "Services by state",
        "Failovers",
        "Transitions",
        "Events",
        "Sinks",
        "Gateway",
    ];
    assert_eq!(rows, expected);
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}");
            assert!(!texts(&panel["targets"], "expr").is_empty(), "{panel}");
        }
    }
}

/// How long this thread had a processor, ns: others have it now and then.
fn on_processor() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_page_of_ten_times_as_many_deployments_takes_some_ten_times_as_long() {
    let many = |count: usize| {
        let one = |number: usize| {
            let services = (0..8).map(|it| {
                let name = format!("service-{it}");
                service(&name, ServiceState::Started, "a1", 0)
            });
            seen(&format!("deployment-{number:04}"), 4, services.collect())
        };
        let mut facts = facts((0..count).map(one).collect());
        facts.max_series = 1_000_000;
        Arc::new(facts)
    };
    // As many deployments in all: what is read by the tick of a clock is no short time.
    let took = |rounds: u32, facts: &Arc<Facts>| {
        let begun = on_processor();
        for _ in 0..rounds {
            page(Arc::clone(facts), Page::Own, Format::Text).unwrap();
        }
        on_processor() - begun
    };
    let (few, many) = (took(100, &many(100)), took(10, &many(1000)));
    assert!(many < 4 * few, "{many} ns instead of {few} ns");
}
