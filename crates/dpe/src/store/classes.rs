//! Which facts other hosts must know before anything follows from them.
//!
//! If this host is lost, another one goes on with what the shared store has, and misses the last
//! second of what is written there later. So *what makes a guest less certainly stopped is shared
//! first*: the next owner must not believe in a guest that is safe, or in a lease that is shorter.
//! So is what somebody was told is done: what administrators have set. What nobody has thought of
//! here is shared first too.

use serde_json::Value;

/// When a change is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is on this host's disk. Other hosts know it a second later at most.
    Local,
    /// The store that hosts share has it.
    Shared,
}

/// Kinds of rows that may come later: what was counted, found out and told. If it is lost, it is
/// found out again.
const LATER: &[&str] = &[
    // In a cluster epochs come from the record of who owns the deployment.
    "epoch", "saves", "failures", "service", "known", "fencing", "event",
];

/// The row of the deployment as a whole, by field: what may come later.
const DEPLOYMENT: &str = "deployment";
const TOLD_OF_DEPLOYMENT: &[&str] = &["announced", "room"];

/// Rows of assemblies, by field.
const ASSEMBLY: &str = "assembly";

/// Fields that may come later, however they change.
const TOLD: &[&str] = &[
    "told",
    "machine_id",
    "boot_id",
    "fencing_attempt",
    "failed_at",
];
/// Fields that may come later when they become true,
const SAFER_IF_TRUE: &[&str] = &["safe"];
/// when they become false,
const SAFER_IF_FALSE: &[&str] = &["unleased", "in_doubt", "unfencing", "power_on"];
/// and when they become less.
const SAFER_IF_LESS: &[&str] = &["lease_ms", "grace_ms"];

/// When the change of a row has to be durable, by what it was and what it is then.
pub fn durability(key: &str, old: Option<&str>, new: Option<&str>) -> Durability {
    let kind = key.split('/').next().unwrap_or_default();
    let is_later = match kind {
        ASSEMBLY => is_every_field(old, new, is_safer_field),
        DEPLOYMENT => is_every_field(old, new, |name, old, new| {
            old == new || TOLD_OF_DEPLOYMENT.contains(&name)
        }),
        _ => LATER.contains(&kind),
    };
    match is_later {
        true => Durability::Local,
        false => Durability::Shared,
    }
}

/// Whether all that has changed of a row may come later.
fn is_every_field(
    old: Option<&str>,
    new: Option<&str>,
    may_be_later: impl Fn(&str, Option<&Value>, Option<&Value>) -> bool,
) -> bool {
    // Whoever forgets a guest does not wait for its lease.
    let Some(new) = new.and_then(fields) else {
        return false;
    };
    let Some(old) = old.map_or_else(|| Some(Value::Object(Default::default())), fields) else {
        return false;
    };
    let names = new.as_object().into_iter().flatten();
    let gone = old.as_object().into_iter().flatten();
    let mut names = names.chain(gone).map(|(name, _)| name);
    names.all(|name| may_be_later(name, old.get(name), new.get(name)))
}

fn fields(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    value.is_object().then_some(value)
}

/// Whether a guest is as certainly stopped as before, by this field of what is known of it.
fn is_safer_field(name: &str, old: Option<&Value>, new: Option<&Value>) -> bool {
    if old == new || TOLD.contains(&name) || (old.is_none() && new.is_some_and(says_nothing)) {
        return true;
    }
    let truth = |value: Option<&Value>| value.and_then(Value::as_bool).unwrap_or(false);
    let number = |value: Option<&Value>| value.and_then(Value::as_u64).unwrap_or(0);
    if SAFER_IF_TRUE.contains(&name) {
        return truth(new) || !truth(old);
    }
    if SAFER_IF_FALSE.contains(&name) {
        return !truth(new) || truth(old);
    }
    SAFER_IF_LESS.contains(&name) && number(new) <= number(old)
}

/// As a row that was never written says it.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty() || text == "None" || text == "Nothing",
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.values().all(says_nothing),
    }
}

#[cfg(test)]
mod tests {
    use controller::Durable;

    use super::Durability::{Local, Shared};
    use super::*;

    /// A row of an assembly as the controller writes it, with these fields.
    fn row(fields: &str) -> String {
        let durable = Durable::from_rows([("assembly/web1", fields)]).expect("a row");
        durable.rows()["assembly/web1"].clone()
    }

    fn change(old: &str, new: &str) -> Durability {
        durability("assembly/web1", Some(&row(old)), Some(&row(new)))
    }

    #[test]
    fn what_makes_a_guest_less_certainly_stopped_is_shared_first() {
        for (old, new) in [
            (r#"{"safe":true}"#, "{}"),
            (r#"{"lease_ms":1000}"#, r#"{"lease_ms":2000}"#),
            (r#"{"grace_ms":1000}"#, r#"{"grace_ms":2000}"#),
            ("{}", r#"{"unleased":true}"#),
            ("{}", r#"{"in_doubt":true}"#),
            ("{}", r#"{"unfencing":true}"#),
            ("{}", r#"{"power_on":true}"#),
            ("{}", r#"{"unseen":["db"]}"#),
            (r#"{"departure":"Left"}"#, "{}"),
            ("{}", r#"{"maintenance":true}"#),
            ("{}", r#"{"standby":true}"#),
            // Also with something that could come later.
            (r#"{"safe":true}"#, r#"{"told":"Online"}"#),
        ] {
            assert_eq!(change(old, new), Shared, "{old} {new}");
        }
        let lease = row(r#"{"lease_ms":1000}"#);
        assert_eq!(durability("assembly/web1", None, Some(&lease)), Shared);
        assert_eq!(durability("assembly/web1", Some(&lease), None), Shared);
        assert_eq!(
            durability("assembly/web1", Some(&lease), Some("[]")),
            Shared
        );
        assert_eq!(durability("assembly/web1", Some("["), Some(&lease)), Shared);
    }

    #[test]
    fn what_makes_it_more_certainly_stopped_and_what_is_told_may_come_later() {
        for (old, new) in [
            ("{}", r#"{"safe":true}"#),
            (r#"{"lease_ms":2000}"#, r#"{"lease_ms":1000}"#),
            (r#"{"unleased":true}"#, "{}"),
            (r#"{"in_doubt":true,"power_on":true}"#, "{}"),
            (
                "{}",
                r#"{"told":"Lost","boot_id":"b","fencing_attempt":"1"}"#,
            ),
            ("{}", "{}"),
        ] {
            assert_eq!(change(old, new), Local, "{old} {new}");
        }
        assert_eq!(durability("assembly/web1", None, Some(&row("{}"))), Local);
    }

    #[test]
    fn of_the_deployment_what_was_said_may_come_later_and_what_was_set_may_not() {
        let row = |fields: &str| {
            let durable = Durable::from_rows([(DEPLOYMENT, fields)]).expect("a row");
            durable.rows()[DEPLOYMENT].clone()
        };
        let change = |new: &str| durability(DEPLOYMENT, Some(&row("{}")), Some(&row(new)));
        let fields = fields(&row("{}")).expect("an object");
        for name in TOLD_OF_DEPLOYMENT {
            assert!(fields.get(name).is_some(), "{name} is not in {fields}");
        }
        assert_eq!(change(r#"{"maintenance":true}"#), Shared);
        assert_eq!(durability(DEPLOYMENT, Some(&row("{}")), None), Shared);
        assert_eq!(change("{}"), Local);
        assert_eq!(change(r#"{"announced":"Degraded"}"#), Local);
        let both = r#"{"announced":"Degraded","maintenance":true}"#;
        assert_eq!(change(both), Shared);
    }

    #[test]
    fn rows_of_other_kinds_have_one_class_each_and_unknown_ones_are_shared_first() {
        for key in [
            "failures/web1/db",
            "service/db",
            "fencing/1",
            "event/1/1",
            "epoch",
        ] {
            assert_eq!(durability(key, None, Some("1")), Local, "{key}");
        }
        for key in [
            "loaded",
            "ban/web1/db",
            "overlay/x",
            "ticket/t",
            "deployment",
            "new/kind",
        ] {
            assert_eq!(durability(key, None, Some("1")), Shared, "{key}");
            assert_eq!(durability(key, Some("1"), None), Shared, "{key}");
        }
    }

    #[test]
    fn the_fields_are_called_as_the_controller_calls_them() {
        let row = row("{}");
        let fields = fields(&row).expect("an object");
        let all = [TOLD, SAFER_IF_TRUE, SAFER_IF_FALSE, SAFER_IF_LESS].concat();
        for name in all {
            assert!(fields.get(name).is_some(), "{name} is not in {row}");
        }
    }
}
