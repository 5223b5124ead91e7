//! Numbers for Prometheus, of a real system in which things fail; and what the alerts make of them.

mod promtool;

use std::collections::BTreeMap;
use std::time::Duration;

use end_to_end::{Lab, System, project_dir};

use crate::gateway::{ask, boot};
use promtool::{Rules, promtool};

/// The scraper sees all.
const ACCESS: &str = r#"delegates = ["cpe-gateway"]
[[grant]]
principal = ["user:alice"]
role = "viewer"
deployments = ["*"]
"#;

/// A sink that takes everything.
const SINK: &str = "type = \"exec\"\ncommand = [\"/bin/true\"]\nall = true\nafter = 0\n";

/// What was scraped: the value of each series.
type Scrape = BTreeMap<String, f64>;

fn page(lab: &Lab) -> String {
    let (status, text) = ask(lab, "http://localhost/metrics");
    assert_eq!(status, "200", "{text}");
    text
}

fn read(text: &str) -> Scrape {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.filter_map(|line| line.rsplit_once(' '));
    samples
        .map(|(series, value)| (series.to_owned(), value.parse().unwrap()))
        .collect()
}

fn scrape(lab: &Lab) -> Scrape {
    read(&page(lab))
}

/// Scrapes one after another.
fn scrapes(lab: &Lab, count: usize) -> Vec<Scrape> {
    let one = |_| {
        std::thread::sleep(Duration::from_millis(500));
        scrape(lab)
    };
    (0..count).map(one).collect()
}

fn home(lab: &Lab) -> String {
    lab.status("shop").assembly_of("db").unwrap_or_default()
}

fn wait_for_value(lab: &Lab, series: &str, value: f64) {
    lab.wait(&format!("{series} is {value}"), 60, || {
        scrape(lab).get(series) == Some(&value)
    });
}

fn wait_until_ready(lab: &Lab) {
    lab.wait("the gateway knows something", 60, || {
        ask(lab, "http://localhost/readyz").0 == "200"
    });
}

#[test]
fn numbers_tell_what_fails_and_alerts_fire_on_them() {
    let lab = boot("gateway-metrics", ACCESS);
    lab.write("/etc/cpe/sinks.d/all.toml", SINK);
    lab.sh("chgrp cpe-notify /etc/cpe/sinks.d/*; chmod 0640 /etc/cpe/sinks.d/*; systemctl start cpe-notify.service")
        .ok();
    wait_until_ready(&lab);
    let online = "cpe_assembly_online{deployment=\"shop\",assembly=\"a\"}";
    wait_for_value(&lab, online, 1.0);
    lab.wait("the sink is known", 60, || {
        let last = "cpe_sink_last_success_timestamp_seconds{sink=\"all\"}";
        scrape(&lab).contains_key(last)
    });
    moves_make_no_series(&lab);
    let (story, lost) = an_assembly_is_lost(&lab);
    let text = page(&lab);
    promtool(&["check", "metrics"], &text);
    let (_, pacemaker) = ask(&lab, "http://localhost/metrics/pacemaker");
    assert!(
        pacemaker.contains("ha_cluster_pacemaker_nodes{"),
        "{pacemaker}"
    );
    // promtool likes no name that ends so, and those dashboards know it by this one.
    let others = pacemaker.replace(
        "ha_cluster_pacemaker_fail_count",
        "ha_cluster_pacemaker_fails",
    );
    promtool(&["check", "metrics"], &others);
    alerts_fire(&story, &lost);
    what_is_asked_for_is_there(&text);
    let scraped = read(&text);
    assert!(
        scraped["cpe_failover_duration_seconds_count"] >= 1.0,
        "{text}"
    );
    assert!(
        scraped["cpe_transition_duration_seconds_count"] >= 4.0,
        "{text}"
    );
    let longest = scraped["cpe_failover_duration_seconds_bucket{le=\"120\"}"];
    assert_eq!(longest, scraped["cpe_failover_duration_seconds_count"]);
    assert_eq!(scraped["cpe_events_total{kind=\"assembly.lost\"}"], 1.0);
    let delivered = "cpe_sink_deliveries_total{sink=\"all\",outcome=\"delivered\"}";
    assert!(scraped[delivered] > 0.0, "{text}");
    // A gateway that is killed begins again at 0.
    lab.sh("systemctl kill --signal=KILL cpe-gateway.service")
        .ok();
    wait_until_ready(&lab);
    wait_for_value(&lab, "cpe_events_total{kind=\"assembly.lost\"}", 0.0);
    wait_for_value(&lab, online, 1.0);
}

fn moves_make_no_series(lab: &Lab) {
    let before: Vec<String> = scrape(lab).into_keys().collect();
    for _ in 0..3 {
        let to = if home(lab) == "a" { "b" } else { "a" };
        lab.cpectl(&["move", "shop", "db", to, "--wait"]).ok();
        lab.wait("it has moved", 60, || home(lab) == to);
    }
    wait_for_value(lab, "cpe_events_total{kind=\"service.moved\"}", 3.0);
    let after: Vec<String> = scrape(lab).into_keys().collect();
    assert_eq!(before, after);
}

/// Before, during and after the loss of the assembly that the service runs in: what was scraped,
/// and which assembly it was.
fn an_assembly_is_lost(lab: &Lab) -> ([Vec<Scrape>; 3], String) {
    let lost = home(lab);
    let active = "cpe_deployment_state{deployment=\"shop\",state=\"active\"}";
    wait_for_value(lab, active, 1.0);
    let before = scrapes(lab, 3);
    lab.cut(&lost);
    lab.wait("it runs elsewhere", 90, || {
        let now = home(lab);
        !now.is_empty() && now != lost
    });
    let offline = "cpe_assemblies{deployment=\"shop\",state=\"offline\"}";
    wait_for_value(lab, offline, 1.0);
    wait_for_value(
        lab,
        "cpe_service_running{deployment=\"shop\",service=\"db\"}",
        1.0,
    );
    let during = scrapes(lab, 8);
    lab.guest("start", &lost);
    wait_for_value(lab, active, 1.0);
    (([before, during, scrapes(lab, 3)]), lost)
}

/// Each scrape stands for a minute, since nobody waits for so long here.
fn alerts_fire(story: &[Vec<Scrape>; 3], lost: &str) {
    let [before, during, _] = story;
    let all: Vec<&Scrape> = story.iter().flatten().collect();
    let mut rules = Rules::of(&all);
    let loss = before.len();
    let shop = ("deployment", "shop");
    let assembly = [shop, ("assembly", lost)];
    let degraded = [shop, ("state", "degraded")];
    for quiet in ["CpeAssemblyLost", "CpeDeploymentDegraded"] {
        rules.is_quiet(quiet, loss - 1);
        rules.is_quiet(quiet, all.len() - 1);
    }
    rules.is_quiet("CpeAssemblyLost", loss);
    rules.fires("CpeAssemblyLost", loss + 1, "warning", &assembly);
    rules.is_quiet("CpeDeploymentDegraded", loss + 4);
    let end = loss + during.len() - 1;
    rules.fires("CpeDeploymentDegraded", end, "warning", &degraded);
    for never in ["CpeDeploymentFailed", "CpeDpeRestarting", "CpeMirrorStale"] {
        for at in 0..all.len() {
            rules.is_quiet(never, at);
        }
    }
    rules.check();
    let file = project_dir().join("tests/tests/system/metrics/rules.test.yml");
    promtool(&["test", "rules", &file.to_string_lossy()], "");
    let file = promtool::rules();
    promtool(&["check", "rules", &file.to_string_lossy()], "");
}

/// Whatever alerts and dashboard name is in what was answered.
fn what_is_asked_for_is_there(text: &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for file in [
        promtool::rules(),
        promtool::rules().with_file_name("cpe-dashboard.json"),
    ] {
        let asked = std::fs::read_to_string(&file).unwrap();
        let words = asked.split(|c| !is_part(c));
        for name in words.filter(|word| word.starts_with("cpe_")) {
            // What is not known yet has its description alone.
            let parts = ["_bucket", "_sum", "_count"];
            let whole = parts.iter().find_map(|part| name.strip_suffix(part));
            let is_there = |name: &str| text.contains(&format!("# TYPE {name} "));
            assert!(is_there(name) || whole.is_some_and(is_there), "{name}");
        }
    }
}
