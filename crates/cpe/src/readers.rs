//! Who follows the event log: whoever has read it. Where strangers see nothing, events are sent to
//! these one by one, and to each only what it may see.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::rights::Who;
use crate::sync::lock;

/// Readers that are remembered. Beyond, the one that has not read for longest has to ask.
const MOST: usize = 1024;

/// By connection, with who that is and when it read last.
#[derive(Debug, Default)]
pub(crate) struct Readers(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    reads: u64,
    known: BTreeMap<String, (u64, Who)>,
}

impl Readers {
    /// The connection has read.
    pub(crate) fn reads(&self, sender: &str, who: &Who) {
        let mut inner = lock(&self.0);
        inner.reads += 1;
        let turn = inner.reads;
        inner.known.insert(sender.to_owned(), (turn, who.clone()));
        if inner.known.len() > MOST {
            let oldest = inner.known.iter().min_by_key(|(_, (turn, _))| *turn);
            if let Some(oldest) = oldest.map(|(sender, _)| sender.clone()) {
                inner.known.remove(&oldest);
            }
        }
    }

    /// The connection has ended, or is somebody else from now on.
    pub(crate) fn forget(&self, sender: &str) {
        lock(&self.0).known.remove(sender);
    }

    /// Those who may see something.
    pub(crate) fn those(&self, may_see: impl Fn(&Who) -> bool) -> Vec<String> {
        let inner = lock(&self.0);
        let seeing = inner.known.iter().filter(|(_, (_, who))| may_see(who));
        seeing.map(|(sender, _)| sender.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_that_has_not_read_for_longest_makes_room() {
        let readers = Readers::default();
        readers.reads(":1.1", &Who::unknown());
        readers.reads(":1.2", &Who::unknown());
        readers.reads(":1.1", &Who::unknown());
        for n in 0..MOST - 1 {
            readers.reads(&format!(":2.{n}"), &Who::unknown());
        }
        let all = readers.those(|_| true);
        assert_eq!(all.len(), MOST);
        assert!(all.contains(&":1.1".to_owned()) && !all.contains(&":1.2".to_owned()));
        readers.forget(":1.1");
        assert!(!readers.those(|_| true).contains(&":1.1".to_owned()));
        assert!(readers.those(|who| who.root).is_empty());
    }
}
