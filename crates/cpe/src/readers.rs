//! Who follows the event log: whoever has read it. Where strangers see nothing, events are sent to
//! these one by one, and to each only what it may see.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::rights::{Policy, Standing, Who};
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
    /// The rights by which it was found out who they are.
    policy: Option<Arc<Policy>>,
}

impl Inner {
    /// By other rights, whoever was or had a delegate is somebody else, and has to read again.
    fn count_by(&mut self, policy: &Arc<Policy>) {
        let known = self.policy.as_ref();
        if known.is_some_and(|known| Arc::ptr_eq(known, policy)) {
            return;
        }
        self.policy = Some(Arc::clone(policy));
        self.known
            .retain(|_, (_, who)| matches!(who.standing, Standing::Person | Standing::Unknown));
    }
}

impl Readers {
    /// The connection has read.
    pub(crate) fn reads(&self, sender: &str, who: &Who, policy: &Arc<Policy>) {
        let mut inner = lock(&self.0);
        inner.count_by(policy);
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

    /// Those who may see something by these rights.
    pub(crate) fn those(
        &self,
        policy: &Arc<Policy>,
        may_see: impl Fn(&Who) -> bool,
    ) -> Vec<String> {
        let mut inner = lock(&self.0);
        inner.count_by(policy);
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
        let policy = Arc::new(Policy::closed("cpe", "cpe-recorders"));
        readers.reads(":1.1", &Who::unknown(), &policy);
        readers.reads(":1.2", &Who::unknown(), &policy);
        readers.reads(":1.1", &Who::unknown(), &policy);
        for n in 0..MOST - 1 {
            readers.reads(&format!(":2.{n}"), &Who::unknown(), &policy);
        }
        let all = readers.those(&policy, |_| true);
        assert_eq!(all.len(), MOST);
        assert!(all.contains(&":1.1".to_owned()) && !all.contains(&":1.2".to_owned()));
        readers.forget(":1.1");
        assert!(
            !readers
                .those(&policy, |_| true)
                .contains(&":1.1".to_owned())
        );
        assert!(readers.those(&policy, |who| who.root).is_empty());
    }

    #[test]
    fn who_was_a_delegate_hears_nothing_by_other_rights() {
        let rights = || Arc::new(Policy::closed("cpe", "cpe-recorders"));
        let (before, now) = (rights(), rights());
        let readers = Readers::default();
        let delegate = Who {
            standing: Standing::Delegate,
            ..Who::unknown()
        };
        readers.reads(":1.1", &delegate, &before);
        readers.reads(":1.2", &Who::unknown(), &before);
        assert_eq!(readers.those(&before, |_| true), [":1.1", ":1.2"]);
        assert_eq!(readers.those(&now, |_| true), [":1.2"]);
        readers.reads(":1.1", &Who::unknown(), &now);
        assert_eq!(readers.those(&now, |_| true), [":1.1", ":1.2"]);
    }
}
