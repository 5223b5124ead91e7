//! Boots of guests in which devices were asked to cut them off.

use serde::{Deserialize, Serialize};

/// How many are known: the newest. A boot that is over never comes again, and a guest that is cut
/// off is to boot when its lease ends.
const MOST: usize = 512;

/// Boot ids, in the order in which they were noted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct CutBoots(Vec<String>);

impl CutBoots {
    pub(crate) fn has(&self, boot_id: &str) -> bool {
        self.0.iter().any(|own| own == boot_id)
    }

    pub(crate) fn add(&mut self, boot_id: String) {
        if self.0.len() == MOST {
            self.0.remove(0);
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
            boots.add(number.to_string());
        }
        assert!(!boots.has("0"));
        assert!(boots.has("1") && boots.has(&MOST.to_string()));
    }
}
