//! Orders about single services, as the bus has them.

use controller::{AssemblyId, Lifetime, ServiceOrder};
use cpe_bus::fields::Reader;
use cpe_bus::{Error, Fields, Result};
use cpe_status::ServicePlan;

use super::object::LONGEST_NAME;

/// An order of its word and of options.
///
/// # Errors
/// [`Error::InvalidArgument`] with what would be right.
pub(super) fn order(verb: &str, options: &Fields) -> Result<ServiceOrder> {
    let reader = Reader::new("options", options);
    let assembly = reader.text("assembly", LONGEST_NAME)?;
    if assembly.is_empty() && options.contains_key("assembly") {
        // Perhaps a variable of a script that nobody has set.
        return Err(reader.invalid(
            "assembly",
            "the name of an assembly, or left out",
            "an empty text",
        ));
    }
    let assembly = Some(assembly).filter(|name| !name.is_empty());
    let assembly = assembly.map(AssemblyId::from);
    let promoted = reader.boolean("promoted")?;
    let order = match (verb, assembly) {
        ("move", to) => ServiceOrder::Move {
            to,
            from: None,
            promoted,
            lifetime: lifetime(&reader, Lifetime::Placed)?,
        },
        ("ban", Some(assembly)) => ServiceOrder::Ban {
            assembly,
            promoted,
            lifetime: lifetime(&reader, Lifetime::Cleared)?,
        },
        ("ban", None) => {
            return Err(Error::InvalidArgument(
                "option `assembly` is missing: a ban is from one assembly".to_owned(),
            ));
        }
        ("clear", assembly) => ServiceOrder::Clear { assembly },
        ("disable", None) => ServiceOrder::Disable,
        ("enable", None) => ServiceOrder::Enable,
        ("unmanage", None) => ServiceOrder::Unmanage,
        ("manage", None) => ServiceOrder::Manage,
        ("restart", None) => ServiceOrder::Restart,
        ("disable" | "enable" | "unmanage" | "manage" | "restart", Some(assembly)) => {
            return Err(Error::InvalidArgument(format!(
                "{verb} is about all of a service, not about assembly {assembly}: leave option `assembly` out"
            )));
        }
        (other, _) => {
            return Err(Error::InvalidArgument(format!(
                "`{}` is no order: expected move, ban, clear, disable, enable, unmanage, manage or restart",
                cpe_bus::fields::bounded(other, LONGEST_NAME)
            )));
        }
    };
    Ok(order)
}

fn lifetime(reader: &Reader<'_>, usual: Lifetime) -> Result<Lifetime> {
    let for_ms = reader.optional_u64("for_ms")?;
    match (reader.text("lifetime", LONGEST_NAME)?.as_str(), for_ms) {
        ("", None) => Ok(usual),
        ("", Some(ms)) => Ok(Lifetime::For(ms)),
        ("cleared", None) => Ok(Lifetime::Cleared),
        ("placed", None) if usual == Lifetime::Placed => Ok(Lifetime::Placed),
        (_, Some(_)) => Err(Error::InvalidArgument(
            "options `for_ms` and `lifetime` exclude each other".to_owned(),
        )),
        (found, None) => Err(reader.invalid("lifetime", "placed (of a move) or cleared", found)),
    }
}

/// Whether an order is given after its plan.
///
/// # Errors
/// [`Error::Refused`]: it would not hold, or something else would be done than was shown.
pub(super) fn permit(plan: &ServicePlan, options: &Fields) -> Result<()> {
    let reader = Reader::new("options", options);
    let expected = reader.text("fingerprint", LONGEST_NAME)?;
    let words = [&*plan.verb, &plan.service, &plan.assembly];
    let said: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let said = said.join(" ");
    if !expected.is_empty() && expected != plan.fingerprint {
        return Err(Error::Refused(format!(
            "{said}: something else would be done now than was planned: look at the new plan, and say it again"
        )));
    }
    if plan.refused.is_empty() || reader.boolean("force")? {
        return Ok(());
    }
    let (reasons, hints) = (plan.refused.join("; "), plan.hints.join("; "));
    Err(Error::Refused(format!(
        "{said} is refused: {reasons}; {hints}"
    )))
}

#[cfg(test)]
mod tests {
    use cpe_bus::fields::put;

    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::new();
        for (key, value) in pairs {
            put(&mut fields, key, (*value).to_owned());
        }
        fields
    }

    #[test]
    fn an_order_is_read_or_refused_with_what_would_be_right() {
        let mut options = fields(&[("assembly", "web1")]);
        put(&mut options, "for_ms", 5_000_u64);
        let banned = ServiceOrder::Ban {
            assembly: "web1".into(),
            promoted: false,
            lifetime: Lifetime::For(5_000),
        };
        assert_eq!(order("ban", &options).unwrap(), banned);
        for (verb, pairs, expected) in [
            ("hop", &[][..], "no order: expected move"),
            ("ban", &[], "option `assembly` is missing"),
            (
                "ban",
                &[("assembly", "a"), ("lifetime", "placed")],
                "or cleared",
            ),
            (
                "restart",
                &[("assembly", "a")],
                "leave option `assembly` out",
            ),
        ] {
            let error = order(verb, &fields(pairs)).unwrap_err().message();
            assert!(error.contains(expected), "{verb}: {error}");
        }
    }

    #[test]
    fn what_would_not_hold_needs_force_and_what_was_planned_its_fingerprint() {
        let mut plan = ServicePlan {
            fingerprint: "7".into(),
            ..ServicePlan::default()
        };
        assert!(permit(&plan, &fields(&[("fingerprint", "7")])).is_ok());
        let other = permit(&plan, &fields(&[("fingerprint", "8")]));
        assert!(matches!(other, Err(Error::Refused(text)) if text.contains("than was planned")));
        plan.refused.push("it would go back".into());
        assert!(matches!(
            permit(&plan, &Fields::new()),
            Err(Error::Refused(_))
        ));
        let mut forced = Fields::new();
        put(&mut forced, "force", true);
        assert!(permit(&plan, &forced).is_ok());
    }
}
