//! Values that the DPE keeps for a deployment, beyond any boot of its guests: permanent node
//! attributes, options, and bans. Durable facts.
//!
//! Tools in guests set them, and administrators. Each is one row, so that a change writes no more
//! than itself.

use std::collections::BTreeMap;

use cpe_status::limits::{
    MAX_ATTRIBUTE_VALUE, MAX_ATTRIBUTES, MAX_ATTRIBUTES_SIZE, MAX_VALUE_NAME,
};
use serde::{Deserialize, Serialize};

use crate::vocabulary::{AssemblyId, Holder, ServiceId};

/// Most bytes of all names and values of a deployment: they go into each engine input.
const MOST_BYTES_OF_ALL: usize = 2 << 20;
/// Most bans of a deployment. An administrator looks at each of them.
pub(crate) const MOST_BANS: usize = 512;

/// A value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ValueFacts {
    pub value: String,
    /// When it was set, wall clock, µs.
    pub since: u64,
}

/// Where a service must not run, since a guest or its administrator has said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct BanFacts {
    /// It may run there, but not be promoted.
    pub promoted: bool,
    /// When it was said, wall clock, µs.
    pub since: u64,
}

/// The ids that such a constraint has: that which Pacemaker's tools give it or, if the
/// configuration has one of that id, the other.
pub(crate) fn ban_ids(service: &ServiceId, assembly: &AssemblyId) -> [String; 2] {
    let id = format!("cli-ban-{service}-on-{assembly}");
    let other = format!("{id}.kept");
    [id, other]
}

/// All values, by who has them and by name.
pub(crate) type Values = BTreeMap<(Holder, String), ValueFacts>;

/// The values of one holder, by name.
pub(crate) fn of<'a>(
    values: &'a Values,
    holder: &Holder,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let from = (holder.clone(), String::new());
    let holder = holder.clone();
    let own = values
        .range(from..)
        .take_while(move |(key, _)| key.0 == holder);
    own.map(|((_, name), facts)| (name.as_str(), facts.value.as_str()))
}

/// Whether a holder may have this value besides its others, or in place of that of the same name.
///
/// # Errors
/// What would be right.
pub(crate) fn check(
    values: &Values,
    holder: &Holder,
    name: &str,
    value: &str,
) -> Result<(), String> {
    if name.is_empty() || name.len() > MAX_VALUE_NAME {
        let length = name.len();
        return Err(format!(
            "a name has 1 to {MAX_VALUE_NAME} bytes; this one has {length}"
        ));
    }
    if value.len() > MAX_ATTRIBUTE_VALUE {
        let length = value.len();
        return Err(format!(
            "a value has at most {MAX_ATTRIBUTE_VALUE} bytes; that of {name} has {length}"
        ));
    }
    if value.eq_ignore_ascii_case("#default") {
        return Err(format!(
            "`{value}` is no value: it stands for none; delete {name} instead"
        ));
    }
    let others = of(values, holder).filter(|(known, _)| *known != name);
    let (count, bytes) = others.fold(
        (1, name.len() + value.len()),
        |(count, bytes), (name, value)| (count + 1, bytes + name.len() + value.len()),
    );
    if count > MAX_ATTRIBUTES || bytes > MAX_ATTRIBUTES_SIZE {
        return Err(format!(
            "{holder} would have {count} values of {bytes} bytes; {MAX_ATTRIBUTES} of {MAX_ATTRIBUTES_SIZE} bytes are kept: delete some \
             that are not used"
        ));
    }
    let others = values
        .iter()
        .filter(|((of, known), _)| (of, &**known) != (holder, name));
    let size =
        |((_, name), facts): (&(Holder, String), &ValueFacts)| name.len() + facts.value.len();
    let all = others.map(size).sum::<usize>() + name.len() + value.len();
    if all > MOST_BYTES_OF_ALL {
        return Err(format!(
            "all assemblies and the deployment would have {all} bytes of values together; {MOST_BYTES_OF_ALL} are kept: \
             delete some that are not used"
        ));
    }
    Ok(())
}

/// Whether an option may be set beside the document. What decides is the document's to say.
///
/// # Errors
/// What to do instead.
pub(crate) fn check_option(name: &str) -> Result<(), String> {
    let normal = name.replace('_', "-").to_ascii_lowercase();
    if deployment::is_cluster_option(&normal) {
        return Err(format!(
            "option `{name}` belongs to the deployment document: change it in <crm_config> there, and deploy that; beside the \
             document only options are set that the policy engine does not know"
        ));
    }
    Ok(())
}

/// How often an agent may ask: a burst, and then so many times a second. Resource agents ask a few
/// times per operation; a tool in a loop must not keep the DPE busy.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: u32,
    /// Boot time at which one more was allowed, µs.
    added_us: u64,
}

/// Questions that may follow each other at once: twice as many as tools of one guest can have under
/// way, since an agent asks again what was not answered on its former stream.
const BURST: u32 = 64;
/// Time after which one more question is allowed, µs: 20 a second.
const ONE_MORE_US: u64 = 50_000;

impl Allowance {
    /// The full burst.
    pub(crate) fn new() -> Allowance {
        Allowance {
            left: BURST,
            added_us: 0,
        }
    }

    /// Whether one more may be asked now (boot time, µs); counts it.
    pub(crate) fn take(&mut self, now_us: u64) -> bool {
        let more = now_us.saturating_sub(self.added_us) / ONE_MORE_US;
        if more > 0 {
            let more = u32::try_from(more).unwrap_or(BURST);
            self.left = self.left.saturating_add(more).min(BURST);
            self.added_us = now_us;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(value: &str) -> ValueFacts {
        ValueFacts {
            value: value.into(),
            since: 1,
        }
    }

    #[test]
    fn a_holder_has_its_own_values_only() {
        let (web1, web2) = (
            Holder::Assembly("web1".into()),
            Holder::Assembly("web2".into()),
        );
        let mut values = Values::new();
        for (holder, name) in [
            (&Holder::Deployment, "a"),
            (&web1, "a"),
            (&web1, "b"),
            (&web2, "a"),
        ] {
            values.insert((holder.clone(), name.into()), facts(name));
        }
        let names = |holder| of(&values, holder).map(|it| it.0).collect::<Vec<_>>();
        assert_eq!(names(&web1), ["a", "b"]);
        assert_eq!(names(&web2), ["a"]);
        assert_eq!(names(&Holder::Deployment), ["a"]);
    }

    #[test]
    fn values_are_bounded_in_number_and_size() {
        let web1 = Holder::Assembly("web1".into());
        let mut values = Values::new();
        for n in 0..MAX_ATTRIBUTES {
            values.insert((web1.clone(), format!("a{n}")), facts("1"));
        }
        let check = |name: &str, value: &str| check(&values, &web1, name, value);
        assert!(check("more", "1").unwrap_err().contains("513 values"));
        assert!(check("a1", "2").is_ok());
        assert!(check("a1", &"x".repeat(MAX_ATTRIBUTE_VALUE + 1)).is_err());
        assert!(check(&"x".repeat(MAX_VALUE_NAME + 1), "1").is_err());
        assert!(check("a1", "#DEFAULT").unwrap_err().contains("delete"));
        let other = Holder::Deployment;
        assert!(super::check(&values, &other, "more", "1").is_ok());
        let mut values = Values::new();
        for n in 0..16 {
            values.insert((web1.clone(), format!("a{n}")), facts(&"x".repeat(4090)));
        }
        assert!(super::check(&values, &web1, "more", &"x".repeat(100)).is_err());
    }

    #[test]
    fn values_of_all_are_bounded_together() {
        let mut values = Values::new();
        let long = "x".repeat(MAX_ATTRIBUTE_VALUE - 4);
        for n in 0..MOST_BYTES_OF_ALL / MAX_ATTRIBUTE_VALUE {
            let holder = Holder::Assembly(format!("web{}", n / 15).as_str().into());
            values.insert((holder, format!("{n:04}")), facts(&long));
        }
        let last = Holder::Assembly("last".into());
        let refused = check(&values, &last, "more", "1").unwrap_err();
        assert!(refused.contains("together"), "{refused}");
        let own = Holder::Assembly("web0".into());
        assert!(check(&values, &own, "0000", &long).is_ok(), "in its place");
    }

    #[test]
    fn what_decides_is_the_documents_to_say() {
        for name in [
            "stonith-enabled",
            "stonith_enabled",
            "no-quorum-policy",
            "maintenance-mode",
            "time-zone",
            "placement-strategy",
            "election-timeout",
        ] {
            assert!(check_option(name).is_err(), "{name}");
        }
        for name in ["mysql_REPL_INFO", "hana_prd_site_mode", "azure-state"] {
            assert!(check_option(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn an_agent_may_ask_so_often() {
        let mut allowance = Allowance::new();
        assert!((0..BURST).all(|_| allowance.take(0)));
        assert!(!allowance.take(0));
        assert!(!allowance.take(ONE_MORE_US - 1));
        assert!(allowance.take(ONE_MORE_US));
        assert!(!allowance.take(ONE_MORE_US));
        let later = 10_000_000;
        assert!((0..BURST).all(|_| allowance.take(later)));
        assert!(!allowance.take(later));
    }
}
