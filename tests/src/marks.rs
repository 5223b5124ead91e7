//! What the witnesses wrote: when which process of which service ran.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};

/// Microseconds of CLOCK_MONOTONIC, which the guests share with this machine.
pub type Micros = i64;

/// The present moment.
pub fn now_us() -> Micros {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

/// One process of a service, from its first mark to its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub guest: String,
    /// The boot of the guest, and the process in it.
    pub process: String,
    pub from: Micros,
    /// When it was last seen alive by itself. It may have run for another beat.
    pub to: Micros,
    /// The longest time between two of its marks: so long it stood still.
    pub longest_pause: Micros,
}

/// The runs of each service, in the order in which they began.
pub type Runs = BTreeMap<String, Vec<Run>>;

/// The folder that the guests share, and what is in it.
pub struct Marks {
    folder: PathBuf,
}

impl Marks {
    /// `folder`: where the witnesses write, as this process sees it.
    pub fn new(folder: &Path) -> Marks {
        Marks {
            folder: folder.to_owned(),
        }
    }

    /// All runs until now.
    ///
    /// # Errors
    /// The folder cannot be read, or a file in it is not the work of a witness.
    pub fn runs(&self) -> anyhow::Result<Runs> {
        let mut runs = Runs::new();
        for entry in std::fs::read_dir(&self.folder).context("the witnesses' folder")? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Some((service, "marks")) = name
                .split_once('.')
                .map(|(service, rest)| (service, rest.rsplit('.').next().unwrap_or("")))
            else {
                continue;
            };
            let text = std::fs::read_to_string(&path)?;
            if let Some(run) = parse(&text).with_context(|| path.display().to_string())? {
                runs.entry(service.to_owned()).or_default().push(run);
            }
        }
        for list in runs.values_mut() {
            list.sort_by_key(|run| run.from);
        }
        Ok(runs)
    }

    /// The processes that found the lock of their service held by another one, as they wrote it.
    pub fn refused_locks(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join("overlaps")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// The marks of one process; `None` while it has not written its first line.
fn parse(text: &str) -> anyhow::Result<Option<Run>> {
    // The last line may be half written.
    let mut lines = text
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'));
    let Some(first) = lines.next() else {
        return Ok(None);
    };
    let words: Vec<&str> = first.split(' ').collect();
    let ["start", from, guest, boot, pid] = words[..] else {
        anyhow::bail!("the first mark is {first:?}");
    };
    let from = from.parse()?;
    let mut run = Run {
        guest: guest.to_owned(),
        process: format!("{boot}/{pid}"),
        from,
        to: from,
        longest_pause: 0,
    };
    for line in lines {
        let (kind, at) = line.split_once(' ').unwrap_or((line, ""));
        let at: Micros = at.parse().with_context(|| format!("the mark {line:?}"))?;
        // The stop is written by the resource agent, when the process has gone.
        if kind == "beat" {
            run.longest_pause = run.longest_pause.max(at - run.to);
            run.to = run.to.max(at);
        }
    }
    Ok(Some(run))
}

/// Pairs of runs of one service that were alive at the same time.
pub fn overlaps(runs: &Runs) -> Vec<String> {
    let mut found = Vec::new();
    for (service, list) in runs {
        let mut alive: Option<&Run> = None;
        for run in list {
            if let Some(other) = alive.filter(|other| other.to >= run.from) {
                found.push(format!(
                    "{service} ran in {} ({}) until {} and in {} ({}) from {} on",
                    other.guest, other.process, other.to, run.guest, run.process, run.from
                ));
            }
            if alive.is_none_or(|other| other.to < run.to) {
                alive = Some(run);
            }
        }
    }
    found
}

/// How long a service did not run between two moments, in microseconds.
pub fn away(runs: &[Run], from: Micros, to: Micros) -> Micros {
    /// A witness marks itself every 100 ms: a shorter silence is not an absence.
    const SILENCE: Micros = 300_000;
    let mut away = 0;
    let mut seen = from;
    for run in runs.iter().filter(|run| run.to >= from && run.from <= to) {
        if run.from - seen > SILENCE {
            away += run.from - seen;
        }
        seen = seen.max(run.to);
    }
    if to - seen > SILENCE {
        away += to - seen;
    }
    away
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(from: Micros, to: Micros) -> Run {
        Run {
            guest: "a".into(),
            process: format!("boot/{from}"),
            from,
            to,
            longest_pause: 0,
        }
    }

    #[test]
    fn marks_are_read_and_a_half_written_last_line_is_left_out() {
        let read = parse("start 5 web1 b0 77\nbeat 10\nbeat 20\nstop 31\nbeat 3").unwrap();
        let expected = Run {
            guest: "web1".into(),
            process: "b0/77".into(),
            from: 5,
            to: 20,
            longest_pause: 10,
        };
        assert_eq!(read, Some(expected));
        assert_eq!(parse("start 5 we").unwrap(), None);
        assert!(parse("what 5\n").is_err());
    }

    #[test]
    fn two_runs_at_once_are_found_also_when_one_lies_within_the_other() {
        let apart = Runs::from([("db".into(), vec![run(0, 10), run(11, 20)])]);
        assert!(overlaps(&apart).is_empty());
        let touching = Runs::from([("db".into(), vec![run(0, 12), run(11, 20)])]);
        assert_eq!(overlaps(&touching).len(), 1);
        let within = Runs::from([("db".into(), vec![run(0, 90), run(11, 20), run(30, 40)])]);
        assert_eq!(overlaps(&within).len(), 2);
        let elsewhere = Runs::from([
            ("db".into(), vec![run(0, 12)]),
            ("web".into(), vec![run(11, 20)]),
        ]);
        assert!(overlaps(&elsewhere).is_empty());
    }

    #[test]
    fn absences_are_added_up_within_the_window_only() {
        let second = 1_000_000;
        let runs = [run(0, 2 * second), run(5 * second, 9 * second)];
        assert_eq!(away(&runs, 0, 9 * second), 3 * second);
        assert_eq!(away(&runs, 3 * second, 9 * second), 2 * second);
        assert_eq!(away(&runs, 0, 4 * second), 2 * second);
        assert_eq!(away(&runs, 6 * second, 11 * second), 2 * second);
        assert_eq!(away(&runs, 6 * second, 8 * second), 0);
        assert_eq!(away(&[], 0, second), second);
    }
}
