//! Boots of guests in which devices were asked to cut them off.

use serde::{Deserialize, Serialize};

/// How many are known: the newest, and those that no assembly has left behind, as far as one knows.
/// A boot that is over never comes again, and a guest that is cut off is to boot when its lease
/// ends.
const MOST: usize = 512;

/// Boot ids, in the order in which they were noted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct CutBoots(Vec<String>);

impl CutBoots {
    pub(crate) fn has(&self, boot_id: &str) -> bool {
        self.0.iter().any(|own| own == boot_id)
    }

    /// Notes one more. `may_go_on`: some guest may still be in that boot, so that it must be known,
    /// however many there are: as many as there are assemblies.
    pub(crate) fn add(&mut self, boot_id: String, may_go_on: impl Fn(&str) -> bool) {
        while self.0.len() >= MOST {
            let Some(over) = self.0.iter().position(|own| !may_go_on(own)) else {
                break;
            };
            self.0.remove(over);
        }
        self.0.push(boot_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_known() {
        let mut boots = CutBoots::default();
        for number in 0..=MOST {
            boots.add(number.to_string(), |_| false);
        }
        assert!(!boots.has("0"));
        assert!(boots.has("1") && boots.has(&MOST.to_string()));
    }

    #[test]
    fn a_boot_that_may_go_on_is_known_however_many_come_after_it() {
        let mut boots = CutBoots::default();
        for number in 0..3 * MOST {
            boots.add(number.to_string(), |own| own == "0" || own == "7");
        }
        assert!(boots.has("0") && boots.has("7") && !boots.has("1"));
        assert_eq!(boots.0.len(), MOST);
        let mut all = CutBoots::default();
        for number in 0..2 * MOST {
            all.add(number.to_string(), |_| true);
        }
        assert!(all.has("0"), "all of these guests may be there");
        all.add("last".to_owned(), |_| false);
        assert!(all.has("last") && all.0.len() == MOST);
    }
}
