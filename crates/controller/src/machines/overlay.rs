//! The overlay: what administrators want of single services beside the document. Durable facts.
//!
//! | entry | made by | what the policy engine sees of it | ends |
//! | --- | --- | --- | --- |
//! | move | `move S A` | a location constraint, INFINITY | when placed, in time, when cleared |
//! | ban | `ban S A`, `move S` | a location constraint, -INFINITY | the same |
//! | disable | `disable S` | `target-role=Stopped` | by `enable S` |
//! | unmanage | `unmanage S` | `is-managed=false` | by `manage S` |
//! | restart | `restart S` | `target-role=Stopped` | when all of it is stopped, when cleared |

use std::collections::BTreeMap;

use cpe_status::{OverlayEnd, OverlayKind};
use serde::{Deserialize, Serialize};

use crate::vocabulary::{AssemblyId, Lifetime, MS, OverlayKey, ServiceId, ServiceOrder};

/// Most entries of a deployment. An administrator looks at each of them.
pub(crate) const MOST_ENTRIES: usize = 512;
/// The longest time that a move or a ban can be given, ms: ten years.
const LONGEST_MS: u64 = 10 * 366 * 24 * 3_600_000;

/// All entries.
pub(crate) type Overlay = BTreeMap<OverlayKey, OverlayFacts>;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OverlayFacts {
    /// It is about the promoted role only.
    #[serde(default)]
    pub promoted: bool,
    /// Who wants it; empty: not known.
    #[serde(default)]
    pub by: String,
    /// Since when, wall clock, µs.
    #[serde(default)]
    pub created: u64,
    pub ends: Ends,
}

/// What ends an entry by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ends {
    /// The service is where it is wanted, and would stay there.
    Placed,
    /// A time, wall clock, µs.
    At(u64),
    /// Nothing.
    Cleared,
    /// The service is stopped.
    Stopped,
}

impl Ends {
    pub(crate) fn word(self) -> OverlayEnd {
        match self {
            Ends::Placed => OverlayEnd::Placed,
            Ends::At(_) => OverlayEnd::Time,
            Ends::Cleared => OverlayEnd::Cleared,
            Ends::Stopped => OverlayEnd::Stopped,
        }
    }

    /// When that is, wall clock, µs; 0: at no certain time.
    pub(crate) fn at_us(self) -> u64 {
        match self {
            Ends::At(at_us) => at_us,
            _ => 0,
        }
    }

    fn of(lifetime: Lifetime, now_us: u64) -> Result<Ends, String> {
        match lifetime {
            Lifetime::Placed => Ok(Ends::Placed),
            Lifetime::Cleared => Ok(Ends::Cleared),
            Lifetime::For(0) => Err("it would end at once: give it some time".to_owned()),
            Lifetime::For(ms) if ms > LONGEST_MS => Err(
                "that is more than ten years: leave the time out, and clear it some day".to_owned(),
            ),
            Lifetime::For(ms) => Ok(Ends::At(now_us.saturating_add(ms * MS))),
        }
    }
}

/// An entry that comes, or (`None`) goes.
pub(crate) type EntryChange = (OverlayKey, Option<OverlayFacts>);

/// What is ordered, by whom, of what, and where that runs now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub service: &'a ServiceId,
    pub order: &'a ServiceOrder,
    pub by: &'a str,
    pub now_us: u64,
    /// Where what is to leave runs, or is promoted.
    pub leaves: Option<&'a AssemblyId>,
}

impl Wanted<'_> {
    fn key(&self, kind: OverlayKind, assembly: Option<&AssemblyId>) -> OverlayKey {
        OverlayKey {
            service: self.service.clone(),
            kind,
            assembly: assembly.cloned(),
        }
    }

    fn facts(&self, promoted: bool, ends: Ends) -> OverlayFacts {
        OverlayFacts {
            promoted,
            by: self.by.to_owned(),
            created: self.now_us,
            ends,
        }
    }

    /// Those of its own entries that are of these kinds, and about that assembly, if one is given.
    fn own(
        &self,
        overlay: &Overlay,
        kinds: &[OverlayKind],
        at: Option<&AssemblyId>,
    ) -> Vec<EntryChange> {
        let own = overlay.keys().filter(|key| {
            key.service == *self.service
                && kinds.contains(&key.kind)
                && at.is_none_or(|at| key.assembly.as_ref() == Some(at))
        });
        own.map(|key| (key.clone(), None)).collect()
    }

    /// What has to change, removals first. Empty: it is so already.
    ///
    /// # Errors
    /// Why it makes no sense, and what would.
    pub(crate) fn changes(&self, overlay: &Overlay) -> Result<Vec<EntryChange>, String> {
        use OverlayKind::{Ban, Disable, Move, Restart, Unmanage};
        let changes = match self.order {
            ServiceOrder::Move {
                to: Some(to),
                promoted,
                lifetime,
                ..
            } => {
                let mut changes = self.own(overlay, &[Move], None);
                changes.extend(self.own(overlay, &[Ban], Some(to)));
                let facts = self.facts(*promoted, Ends::of(*lifetime, self.now_us)?);
                changes.retain(|(key, _)| *key != self.key(Move, Some(to)));
                changes.push((self.key(Move, Some(to)), Some(facts)));
                changes
            }
            ServiceOrder::Move {
                to: None,
                promoted,
                lifetime,
                ..
            } => {
                let mut changes = self.own(overlay, &[Move], None);
                let from = self.leaves;
                let facts = self.facts(*promoted, Ends::of(*lifetime, self.now_us)?);
                changes.push((self.key(Ban, from), Some(facts)));
                changes
            }
            ServiceOrder::Ban {
                assembly,
                promoted,
                lifetime,
            } => {
                let ends = match lifetime {
                    Lifetime::Placed => Ends::Cleared,
                    other => Ends::of(*other, self.now_us)?,
                };
                let mut changes = self.own(overlay, &[Move], Some(assembly));
                let facts = self.facts(*promoted, ends);
                changes.push((self.key(Ban, Some(assembly)), Some(facts)));
                changes
            }
            ServiceOrder::Clear { assembly } => self.own(overlay, &[Move, Ban], assembly.as_ref()),
            ServiceOrder::Disable => {
                let mut changes = self.own(overlay, &[Restart], None);
                let facts = self.facts(false, Ends::Cleared);
                changes.push((self.key(Disable, None), Some(facts)));
                changes
            }
            ServiceOrder::Enable => self.own(overlay, &[Disable], None),
            ServiceOrder::Unmanage => {
                let facts = self.facts(false, Ends::Cleared);
                vec![(self.key(Unmanage, None), Some(facts))]
            }
            ServiceOrder::Manage => self.own(overlay, &[Unmanage], None),
            ServiceOrder::Restart => {
                let facts = self.facts(false, Ends::Stopped);
                vec![(self.key(Restart, None), Some(facts))]
            }
        };
        Ok(without_what_is_so(changes, overlay))
    }
}

/// Leaves out what is so already: who said it first, and when, stays.
fn without_what_is_so(mut changes: Vec<EntryChange>, overlay: &Overlay) -> Vec<EntryChange> {
    changes.retain(|(key, facts)| {
        let known = overlay.get(key);
        let same = |facts: &OverlayFacts| {
            known.is_some_and(|own| (own.promoted, own.ends) == (facts.promoted, facts.ends))
        };
        facts.as_ref().is_none_or(|facts| !same(facts))
    });
    changes
}

/// The overlay with these changes.
///
/// # Errors
/// It would have too many entries.
pub(crate) fn changed(overlay: &Overlay, changes: &[EntryChange]) -> Result<Overlay, String> {
    let mut changed = overlay.clone();
    for (key, facts) in changes {
        match facts {
            Some(facts) => drop(changed.insert(key.clone(), facts.clone())),
            None => drop(changed.remove(key)),
        }
    }
    if changed.len() > MOST_ENTRIES.max(overlay.len()) {
        return Err(format!(
            "{MOST_ENTRIES} moves, bans and the like are in force: end some that are not needed (cpectl status lists them)"
        ));
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(overlay: &Overlay, order: ServiceOrder) -> Overlay {
        let (service, leaves) = ("db".into(), "n1".into());
        let wanted = Wanted {
            service: &service,
            order: &order,
            by: "root",
            now_us: 7,
            leaves: Some(&leaves),
        };
        changed(overlay, &wanted.changes(overlay).unwrap()).unwrap()
    }

    fn texts(overlay: &Overlay) -> Vec<String> {
        overlay.keys().map(OverlayKey::text).collect()
    }

    #[test]
    fn entries_of_several_kinds_compose_and_each_verb_ends_what_it_is_about() {
        let lifetime = Lifetime::Cleared;
        let order_move = |to: Option<&str>| ServiceOrder::Move {
            to: to.map(AssemblyId::from),
            from: None,
            promoted: false,
            lifetime,
        };
        let ban = |assembly: &str| ServiceOrder::Ban {
            assembly: assembly.into(),
            promoted: false,
            lifetime,
        };
        let mut overlay = Overlay::new();
        for (order, expected) in [
            (ban("n2"), "db/ban/n2"),
            (ban("n3"), "db/ban/n2 db/ban/n3"),
            (order_move(Some("n2")), "db/move/n2 db/ban/n3"),
            (order_move(Some("n1")), "db/move/n1 db/ban/n3"),
            (order_move(None), "db/ban/n1 db/ban/n3"),
            (ServiceOrder::Unmanage, "db/ban/n1 db/ban/n3 db/unmanage"),
            (
                ServiceOrder::Restart,
                "db/ban/n1 db/ban/n3 db/unmanage db/restart",
            ),
            (
                ServiceOrder::Disable,
                "db/ban/n1 db/ban/n3 db/disable db/unmanage",
            ),
            (
                ServiceOrder::Clear {
                    assembly: Some("n1".into()),
                },
                "db/ban/n3 db/disable db/unmanage",
            ),
            (ServiceOrder::Enable, "db/ban/n3 db/unmanage"),
            (ServiceOrder::Manage, "db/ban/n3"),
            (ServiceOrder::Clear { assembly: None }, ""),
            (ServiceOrder::Enable, ""),
        ] {
            overlay = after(&overlay, order.clone());
            assert_eq!(texts(&overlay).join(" "), expected, "{order:?}");
        }
    }

    #[test]
    fn a_lifetime_is_bounded_and_ends_at_a_time() {
        assert_eq!(Ends::of(Lifetime::For(2), 7), Ok(Ends::At(2_007)));
        assert!(Ends::of(Lifetime::For(0), 7).is_err());
        assert!(Ends::of(Lifetime::For(u64::MAX), 7).is_err());
    }

    #[test]
    fn the_number_of_entries_is_bounded() {
        let facts = OverlayFacts {
            promoted: false,
            by: String::new(),
            created: 1,
            ends: Ends::Cleared,
        };
        let entry = |number: usize| {
            let key = OverlayKey {
                service: format!("s{number}").into(),
                kind: OverlayKind::Disable,
                assembly: None,
            };
            (key, Some(facts.clone()))
        };
        let all: Vec<EntryChange> = (0..MOST_ENTRIES).map(entry).collect();
        let full = changed(&Overlay::new(), &all).unwrap();
        let error = changed(&full, &[entry(MOST_ENTRIES)]).unwrap_err();
        assert!(error.contains("512 moves"), "{error}");
        let (key, _) = entry(0);
        let removed = changed(&full, &[(key, None), entry(MOST_ENTRIES)]).unwrap();
        assert_eq!(removed.len(), MOST_ENTRIES);
    }

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let mut overlay = after(&Overlay::new(), ServiceOrder::Disable);
        let lifetime = Lifetime::Placed;
        let order = ServiceOrder::Move {
            to: Some("n1".into()),
            from: None,
            promoted: true,
            lifetime,
        };
        overlay.extend(after(&Overlay::new(), order));
        for key in overlay.keys() {
            assert_eq!(OverlayKey::parse(&key.text()).as_ref(), Some(key));
        }
        for wrong in ["", "db", "db/hop", "db/ban/n1/more"] {
            assert_eq!(OverlayKey::parse(wrong), None, "{wrong}");
        }
    }
}
