//! The last inputs of the policy engine and its answers, for people: `policy-simulate -x FILE -S`
//! replays any decision.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use controller::InputName;
use tokio::task::JoinSet;

/// Inputs that may wait for the disk. One more is not kept: a disk that hangs must not fill memory.
const WAITING: usize = 4;

/// A ring of files `input-NN.xml` and `graph-NN.xml`; and `refused-input-NN.xml` and
/// `refused-graph-NN.xml` of decisions that were refused.
#[derive(Debug)]
pub(crate) struct KeptInputs {
    directory: PathBuf,
    slots: u64,
    made: bool,
}

/// An input, and the answer to it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub name: InputName,
    pub cib: String,
    pub graph: String,
}

/// Keeps inputs on a thread of its own, one at a time.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Not while one is being written.
    files: Option<KeptInputs>,
    writes: JoinSet<KeptInputs>,
    waiting: VecDeque<Kept>,
}

impl Keeper {
    pub(crate) fn new(files: KeptInputs) -> Keeper {
        Keeper {
            files: Some(files),
            writes: JoinSet::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Has one kept. Never waits.
    pub(crate) fn keep(&mut self, kept: Kept) {
        if self.waiting.len() >= WAITING {
            tracing::warn!("an input of the policy engine is not kept: the disk is too slow");
            return;
        }
        self.waiting.push_back(kept);
        self.begin();
    }

    fn begin(&mut self) {
        if let Some(mut files) = self.files.take() {
            let Some(kept) = self.waiting.pop_front() else {
                self.files = Some(files);
                return;
            };
            self.writes.spawn_blocking(move || {
                files.keep(kept.name, &kept.cib, &kept.graph);
                files
            });
        }
    }

    /// Goes on when one is kept. May be dropped and called again.
    pub(crate) async fn turn(&mut self) {
        match self.writes.join_next().await {
            Some(Ok(files)) => {
                self.files = Some(files);
                self.begin();
            }
            Some(Err(error)) => tracing::error!("inputs are not kept any more: {error}"),
            None => std::future::pending().await,
        }
    }
}

impl KeptInputs {
    /// Keeps `slots` of them below `state/inputs`.
    pub(crate) fn new(state: &Path, slots: u64) -> KeptInputs {
        KeptInputs {
            directory: state.join("inputs"),
            slots,
            made: false,
        }
    }

    /// Keeps one; best effort.
    pub(crate) fn keep(&mut self, name: InputName, cib: &str, graph: &str) {
        let (prefix, slot) = match name {
            InputName::Transition(_) if self.slots == 0 => return,
            InputName::Transition(number) => ("", number % self.slots),
            InputName::Refused(slot) => ("refused-", slot),
        };
        if let Err(error) = self.try_keep(prefix, slot, cib, graph) {
            tracing::warn!(
                "cannot keep an input of the policy engine ({name:?}) in {}: {error}",
                self.directory.display()
            );
        }
    }

    fn try_keep(&mut self, prefix: &str, slot: u64, cib: &str, graph: &str) -> std::io::Result<()> {
        if !self.made {
            std::fs::create_dir_all(&self.directory)?;
            self.made = true;
        }
        let file = |what: &str| self.directory.join(format!("{prefix}{what}-{slot:02}.xml"));
        std::fs::write(file("input"), cib)?;
        std::fs::write(file("graph"), graph)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_last_ones_only() {
        let directory = tempfile::tempdir().unwrap();
        let mut kept = KeptInputs::new(directory.path(), 2);
        for number in 1..=3 {
            let name = InputName::Transition(number);
            kept.keep(name, &format!("cib {number}"), "graph");
        }
        let read = |name: &str| std::fs::read_to_string(directory.path().join("inputs").join(name));
        assert_eq!(read("input-00.xml").unwrap(), "cib 2");
        assert_eq!(read("input-01.xml").unwrap(), "cib 3");
        assert!(read("input-02.xml").is_err());
    }

    #[tokio::test]
    async fn a_crowd_is_kept_in_order_and_the_rest_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let mut keeper = Keeper::new(KeptInputs::new(directory.path(), 100));
        for number in 0..WAITING as u64 + 3 {
            keeper.keep(Kept {
                name: InputName::Transition(number),
                cib: number.to_string(),
                graph: String::new(),
            });
        }
        while !keeper.writes.is_empty() {
            keeper.turn().await;
        }
        let files = std::fs::read_dir(directory.path().join("inputs")).unwrap();
        // One was being written while the others waited.
        assert_eq!(files.count(), 2 * (WAITING + 1));
    }

    #[test]
    fn it_keeps_what_was_refused_apart_and_in_any_case() {
        let directory = tempfile::tempdir().unwrap();
        KeptInputs::new(directory.path(), 0).keep(InputName::Transition(1), "cib", "graph");
        assert!(!directory.path().join("inputs").exists());
        KeptInputs::new(directory.path(), 0).keep(InputName::Refused(2), "cib", "graph");
        let read = |name: &str| std::fs::read_to_string(directory.path().join("inputs").join(name));
        assert_eq!(read("refused-input-02.xml").unwrap(), "cib");
        assert_eq!(read("refused-graph-02.xml").unwrap(), "graph");
    }
}
