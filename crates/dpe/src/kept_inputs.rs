//! The last inputs of the policy engine and its answers, for people: `policy-simulate -x FILE -S`
//! replays any decision.

use std::path::{Path, PathBuf};

/// A ring of files `input-NN.xml` and `graph-NN.xml`.
#[derive(Debug)]
pub(crate) struct KeptInputs {
    directory: PathBuf,
    slots: u64,
    made: bool,
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
    pub(crate) fn keep(&mut self, number: u64, cib: &str, graph: &str) {
        if self.slots == 0 {
            return;
        }
        if let Err(error) = self.try_keep(number % self.slots, cib, graph) {
            tracing::warn!(
                "cannot keep the policy engine's input {number} in {}: {error}",
                self.directory.display()
            );
        }
    }

    fn try_keep(&mut self, slot: u64, cib: &str, graph: &str) -> std::io::Result<()> {
        if !self.made {
            std::fs::create_dir_all(&self.directory)?;
            self.made = true;
        }
        std::fs::write(self.directory.join(format!("input-{slot:02}.xml")), cib)?;
        std::fs::write(self.directory.join(format!("graph-{slot:02}.xml")), graph)
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
            kept.keep(number, &format!("cib {number}"), "graph");
        }
        let read = |name: &str| std::fs::read_to_string(directory.path().join("inputs").join(name));
        assert_eq!(read("input-00.xml").unwrap(), "cib 2");
        assert_eq!(read("input-01.xml").unwrap(), "cib 3");
        assert!(read("input-02.xml").is_err());
    }
}
