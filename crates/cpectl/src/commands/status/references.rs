//! Parameters of services that follow what guests tell and node attributes.

use cpe_status::{DeploymentStatus, ReferenceStatus};
use cpe_terminal::{Cell, Table};

use crate::output::{BUSY, HEAD, PLAIN};

/// A row for each: the parameter, its value, and where that comes from.
pub(super) fn table(status: &DeploymentStatus) -> Table<3> {
    let withheld = status.values_withheld;
    let rows = status.references.iter().map(|own| {
        let (value, style) = match (&own.value, &own.settling) {
            (None, _) => ("not known yet: it is not started".to_owned(), BUSY),
            (Some(_), _) if withheld => (String::new(), PLAIN),
            (Some(value), None) => (value.clone(), PLAIN),
            (Some(value), Some(next)) => (format!("{value}, and soon {next}"), BUSY),
        };
        [
            Cell::from(format!("{} {}", own.service, own.parameter)),
            Cell::new(value, style),
            Cell::from(source(own)),
        ]
    });
    Table::new(["PARAMETER", "VALUE", "FOLLOWS"], HEAD, rows)
}

/// `ipaddress of db1 (guest; a change restarts)`
fn source(own: &ReferenceStatus) -> String {
    let from = match own.from.as_str() {
        "" => String::new(),
        from => format!("{from}; "),
    };
    let change = match (own.on_change.as_str(), own.restarts) {
        ("reload", false) => "is taken over",
        ("reload", true) => "restarts, since its agent cannot take it over",
        ("ignore", _) => "counts at its next start",
        _ => "restarts",
    };
    format!("{} of {} ({from}a change {change})", own.name, own.assembly)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_a_change_does() {
        let mut own = ReferenceStatus {
            name: "ipaddress".into(),
            assembly: "db1".into(),
            on_change: "restart".into(),
            ..ReferenceStatus::default()
        };
        assert_eq!(source(&own), "ipaddress of db1 (a change restarts)");
        (own.from, own.on_change) = ("guest".into(), "ignore".into());
        assert_eq!(
            source(&own),
            "ipaddress of db1 (guest; a change counts at its next start)"
        );
        (own.on_change, own.restarts) = ("reload".into(), true);
        assert!(source(&own).ends_with("restarts, since its agent cannot take it over)"));
    }
}
