//! The tables of `docs/deployment-document.md`.

use super::{
    CLUSTER_OPTIONS, DEVICE_PARAMETERS, ELEMENTS, NODE_ATTRIBUTES, OPERATION_ATTRIBUTES,
    OPERATION_OPTIONS, RESOURCE_OPTIONS, RULE_ATTRIBUTES, Row, Rows, Treatment,
};

const CHAPTERS: [(&str, Rows); 8] = [
    ("Cluster options", CLUSTER_OPTIONS),
    ("Meta attributes of resources", RESOURCE_OPTIONS),
    ("Attributes of `<op>`", OPERATION_ATTRIBUTES),
    ("Meta attributes of operations", OPERATION_OPTIONS),
    ("Attributes of assemblies", NODE_ATTRIBUTES),
    ("Node attributes in rules", RULE_ATTRIBUTES),
    ("Parameters of fencing devices", DEVICE_PARAMETERS),
    ("Elements", ELEMENTS),
];

/// A table for each kind, as Markdown.
pub fn documentation() -> String {
    let mut page = String::new();
    for (title, rows) in CHAPTERS {
        page.push_str(&format!(
            "\n#### {title}\n\n| name | here | |\n| --- | --- | --- |\n"
        ));
        rows.iter().for_each(|row| page.push_str(&line(row)));
    }
    page
}

fn line(row: &Row) -> String {
    let (word, text) = match row.treatment {
        Treatment::CarriedOut { test } => ("carried out", format!("test `{test}`")),
        Treatment::Refused { hint } => ("**refused**", escaped(hint)),
        Treatment::NoMeaning { reason } => ("no meaning, warned about", escaped(reason)),
    };
    let mut line = format!("| `{}` | {word} | {text}", row.name);
    if let Some(values) = row.values.documented() {
        line.push_str(&format!("; {values}"));
    }
    if !row.within.is_empty() {
        let elements: Vec<String> = row.within.iter().map(|it| format!("`<{it}>`")).collect();
        line.push_str(&format!("; in {} only", elements.join(", ")));
    }
    if let Some((values, hint)) = row.except {
        let value = values.first().copied().unwrap_or_default();
        line.push_str(&format!(". `{value}` is **refused**: {}", escaped(hint)));
    }
    line.push_str(" |\n");
    line
}

/// Markdown takes angle brackets for HTML, and bars for columns.
fn escaped(text: &str) -> String {
    text.replace('<', "&lt;").replace('|', "\\|")
}
