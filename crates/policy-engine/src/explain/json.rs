//! Explanations as JSON for programs: the same as in the text, with codes and parameters.

use super::answer::{Explanation, NodeLine, Statement, Step, Value};
use super::text;

/// Explanations as a JSON array.
pub fn to_json(explanations: &[Explanation]) -> String {
    array(explanations.iter().map(explanation))
}

fn explanation(it: &Explanation) -> String {
    let remedies = it.remedies();
    let remedies = remedies.iter().map(|statement| {
        object(&[
            ("for", string(statement.code.name)),
            ("text", string(&statement.remedy)),
        ])
    });
    object(&[
        ("kind", string(it.kind.name())),
        ("name", string(&it.name)),
        ("attention", it.attention.to_string()),
        ("sentence", string(&text::first_sentence(it))),
        ("outcome", statement(&it.outcome)),
        (
            "reason",
            it.reason.as_ref().map_or("null".to_owned(), statement),
        ),
        ("remarks", array(it.remarks.iter().map(statement))),
        ("nodes", array(it.nodes.iter().map(node))),
        ("failures", array(it.failures.iter().map(statement))),
        ("steps", array(it.steps.iter().map(step))),
        ("remedies", array(remedies)),
        ("parts", array(it.parts.iter().map(explanation))),
    ])
}

fn statement(it: &Statement) -> String {
    let parameters = it.parameters.iter();
    let parameters: Vec<(&str, String)> = parameters
        .map(|(name, parameter)| (*name, value(parameter)))
        .collect();
    object(&[
        ("code", string(it.code.name)),
        ("text", string(&it.text)),
        ("parameters", object(&parameters)),
    ])
}

fn value(it: &Value) -> String {
    match it {
        Value::Text(text) | Value::Constraint(text) => string(text),
        Value::Number(number) => number.to_string(),
        Value::Names(names) => array(names.iter().map(|name| string(name))),
        Value::Because(inner) => statement(inner),
        Value::All(inner) => array(inner.iter().map(statement)),
    }
}

fn node(it: &NodeLine) -> String {
    let parts = it.parts.iter().map(|part| {
        object(&[
            ("change", string(&part.change)),
            ("cause", statement(&part.cause)),
        ])
    });
    object(&[
        ("node", string(&it.node)),
        (
            "score",
            it.score.as_ref().map_or("null".to_owned(), |it| string(it)),
        ),
        ("chosen", it.chosen.to_string()),
        ("reason", statement(&it.reason)),
        ("parts", array(parts)),
    ])
}

fn step(it: &Step) -> String {
    object(&[
        ("action", string(&it.action)),
        ("impossible", it.impossible.to_string()),
        ("waits", array(it.waits.iter().map(statement))),
    ])
}

fn array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn object(members: &[(&str, String)]) -> String {
    let members = members.iter();
    let members: Vec<String> = members
        .map(|(name, value)| format!("{}:{value}", string(name)))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            character if character < ' ' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            character => out.push(character),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::string;

    #[test]
    fn strings_are_escaped() {
        assert_eq!(string("a\"b\\c\nd\u{1}"), r#""a\"b\\c\nd\u0001""#);
    }
}
