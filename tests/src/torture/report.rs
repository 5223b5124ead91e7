//! What is found and printed at the end.

use std::collections::{BTreeMap, BTreeSet};

use end_to_end::Event;
use end_to_end::marks::{Micros, Runs, away};

use crate::plan::Kind;

/// From the begin of a fault until everything was healthy again.
pub(crate) struct Window {
    /// The faults that came in it.
    pub(crate) kinds: Vec<Kind>,
    pub(crate) from: Micros,
    pub(crate) to: Micros,
}

/// How long services were away, by kind of fault: a line for each kind. Faults of which several
/// were in force together have one line for all.
pub(crate) fn table(windows: &[Window], runs: &Runs) -> String {
    let mut by_kind: BTreeMap<&str, (usize, Vec<Micros>)> = BTreeMap::new();
    for window in windows {
        let name = match window.kinds[..] {
            [kind] => kind.name(),
            _ => "several together",
        };
        let (times, absences) = by_kind.entry(name).or_default();
        *times += 1;
        let each = runs.values().map(|list| away(list, window.from, window.to));
        absences.extend(each.filter(|&micros| micros > 0));
    }
    let mut text = format!(
        "{:<28} {:>6} {:>14} {:>10} {:>10}\n",
        "fault", "times", "services away", "median", "worst"
    );
    for (name, (times, mut absences)) in by_kind {
        absences.sort_unstable();
        let seconds = |micros: Option<&Micros>| {
            micros.map_or_else(
                || "-".into(),
                |&micros| format!("{:.1} s", micros as f64 / 1e6),
            )
        };
        text.push_str(&format!(
            "{:<28} {times:>6} {:>14} {:>10} {:>10}\n",
            name,
            absences.len(),
            seconds(absences.get(absences.len() / 2)),
            seconds(absences.last()),
        ));
    }
    text
}

/// What is wrong with an event log: an event that is there twice, or a gap. A log ends with its
/// database; the next one begins again.
pub(crate) fn faults_of_log(events: &[Event]) -> Vec<String> {
    let mut found = Vec::new();
    let mut ids = BTreeSet::new();
    let mut last: Option<u64> = None;
    for event in events {
        let id = event.field("id");
        if id.is_empty() || !ids.insert(id.clone()) {
            found.push(format!("event {id:?} is there twice, or has no id"));
        }
        let Ok(cursor) = event.field("cursor").parse::<u64>() else {
            found.push(format!("event {id:?} has no cursor"));
            continue;
        };
        if last.is_some_and(|last| cursor != last + 1) {
            found.push(format!("after event {last:?} comes event {cursor}"));
        }
        last = Some(cursor);
    }
    found
}

#[cfg(test)]
mod tests {
    use end_to_end::marks::Run;

    use super::*;

    #[test]
    fn the_table_has_the_absences_of_each_kind() {
        let run = |from, to| Run {
            guest: "a".into(),
            process: "b/1".into(),
            from,
            to,
            longest_pause: 0,
        };
        let second = 1_000_000;
        let runs = Runs::from([(
            "db".into(),
            vec![run(0, second), run(4 * second, 9 * second)],
        )]);
        let window = |kinds: &[Kind], from, to| Window {
            kinds: kinds.to_vec(),
            from,
            to,
        };
        let windows = [
            window(&[Kind::CutPower], 0, 5 * second),
            window(&[Kind::KillCpe], 5 * second, 9 * second),
            window(&[Kind::KillDpe, Kind::KillCpe], 3 * second, 5 * second),
        ];
        let text = table(&windows, &runs);
        let row = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(
            row("power cut").ends_with("1      3.0 s      3.0 s"),
            "{text}"
        );
        assert!(
            row("kill -9 of cpe").ends_with("0          -          -"),
            "{text}"
        );
    }

    #[test]
    fn doubled_events_and_gaps_are_found() {
        let events = |text: &str| Event::parse_all(text);
        let good = "{\"cursor\":1,\"id\":\"x\"}\n{\"cursor\":2,\"id\":\"y\"}";
        assert!(faults_of_log(&events(good)).is_empty());
        let doubled = "{\"cursor\":1,\"id\":\"x\"}\n{\"cursor\":2,\"id\":\"x\"}";
        assert_eq!(faults_of_log(&events(doubled)).len(), 1);
        let gap = "{\"cursor\":1,\"id\":\"x\"}\n{\"cursor\":3,\"id\":\"y\"}";
        assert_eq!(faults_of_log(&events(gap)).len(), 1);
    }
}
