//! What hosts and their fake DPEs have written, and what has to be true of it.

use std::collections::BTreeMap;
use std::path::Path;

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) at_us: u64,
    pub(crate) host: String,
    pub(crate) what: String,
    pub(crate) deployment: String,
    pub(crate) revision: u64,
}

/// All lines that are complete, by time.
pub(crate) fn read(path: &Path) -> Vec<Mark> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
    let mut marks: Vec<Mark> = complete.lines().map(mark).collect();
    marks.sort_by_key(|mark| mark.at_us);
    marks
}

fn mark(line: &str) -> Mark {
    let words: Vec<&str> = line.split(' ').collect();
    let [at_us, host, what, deployment, revision] = words[..] else {
        unreachable!("a broken mark: {line}");
    };
    Mark {
        at_us: at_us.parse().expect("a time"),
        host: host.to_owned(),
        what: what.to_owned(),
        deployment: deployment.to_owned(),
        revision: revision.parse().expect("a revision"),
    }
}

/// Under no two grants of a deployment somebody may act at the same time, and the later one has the
/// higher revision: once a DPE has acted under it, none acts under an earlier one.
pub(crate) fn judge(marks: &[Mark]) {
    let mut newest: BTreeMap<&str, &Mark> = BTreeMap::new();
    let mut acts = 0;
    for mark in marks.iter().filter(|mark| mark.what == "acts") {
        acts += 1;
        if let Some(before) = newest.get(&*mark.deployment) {
            assert!(
                mark.revision >= before.revision,
                "{mark:?} is after {before:?}"
            );
            let is_same = mark.revision == before.revision;
            assert!(!is_same || mark.host == before.host, "{mark:?}, {before:?}");
        }
        newest.insert(&mark.deployment, mark);
    }
    println!("{acts} acts of {} deployments are in order", newest.len());
    assert!(acts > 1_000, "there are only {acts}");
}
