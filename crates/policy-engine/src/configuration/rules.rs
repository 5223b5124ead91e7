//! Rules (scheduler-spec/01 §5).

use std::cell::Cell;
use std::cmp::Ordering;

use super::date_specs::DateSpec;
use super::{caches, dates};
use crate::model::{Agent, Cluster, LOOK_AHEAD_S, Table, Turn, Zone};
use crate::scalar;
use crate::xml::Element;

/// The facts with which a rule is evaluated (§5.2).
#[derive(Clone, Copy, Default)]
pub(crate) struct RuleContext<'a> {
    /// Node attributes.
    pub node_attributes: Option<&'a Table>,
    /// Class, provider, type.
    pub agent: Option<&'a Agent>,
    /// Operation name and interval in ms.
    pub operation: Option<(&'a str, u32)>,
    /// Resource parameters for `value-source="param"`.
    pub parameters: Option<&'a Table>,
    /// Resource meta-attributes for `value-source="meta"`.
    pub meta: Option<&'a Table>,
    /// Regular expression sub-matches of the resource id, `[0]` the whole match.
    pub submatches: Option<&'a [String]>,
}

/// Deepest nesting of rules, references followed: a chain of references may be a circle.
const MAX_DEPTH: u32 = 64;
/// Most conditions that one rule may lead to: references can multiply them.
pub(crate) const MAX_CONDITIONS: u32 = 10_000;

/// Whether a `rule` passes now. Reports recheck times to the cluster (§6.6).
pub(crate) fn passes(cluster: &Cluster, rule: Element<'_>, context: &RuleContext<'_>) -> bool {
    Evaluation {
        cluster,
        context,
        conditions: Cell::new(0),
    }
    .rule_passes(rule, 0)
}

/// One evaluation of a rule.
struct Evaluation<'e> {
    cluster: &'e Cluster,
    context: &'e RuleContext<'e>,
    /// Conditions looked at so far.
    conditions: Cell<u32>,
}

impl Evaluation<'_> {
    fn rule_passes(&self, rule: Element<'_>, depth: u32) -> bool {
        let Some(rule) = self.cluster.document.referenced(rule) else {
            return false;
        };
        if depth > MAX_DEPTH || !has_id(rule) {
            return false;
        }
        let any = match rule.get("boolean-op") {
            None => false,
            Some(op) if op.eq_ignore_ascii_case("and") => false,
            Some(op) if op.eq_ignore_ascii_case("or") => true,
            Some(_) => return false,
        };
        let mut conditions = rule.children().peekable();
        if conditions.peek().is_none() {
            return true;
        }
        match any {
            true => conditions.any(|condition| self.holds(condition, depth)),
            false => conditions.all(|condition| self.holds(condition, depth)),
        }
    }

    fn holds(&self, condition: Element<'_>, depth: u32) -> bool {
        self.conditions.set(self.conditions.get() + 1);
        if self.conditions.get() > MAX_CONDITIONS {
            return false;
        }
        if condition.name() == "rule" {
            return self.rule_passes(condition, depth + 1);
        }
        let Some(condition) = self.cluster.document.referenced(condition) else {
            return false;
        };
        has_id(condition)
            && match condition.name() {
                "expression" => expression(condition, self.context).unwrap_or(false),
                "date_expression" => date_expression(self.cluster, condition).unwrap_or(false),
                "rsc_expression" => agent_expression(condition, self.context.agent),
                "op_expression" => operation_expression(condition, self.context.operation),
                _ => false,
            }
    }
}

fn has_id(element: Element<'_>) -> bool {
    element.get("id").is_some_and(|id| !id.is_empty())
}

/// Whether a `rsc_expression` matches a resource's agent (§5.4).
fn agent_expression(expression: Element<'_>, agent: Option<&Agent>) -> bool {
    let agree = |name: &str, own: Option<&str>| {
        expression
            .get(name)
            .is_none_or(|wanted| own == Some(wanted))
    };
    agree("class", agent.map(|agent| &*agent.class))
        && agree(
            "provider",
            agent.and_then(|agent| agent.provider.as_deref()),
        )
        && agree("type", agent.map(|agent| &*agent.kind))
}

/// Whether an `op_expression` matches an operation, by name and interval in milliseconds (§5.5).
fn operation_expression(expression: Element<'_>, operation: Option<(&str, u32)>) -> bool {
    let Some((name, interval_ms)) = operation else {
        return false;
    };
    expression.get("name") == Some(name)
        && expression
            .get("interval")
            .is_none_or(|text| dates::parse_interval(text) == Some(interval_ms))
}

/// Whether a `date_expression` is true now; `None` if it is not valid (§5.6).
fn date_expression(cluster: &Cluster, expression: Element<'_>) -> Option<bool> {
    let now = cluster.now;
    let clock_time = |name: &str| match expression.get(name) {
        Some(text) => dates::parse_clock_time(text, now, &cluster.run.zone).map(Some),
        None => Some(None),
    };
    let instant = |name: &str| Some(clock_time(name)?.map(|time| time.instant));
    let operation = expression.get("operation").unwrap_or("in_range");
    if operation.eq_ignore_ascii_case("date_spec") {
        let spec = expression.child("date_spec")?;
        return Some(date_spec_holds(cluster, spec));
    }
    if operation.eq_ignore_ascii_case("gt") {
        let start = instant("start")??;
        if now <= start {
            cluster.recheck_at(start + 1, Turn::Rule);
        }
        return Some(now > start);
    }
    if operation.eq_ignore_ascii_case("lt") {
        let end = instant("end")??;
        cluster.recheck_at(end, Turn::Rule);
        return Some(now < end);
    }
    if !operation.eq_ignore_ascii_case("in_range") {
        return None;
    }
    let from = clock_time("start")?;
    let start = from.map(|time| time.instant);
    let end = match instant("end")? {
        Some(end) => Some(end),
        None => match expression.child("duration") {
            Some(duration) => Some(dates::add_duration(from?, duration)?),
            None => None,
        },
    };
    if start.is_none() && end.is_none() {
        return None;
    }
    if let Some(start) = start
        && now < start
    {
        cluster.recheck_at(start, Turn::Rule);
        return Some(false);
    }
    if let Some(end) = end {
        cluster.recheck_at(end + 1, Turn::Rule);
        return Some(now <= end);
    }
    Some(true)
}

/// Whether a `date_spec` holds now. Reports when that may change, which Pacemaker's scheduler does
/// not.
fn date_spec_holds(cluster: &Cluster, spec: Element<'_>) -> bool {
    let known = &caches::of(cluster).date_specs;
    if let Some(holds) = known.borrow().get(&spec.id()) {
        return *holds;
    }
    let holds = DateSpec::read(spec).is_some_and(|read| {
        let run = &cluster.run;
        let named = run.utc_offset_s.map(Zone::at_offset);
        let zone = named.as_ref().unwrap_or(&run.zone);
        let turns = read.next_change(cluster.now, cluster.looks_ahead_until(), zone);
        let turns = turns.unwrap_or(cluster.now.saturating_add(LOOK_AHEAD_S));
        cluster.turn_at(turns, Turn::Rule);
        read.holds(cluster.now.saturating_add(zone.offset_s(cluster.now)))
    });
    known.borrow_mut().insert(spec.id(), holds);
    holds
}

/// §5.3. `None`: the expression is invalid, which counts as failed.
fn expression(expression: Element<'_>, context: &RuleContext<'_>) -> Option<bool> {
    let attribute = substituted(expression.get("attribute")?, context.submatches);
    let operation = expression.get("operation")?.to_ascii_lowercase();
    let value = expression.get("value");
    let source = expression.get("value-source").unwrap_or("literal");
    let reference = if source.eq_ignore_ascii_case("literal") {
        value
    } else if source.eq_ignore_ascii_case("param") {
        context.parameters.and_then(|table| table.text(value?))
    } else if source.eq_ignore_ascii_case("meta") {
        context.meta.and_then(|table| table.text(value?))
    } else {
        return None;
    };
    let actual = context
        .node_attributes
        .and_then(|table| table.text(&attribute));
    let comparison = match (&*operation, value) {
        ("defined", None) => return Some(actual.is_some()),
        ("not_defined", None) => return Some(actual.is_none()),
        ("defined" | "not_defined", Some(_)) | (_, None) => return None,
        _ => compare(
            actual,
            reference,
            comparison_kind(expression, &operation, actual, reference)?,
        ),
    };
    let both = actual.is_some() && reference.is_some();
    match &*operation {
        "eq" => Some(comparison.is_eq()),
        "ne" => Some(comparison.is_ne()),
        "lt" => Some(both && comparison.is_lt()),
        "lte" => Some(both && comparison.is_le()),
        "gt" => Some(both && comparison.is_gt()),
        "gte" => Some(both && comparison.is_ge()),
        _ => None,
    }
}

/// `%0`…`%9` replaced by the sub-matches, if there are any.
fn substituted(text: &str, submatches: Option<&[String]>) -> String {
    let Some(submatches) = submatches.filter(|_| text.contains('%')) else {
        return text.to_owned();
    };
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek().and_then(|next| next.to_digit(10)) {
            Some(number) if c == '%' => {
                chars.next();
                let found = submatches.get(number as usize);
                out.push_str(found.map_or("", |text| text));
            }
            _ => out.push(c),
        }
    }
    out
}

#[derive(Clone, Copy)]
enum Comparing {
    Strings,
    Integers,
    Numbers,
    Versions,
}

fn comparison_kind(
    expression: Element<'_>,
    operation: &str,
    actual: Option<&str>,
    reference: Option<&str>,
) -> Option<Comparing> {
    let has_point = |text: Option<&str>| text.is_some_and(|text| text.contains('.'));
    match expression.get("type") {
        None if matches!(operation, "eq" | "ne") => Some(Comparing::Strings),
        None if has_point(actual) || has_point(reference) => Some(Comparing::Numbers),
        None => Some(Comparing::Integers),
        Some(kind) => match &*kind.to_ascii_lowercase() {
            "string" => Some(Comparing::Strings),
            "integer" => Some(Comparing::Integers),
            "number" => Some(Comparing::Numbers),
            "version" => Some(Comparing::Versions),
            _ => None,
        },
    }
}

fn compare(actual: Option<&str>, reference: Option<&str>, kind: Comparing) -> Ordering {
    let (Some(a), Some(b)) = (actual, reference) else {
        return actual.is_some().cmp(&reference.is_some());
    };
    let by_value = match kind {
        Comparing::Strings => None,
        Comparing::Integers => {
            let exact = |text| scalar::integer(text).filter(|n| !matches!(*n, i64::MIN | i64::MAX));
            exact(a).zip(exact(b)).map(|(a, b)| a.cmp(&b))
        }
        Comparing::Numbers => scalar::number(a)
            .zip(scalar::number(b))
            .and_then(|(a, b)| a.partial_cmp(&b)),
        Comparing::Versions => Some(scalar::compare_versions(a, b)),
    };
    by_value.unwrap_or_else(|| {
        let lower = |c: u8| c.to_ascii_lowercase();
        a.bytes().map(lower).cmp(b.bytes().map(lower))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::RunOptions;

    fn rule(now: i64, conditions: &str) -> (bool, Option<i64>) {
        let xml = format!("<rule id=\"r\">{conditions}</rule>");
        let document = Arc::new(crate::xml::parse(&xml).unwrap());
        let cluster = Cluster::new(document.clone(), now, RunOptions::default());
        let mut attributes = Table::new();
        attributes.set("cpu", "1.5x");
        attributes.set("mem", "10");
        attributes.set("#kind", "Cluster");
        let context = RuleContext {
            node_attributes: Some(&attributes),
            operation: Some(("monitor", 10_000)),
            ..RuleContext::default()
        };
        let passes = passes(&cluster, document.root(), &context);
        (passes, cluster.recheck_by.get())
    }

    fn expression(attributes: &str) -> bool {
        rule(0, &format!("<expression id=\"e\" {attributes}/>")).0
    }

    #[test]
    fn node_attributes_are_compared_by_type() {
        assert!(expression("attribute='cpu' operation='gt' value='1.25'"));
        assert!(expression("attribute='mem' operation='gt' value='9'"));
        assert!(!expression(
            "attribute='mem' operation='gt' value='9' type='string'"
        ));
        assert!(expression(
            "attribute='#kind' operation='eq' value='cluster'"
        ));
        assert!(expression("attribute='none' operation='ne' value='x'"));
        assert!(!expression("attribute='none' operation='lt' value='1'"));
        assert!(expression("attribute='none' operation='not_defined'"));
        assert!(!expression("attribute='mem' operation='defined' value='x'"));
        assert!(!expression("attribute='mem' operation='like' value='x'"));
    }

    #[test]
    fn date_conditions_say_when_they_change() {
        let gt = "<date_expression id='d' operation='gt' start='1970-01-02'/>";
        assert_eq!(rule(86_400, gt), (false, Some(86_401)));
        assert_eq!(rule(86_401, gt), (true, None));
        let range = "<date_expression id='d' start='1970-01-02'><duration id='x' hours='1'/></date_expression>";
        assert_eq!(rule(0, range), (false, Some(86_400)));
        assert_eq!(rule(90_000, range), (true, Some(90_001)));
        assert_eq!(rule(90_001, range), (false, None));
    }

    #[test]
    fn a_duration_of_months_is_added_in_the_offset_of_its_start() {
        let range = "<date_expression id='d' start='2026-01-31 03:30:00 +05:00'><duration id='x' months='1'/></date_expression>";
        let end = 1_772_231_400; // 2026-02-28 03:30:00 +05:00
        assert_eq!(rule(end, range), (true, Some(end + 1)));
        assert_eq!(rule(end + 1, range), (false, None));
    }

    #[test]
    fn that_a_date_spec_turns_is_said_to_executors_only() {
        let spec = "<date_expression id='d' operation='date_spec'><date_spec id='s' hours='9-16'/></date_expression>";
        let xml = format!("<rule id=\"r\">{spec}</rule>");
        let document = Arc::new(crate::xml::parse(&xml).unwrap());
        let turns = |now, zone: &str| {
            let zone = jiff::tz::TimeZone::posix(zone).unwrap();
            let run = RunOptions {
                zone: zone.into(),
                ..RunOptions::default()
            };
            let cluster = Cluster::new(document.clone(), now, run);
            let passes = passes(&cluster, document.root(), &RuleContext::default());
            assert_eq!(cluster.recheck_by.get(), None, "as Pacemaker's scheduler");
            (passes, cluster.turns_at.get().map(|(at, _)| at))
        };
        assert_eq!(turns(0, "UTC0"), (false, Some(9 * 3600)));
        assert_eq!(turns(9 * 3600, "UTC0"), (true, Some(17 * 3600)));
        assert_eq!(turns(0, "CET-1"), (false, Some(8 * 3600)));
    }

    #[test]
    fn operations_match_by_name_and_interval() {
        assert!(rule(0, "<op_expression id='o' name='monitor'/>").0);
        assert!(rule(0, "<op_expression id='o' name='monitor' interval='10s'/>").0);
        assert!(!rule(0, "<op_expression id='o' name='monitor' interval='11s'/>").0);
        assert!(!rule(0, "<op_expression id='o' name='start'/>").0);
    }

    #[test]
    fn a_rule_without_conditions_passes_and_unknown_conditions_fail() {
        assert!(rule(0, "").0);
        assert!(!rule(0, "<what id='w'/>").0);
        assert!(
            rule(
                0,
                "<rule id='s' boolean-op='or'><what id='w'/><rule id='t'/></rule>"
            )
            .0
        );
    }

    #[test]
    fn a_circle_of_references_fails() {
        let twice = "<rule id='a' boolean-op='or'><rule id-ref='a'/><rule id-ref='a'/></rule>";
        assert!(!rule(0, twice).0);
    }
}
