//! Questions about room after a loss, as the bus has them.

use controller::{AssemblyId, RoomQuestion};
use cpe_bus::fields::{Reader, bounded};
use cpe_bus::{Error, Fields, Result};

use super::object::LONGEST_NAME;

/// Assemblies that a question names at most.
const MOST_NAMED: usize = 1000;

/// Bytes of a document: what the CPE takes at most is less.
const LONGEST_DOCUMENT: usize = 128 << 20;

/// The document that the question is about; `None`: the one in force.
///
/// # Errors
/// [`Error::InvalidArgument`] if something else is asked for too.
pub(super) fn document(options: &Fields) -> Result<Option<String>> {
    if !options.contains_key("document") {
        return Ok(None);
    }
    if options.contains_key("scope") || options.contains_key("assemblies") {
        return Err(Error::InvalidArgument(
            "of a `document` only the loss of any one assembly is looked at: leave `scope` and `assemblies` out".to_owned(),
        ));
    }
    let reader = Reader::new("options", options);
    reader.required_text("document", LONGEST_DOCUMENT).map(Some)
}

/// A question of options.
///
/// # Errors
/// [`Error::InvalidArgument`] with what would be right.
pub(super) fn question(options: &Fields) -> Result<RoomQuestion> {
    let reader = Reader::new("options", options);
    let scope = reader.text("scope", LONGEST_NAME)?;
    let named = reader.list("assemblies", MOST_NAMED, LONGEST_NAME)?;
    let is_named = options.contains_key("assemblies");
    match (scope.as_str(), is_named) {
        ("" | "any", false) => Ok(RoomQuestion::Any),
        ("any-host", false) => Ok(RoomQuestion::AnyHost),
        ("two", false) => Ok(RoomQuestion::Two),
        ("" | "named", true) => {
            let named = named.into_iter().map(AssemblyId::from);
            Ok(RoomQuestion::These(named.collect()))
        }
        ("named", false) => Err(Error::InvalidArgument(
            "option `assemblies` is missing: name those that are lost".to_owned(),
        )),
        ("any" | "any-host" | "two", true) => Err(Error::InvalidArgument(format!(
            "option `assemblies` names what is lost, and scope `{scope}` does not: leave one of them out"
        ))),
        (other, _) => Err(Error::InvalidArgument(format!(
            "`{}` is no scope: expected any, any-host, two or named",
            bounded(other, LONGEST_NAME)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use cpe_bus::fields::put;

    use super::*;

    #[test]
    fn a_document_is_asked_about_alone() {
        let mut options = Fields::new();
        assert_eq!(document(&options).unwrap(), None);
        put(&mut options, "document", "<deployable/>");
        let found = document(&options).unwrap();
        assert_eq!(found.as_deref(), Some("<deployable/>"));
        put(&mut options, "scope", "two");
        let error = document(&options).unwrap_err().message();
        assert!(error.contains("leave `scope`"), "{error}");
        options.remove("scope");
        put(&mut options, "document", "");
        assert!(document(&options).is_err());
    }

    #[test]
    fn a_question_is_read_or_refused_with_what_would_be_right() {
        let asked = |scope: &str, named: Option<Vec<&str>>| {
            let mut options = Fields::new();
            put(&mut options, "scope", scope);
            if let Some(named) = named {
                put(&mut options, "assemblies", named);
            }
            question(&options).map_err(|error| error.message())
        };
        assert_eq!(question(&Fields::new()).unwrap(), RoomQuestion::Any);
        assert_eq!(asked("two", None).unwrap(), RoomQuestion::Two);
        assert_eq!(asked("any-host", None).unwrap(), RoomQuestion::AnyHost);
        let these = RoomQuestion::These(vec!["web1".into(), "web2".into()]);
        assert_eq!(asked("named", Some(vec!["web1", "web2"])).unwrap(), these);
        for (scope, named, expected) in [
            ("named", None, "`assemblies` is missing"),
            ("two", Some(vec!["web1"]), "leave one of them out"),
            ("three", None, "is no scope"),
        ] {
            let error = asked(scope, named).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
