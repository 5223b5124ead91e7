//! The last inputs of the policy engine and its answers, for people: `policy-simulate -x FILE -S`
//! replays any decision.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use controller::InputName;
use cpe_bus::Error;
use cpe_bus::fields::bounded;
use cpe_status::KeptInput;
use tokio::task::JoinSet;

/// Inputs that may wait for the disk. One more is not kept: a disk that hangs must not fill memory.
const WAITING: usize = 4;
/// Longest input that is given to others: a message on the system bus has at most 32 MiB.
const LONGEST: u64 = 30 << 20;
/// Longest file that says what an input is.
const LONGEST_ABOUT: usize = 4096;
/// Bytes of a name that an error shows.
const LONGEST_SHOWN: usize = 64;

/// A ring of files `input-NN.xml` and `graph-NN.xml`; and `refused-input-NN.xml` and
/// `refused-graph-NN.xml` of decisions that were refused. `about-NN.json` beside them says what
/// they are.
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

    /// To what is kept, for others.
    pub(crate) fn shelf(&self) -> Shelf {
        Shelf {
            directory: self.directory.clone(),
        }
    }

    /// Keeps one; best effort.
    pub(crate) fn keep(&mut self, name: InputName, cib: &str, graph: &str) {
        let (prefix, slot) = match name {
            InputName::Transition(_) if self.slots == 0 => return,
            InputName::Transition(number) => ("", number % self.slots),
            InputName::Refused(slot) => ("refused-", slot),
        };
        if let Err(error) = self.try_keep(name, (prefix, slot), cib, graph) {
            tracing::warn!(
                "cannot keep an input of the policy engine ({name:?}) in {}: {error}",
                self.directory.display()
            );
        }
    }

    fn try_keep(
        &mut self,
        name: InputName,
        (prefix, slot): (&str, u64),
        cib: &str,
        graph: &str,
    ) -> std::io::Result<()> {
        if !self.made {
            std::fs::create_dir_all(&self.directory)?;
            self.made = true;
        }
        let file = |what: &str| self.directory.join(format!("{prefix}{what}-{slot:02}.xml"));
        let about = self.directory.join(format!("{prefix}about-{slot:02}.json"));
        // While they change, nobody finds them.
        match std::fs::remove_file(&about) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::write(file("input"), cib)?;
        std::fs::write(file("graph"), graph)?;
        let said = KeptInput {
            name: match name {
                InputName::Transition(number) => number.to_string(),
                InputName::Refused(slot) => format!("refused-{slot}"),
            },
            transition: match name {
                InputName::Transition(number) => Some(number),
                InputName::Refused(_) => None,
            },
            time: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .ok()
                .and_then(|since| u64::try_from(since.as_micros()).ok())
                .unwrap_or(0),
            bytes: u64::try_from(cib.len()).unwrap_or(u64::MAX),
        };
        let unfinished = about.with_extension("new");
        std::fs::write(&unfinished, serde_json::to_string(&said)?)?;
        std::fs::rename(unfinished, about)
    }
}

/// What is kept, for those who ask. Reading takes the disk's time.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    directory: PathBuf,
}

/// Why an input cannot be had.
#[derive(Debug)]
pub(crate) enum NotThere {
    /// It is not kept; those that are.
    Absent(Vec<KeptInput>),
    /// It has so many bytes.
    TooLong(u64),
    Disk(std::io::Error),
}

impl NotThere {
    /// For who asked for that one.
    pub(crate) fn told_of(self, name: &str) -> Error {
        let name = bounded(name, LONGEST_SHOWN);
        match self {
            NotThere::Absent(kept) if kept.is_empty() => {
                Error::NotFound(format!("input `{name}` is not kept; none is"))
            }
            NotThere::Absent(kept) => {
                let kept: Vec<&str> = kept.iter().map(|one| one.name.as_str()).collect();
                Error::NotFound(format!(
                    "input `{name}` is not kept; there are: {}",
                    kept.join(" ")
                ))
            }
            NotThere::TooLong(bytes) => Error::TooLarge(format!(
                "input `{name}` has {bytes} bytes, more than the bus carries; it is in the DPE's state directory, in inputs"
            )),
            NotThere::Disk(error) => Error::Failed(format!("cannot read kept inputs: {error}")),
        }
    }
}

impl Shelf {
    /// All of them, oldest first.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn list(&self) -> std::io::Result<Vec<KeptInput>> {
        let mut all: Vec<KeptInput> = self.found()?.into_iter().map(|(said, _)| said).collect();
        all.sort_by_key(|said| (said.time, said.transition));
        Ok(all)
    }

    /// With the files of their inputs.
    fn found(&self) -> std::io::Result<Vec<(KeptInput, PathBuf)>> {
        let entries = match std::fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(stem) = name.and_then(|name| name.strip_suffix(".json")) else {
                continue;
            };
            // It may be replaced just now, or be of another version.
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if text.len() <= LONGEST_ABOUT
                && let Ok(said) = serde_json::from_str::<KeptInput>(&text)
                && !said.name.is_empty()
            {
                let file = format!("{}.xml", stem.replace("about-", "input-"));
                found.push((said, self.directory.join(file)));
            }
        }
        Ok(found)
    }

    /// The input of that name.
    ///
    /// # Errors
    /// [`NotThere`].
    pub(crate) fn read(&self, name: &str) -> Result<String, NotThere> {
        let find = || -> Result<(KeptInput, PathBuf), NotThere> {
            let found = self.found().map_err(NotThere::Disk)?.into_iter();
            let mut found = found.filter(|(said, _)| said.name == name);
            found.next().ok_or_else(|| match self.list() {
                Ok(kept) => NotThere::Absent(kept),
                Err(error) => NotThere::Disk(error),
            })
        };
        let (said, file) = find()?;
        if said.bytes > LONGEST {
            return Err(NotThere::TooLong(said.bytes));
        }
        let text = std::fs::read_to_string(file).map_err(NotThere::Disk);
        // Another one may have taken its place meanwhile.
        match find()?.0 == said {
            true => text,
            false => Err(NotThere::Absent(self.list().map_err(NotThere::Disk)?)),
        }
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

    #[test]
    fn what_is_kept_is_listed_and_read_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let mut kept = KeptInputs::new(directory.path(), 2);
        let shelf = kept.shelf();
        assert!(shelf.list().unwrap().is_empty(), "there is no directory");
        for number in 1..=3 {
            kept.keep(InputName::Transition(number), &format!("cib {number}"), "");
        }
        kept.keep(InputName::Refused(1), "refused", "");
        let names = || {
            let all = shelf.list().unwrap().into_iter();
            all.map(|said| (said.name, said.transition, said.bytes))
                .collect::<Vec<_>>()
        };
        let expected = [
            ("2".to_owned(), Some(2), 5),
            ("3".to_owned(), Some(3), 5),
            ("refused-1".to_owned(), None, 7),
        ];
        assert_eq!(names(), expected);
        assert_eq!(shelf.read("3").unwrap(), "cib 3");
        assert_eq!(shelf.read("refused-1").unwrap(), "refused");
        for absent in ["1", "4", "", "../state", "refused-0"] {
            let refused = shelf.read(absent);
            assert!(
                matches!(&refused, Err(NotThere::Absent(kept)) if kept.len() == 3),
                "{absent}: {refused:?}"
            );
        }
        // A later start counts from one again.
        kept.keep(InputName::Transition(1), "of the next start", "");
        assert_eq!(shelf.read("1").unwrap(), "of the next start");
        assert!(shelf.read("3").is_err());
        // Of an earlier version, or half written.
        let inputs = directory.path().join("inputs");
        std::fs::remove_file(inputs.join("about-01.json")).unwrap();
        std::fs::write(inputs.join("about-00.json"), "{").unwrap();
        assert_eq!(names(), [("refused-1".to_owned(), None, 7)]);
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
        assert_eq!(files.count(), 3 * (WAITING + 1));
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
