//! One element being read: what may be in it, and its values by type.

use std::collections::BTreeMap;

use crate::model::Escalation;
use crate::problem::{Problems, quote};
use crate::tree::Element;
use crate::{configuration, report, value};

/// The original project's words for an escalation that there is not.
const NEVER: [&str; 2] = ["-1", "INFINITY"];

/// An element, and where problems with it are reported.
pub(super) struct Form<'e, 't, 'p> {
    pub(super) element: &'e Element<'t>,
    pub(super) problems: &'p mut Problems,
}

impl<'e, 't> Form<'e, 't, '_> {
    /// Reports attributes that the element must not have.
    pub(super) fn attributes(&mut self, known: &[&str]) {
        for attribute in &self.element.attributes {
            if !known.contains(&attribute.name) {
                let known = known.iter().copied();
                report::unknown_attribute(self.element, attribute, known, self.problems);
            }
        }
    }

    /// The child elements of these names. Reports all others, and text.
    pub(super) fn children(
        &mut self,
        known: &[&str],
    ) -> impl Iterator<Item = &'e Element<'t>> + use<'e, 't> {
        self.children_also(known, &[])
    }

    /// As [`Form::children`], and accepts some names that it does not propose.
    pub(super) fn children_also(
        &mut self,
        known: &[&str],
        accepted: &[&str],
    ) -> impl Iterator<Item = &'e Element<'t>> + use<'e, 't> {
        report::text_in(self.element, self.problems);
        let mut valid = Vec::with_capacity(self.element.children.len());
        for child in &self.element.children {
            if known.contains(&child.name) || accepted.contains(&child.name) {
                valid.push(child);
                continue;
            }
            let hint = match configuration::is_section_or_resource(child.name) {
                true => Some("put Pacemaker's own elements into <configuration>".to_owned()),
                false => self.problems.suggest(child.name, known.iter().copied()),
            };
            report::misplaced(self.element, child, hint, self.problems);
        }
        valid.into_iter()
    }

    /// Child elements of these names, each at most once.
    pub(super) fn sections<const N: usize>(
        &mut self,
        names: [&str; N],
    ) -> [Option<&'e Element<'t>>; N] {
        self.sections_also(names, &[])
    }

    /// As [`Form::sections`], and passes over children of some more names.
    pub(super) fn sections_also<const N: usize>(
        &mut self,
        names: [&str; N],
        accepted: &[&str],
    ) -> [Option<&'e Element<'t>>; N] {
        let mut found = [None; N];
        for child in self.children_also(&names, accepted) {
            let Some(slot) = names.iter().position(|name| *name == child.name) else {
                continue;
            };
            if found[slot].is_some() {
                report::second_section(self.element, child, self.problems);
            } else {
                found[slot] = Some(child);
            }
        }
        found
    }

    /// The value of an attribute; `None` if the element does not have it, or if it is not valid,
    /// which is reported.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let attribute = self.element.attribute(name)?;
        parse(&attribute.value)
            .map_err(|expected| {
                report::invalid_value(self.element, attribute, expected, self.problems);
            })
            .ok()
    }

    /// As [`Form::optional`], and its absence is a problem.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !self.element.has(name) {
            report::missing_attribute(self.element, name, self.problems);
        }
        self.optional(name, parse)
    }

    /// The required attribute `name`. An invalid one is reported, but kept: other elements may
    /// refer to it, and are right.
    pub(super) fn name(&mut self, parse: impl FnOnce(&str) -> Result<String, String>) -> String {
        self.required("name", parse)
            .or_else(|| self.element.value("name").map(str::to_owned))
            .unwrap_or_default()
    }

    /// `uuid`. Any text identifies, but one that is not a UUID is warned of.
    pub(super) fn uuid(&mut self) -> Option<String> {
        let uuid = self.optional("uuid", value::identity)?;
        if let Err(expected) = value::uuid(&uuid) {
            let message = format!("the uuid {} is not a UUID", quote(&uuid));
            let at = self.element.place("uuid");
            self.problems.warning(at, message, expected);
        }
        Some(uuid)
    }

    /// `escalation_failures` and `escalation_period`: both or neither. The original project's
    /// words for neither are accepted in either.
    pub(super) fn escalation(&mut self) -> Option<Escalation> {
        let failures = self.limit("escalation_failures", |text| {
            value::integer(text, 1, 1_000_000)
        });
        let period = self.limit("escalation_period", value::positive_duration);
        if let (Some(None), _) | (_, Some(None)) = (&failures, &period) {
            return None;
        }
        for (given, missing, example) in [
            ("escalation_failures", "escalation_period", "10m"),
            ("escalation_period", "escalation_failures", "3"),
        ] {
            if let Some(attribute) = self.element.attribute(given)
                && !self.element.has(missing)
            {
                let message = format!("<{}> has '{given}' without '{missing}'", self.element.name);
                let hint = format!("add {missing}=\"{example}\"");
                self.problems.error(attribute.offset, message, hint);
            }
        }
        Some(Escalation {
            failures: failures??,
            period: period??,
        })
    }

    /// One of the two limits of an escalation; `Some(None)`: there is none, as the original project
    /// writes it.
    fn limit<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        let limit = self.optional(name, |text| match NEVER.contains(&text) {
            true => Ok(None),
            false => parse(text).map(Some),
        })?;
        if limit.is_none() {
            let message = format!(
                "{name}={} is read as: its failures never escalate",
                quote(self.element.value(name).unwrap_or_default())
            );
            let hint = "leave escalation_failures and escalation_period out for that";
            let at = self.element.place(name);
            self.problems.warning(at, message, hint.to_owned());
        }
        Some(limit)
    }

    /// `<capacity cpu="4" memory="8192"/>`, `<utilization …/>`: any kinds, whole numbers.
    pub(super) fn quantities(&mut self) -> BTreeMap<String, u32> {
        self.children(&[]).for_each(drop);
        let mut quantities = BTreeMap::new();
        for attribute in &self.element.attributes {
            let quantity = self.optional(attribute.name, |text| {
                value::integer(text, 0, value::MAX_CAPACITY)
            });
            let Some(quantity) = quantity else { continue };
            if let Err(expected) = value::key(attribute.name) {
                let message = format!(
                    "{} is not a valid name of a capacity",
                    quote(attribute.name)
                );
                self.problems.error(attribute.offset, message, expected);
            }
            quantities.insert(attribute.name.to_owned(), quantity);
        }
        quantities
    }
}
