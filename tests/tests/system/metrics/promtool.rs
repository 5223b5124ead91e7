//! `promtool`, and what the alert rules say of series that were scraped.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use end_to_end::project_dir;

/// The alert rules.
pub(super) fn rules() -> PathBuf {
    project_dir().join("systemd/usr/share/cpe-gateway/cpe.rules.yml")
}

/// Runs promtool, which must have nothing to complain about.
#[track_caller]
pub(super) fn promtool(arguments: &[&str], input: &str) {
    let run = end_to_end::gateway::promtool(arguments, input);
    assert!(
        run.code == 0 && run.stderr.is_empty(),
        "promtool {arguments:?}: {}{}",
        run.stderr,
        run.stdout
    );
}

/// A test of the rules under construction.
pub(super) struct Rules {
    text: String,
}

impl Rules {
    /// About these scrapes, one a minute.
    pub(super) fn of(scrapes: &[&BTreeMap<String, f64>]) -> Rules {
        let mut text = format!(
            "rule_files: [{:?}]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n",
            rules()
        );
        let names: std::collections::BTreeSet<&String> =
            scrapes.iter().flat_map(|it| it.keys()).collect();
        for name in names.into_iter().filter(|name| name.starts_with("cpe_")) {
            let values = scrapes.iter().map(|scrape| match scrape.get(name) {
                Some(value) => value.to_string(),
                None => "_".to_owned(),
            });
            let values: Vec<String> = values.collect();
            let _ = writeln!(
                text,
                "      - series: '{name}'\n        values: '{}'",
                values.join(" ")
            );
        }
        text += "    alert_rule_test:\n";
        Rules { text }
    }

    /// An alert does not fire at that minute.
    pub(super) fn is_quiet(&mut self, alert: &str, minute: usize) {
        let _ = writeln!(
            self.text,
            "      - eval_time: {minute}m\n        alertname: {alert}\n        exp_alerts: []"
        );
    }

    /// An alert fires at that minute, once, with those labels.
    pub(super) fn fires(
        &mut self,
        alert: &str,
        minute: usize,
        severity: &str,
        labels: &[(&str, &str)],
    ) {
        let _ = writeln!(
            self.text,
            "      - eval_time: {minute}m\n        alertname: {alert}\n        exp_alerts:\n          - exp_labels:\n              severity: {severity}"
        );
        for (name, value) in labels {
            let _ = writeln!(self.text, "              {name}: {value}");
        }
        self.text += "            exp_annotations:\n";
        for (name, value) in annotations(alert, labels) {
            let _ = writeln!(self.text, "              {name}: {value:?}");
        }
    }

    /// Has promtool compare.
    #[track_caller]
    pub(super) fn check(&self) {
        let folder = std::env::temp_dir().join(format!("cpe-rules-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("test.yml");
        std::fs::write(&file, &self.text).unwrap();
        promtool(&["test", "rules", &file.to_string_lossy()], "");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

/// What an alert says, with its labels in their places.
fn annotations(alert: &str, labels: &[(&str, &str)]) -> Vec<(String, String)> {
    let rules = std::fs::read_to_string(rules()).unwrap();
    let begin = rules.split(&format!("- alert: {alert}\n")).nth(1).unwrap();
    let own = begin.split("- alert: ").next().unwrap();
    let own = own.split("annotations:\n").nth(1).unwrap();
    let lines = own.lines().filter_map(|line| line.trim().split_once(": "));
    lines
        .map(|(name, value)| {
            let mut value = value.trim_matches('"').to_owned();
            for (label, text) in labels {
                value = value.replace(&format!("{{{{ $labels.{label} }}}}"), text);
            }
            (name.to_owned(), value)
        })
        .collect()
}
