//! What becomes of everything that Pacemaker's configuration can say: carried out, refused, or
//! without meaning here.
//!
//! One row for each cluster option, meta attribute, attribute of operations and of nodes, parameter
//! of fencing devices and element (scheduler-spec/01). The reader refuses and warns by these rows,
//! `docs/deployment-document.md` lists them, and a test holds both against the code: what is
//! carried out names the test that shows it.

mod devices;
mod elements;
mod nodes;
mod operations;
mod options;
mod page;
mod resources;
mod values;

pub use devices::DEVICE_PARAMETERS;
pub use elements::ELEMENTS;
pub use nodes::{NODE_ATTRIBUTES, RULE_ATTRIBUTES};
pub use operations::{OPERATION_ATTRIBUTES, OPERATION_OPTIONS};
pub use options::CLUSTER_OPTIONS;
pub use page::documentation;
pub use resources::RESOURCE_OPTIONS;
pub use values::Values;
pub(crate) use values::{ON_FAIL, ROLES};

/// What becomes of something that a configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// The policy engine decides by it, and the rest of the system does what is decided.
    CarriedOut {
        /// The name of a test that shows it.
        test: &'static str,
    },
    /// A document that says it is refused: its author would rely on it in vain.
    Refused {
        /// Why, and what to do instead.
        hint: &'static str,
    },
    /// Nothing depends on it here. A document that says it is accepted, with a warning.
    NoMeaning {
        /// Why.
        reason: &'static str,
    },
}

/// One row: a name, or a beginning of names (`#health*`), and its treatment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// As documents write it.
    pub name: &'static str,
    /// What becomes of it.
    pub treatment: Treatment,
    /// Values with which it is refused whatever its treatment, and why.
    pub except: Option<(&'static [&'static str], &'static str)>,
    /// The elements that it means something in, if not in all that can have it.
    pub within: &'static [&'static str],
    /// What its value may be.
    pub values: Values,
}

/// The rows of one kind.
pub type Rows = &'static [Row];

const fn carried_out(name: &'static str, test: &'static str) -> Row {
    Row {
        name,
        treatment: Treatment::CarriedOut { test },
        except: None,
        within: &[],
        values: Values::Text,
    }
}

const fn refused(name: &'static str, hint: &'static str) -> Row {
    Row {
        name,
        treatment: Treatment::Refused { hint },
        except: None,
        within: &[],
        values: Values::Text,
    }
}

const fn no_meaning(name: &'static str, reason: &'static str) -> Row {
    Row {
        name,
        treatment: Treatment::NoMeaning { reason },
        except: None,
        within: &[],
        values: Values::Text,
    }
}

impl Row {
    const fn but_not(self, values: &'static [&'static str], hint: &'static str) -> Row {
        Row {
            except: Some((values, hint)),
            ..self
        }
    }

    /// With what its value may be.
    const fn with(self, values: Values) -> Row {
        Row { values, ..self }
    }

    const fn within(self, elements: &'static [&'static str]) -> Row {
        Row {
            within: elements,
            ..self
        }
    }

    /// Whether the row is about that name.
    pub fn is_about(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => self.name == name,
        }
    }

    /// Why that value is refused, and what to do instead; `None` if it is not.
    pub fn refuses(&self, value: &str) -> Option<&'static str> {
        if let Treatment::Refused { hint } = self.treatment {
            return Some(hint);
        }
        let (values, hint) = self.except?;
        let refused = values
            .iter()
            .any(|it| it.eq_ignore_ascii_case(value.trim()));
        refused.then_some(hint)
    }

    /// Whether the policy engine would not understand that value, of what it decides by.
    pub fn misunderstands(&self, value: &str) -> bool {
        let decides = matches!(self.treatment, Treatment::CarriedOut { .. });
        decides && !self.values.contain_pair(value)
    }
}

/// The row about a name. Those of names in full come before those of beginnings.
pub fn find(rows: Rows, name: &str) -> Option<&'static Row> {
    let exact = rows.iter().find(|row| row.name == name);
    exact.or_else(|| rows.iter().find(|row| row.is_about(name)))
}

/// The row about an attribute of an element, or about what makes the difference in it.
pub(crate) fn of_element(element: &str, what: &str) -> Option<&'static Row> {
    let wanted = Some((element, what));
    let mut rows = ELEMENTS.iter();
    rows.find(|row| row.name.split_once(' ') == wanted)
}

/// Why a resource with this agent is refused: it is the connection to a Pacemaker Remote node. As
/// in the policy engine case does not matter.
pub(crate) fn refuses_agent(class: &str, provider: &str, kind: &str) -> Option<&'static str> {
    let own = format!("{class}:{provider}:{kind}");
    let connection = "ocf:pacemaker:remote";
    let row = of_element("primitive", connection)?;
    row.refuses("")
        .filter(|_| own.eq_ignore_ascii_case(connection))
}
