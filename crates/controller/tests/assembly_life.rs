//! The drawing of an assembly's life in the documentation is that of the table of its edges.

// The table alone, without the private machine around it.
#[path = "../src/machines/assembly/edges.rs"]
mod edges;

use edges::{EDGES, State, Trigger};

/// Every state, once.
const STATES: [State; 8] = [
    State::Unknown,
    State::Online,
    State::Missed,
    State::Lost,
    State::OnlineFencing,
    State::MissedFencing,
    State::LostFencing,
    State::Safe,
];

fn name(state: State) -> &'static str {
    match state {
        State::Unknown => "unknown",
        State::Online => "online",
        State::Missed => "missed",
        State::Lost => "lost",
        State::OnlineFencing => "online, being fenced",
        State::MissedFencing => "missed, being fenced",
        State::LostFencing => "lost, being fenced",
        State::Safe => "safe",
    }
}

fn label(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Hello => "its agent answers Hello",
        Trigger::Late => "its heartbeats are late",
        Trigger::Heartbeat => "a heartbeat",
        Trigger::Silence => "nothing heard for too long, or another guest answers",
        Trigger::Demand => "its fencing is demanded",
        Trigger::Safe => "made safe",
        Trigger::Left => "its agent has left: everything is stopped",
        Trigger::GivenUp => "its fencing is given up",
        Trigger::Renamed => "lives on under another name",
        Trigger::Held => "its address belongs to a former life",
        Trigger::Occupied => "its guest belongs to somebody else",
    }
}

fn drawing() -> String {
    let mut dot = String::from(
        "// The life of an assembly, drawn from the table of its edges.\n\
         // Renew it: RENEW_DRAWINGS=1 cargo test -p controller --test assembly_life\n\
         digraph assembly_life {\n    node [shape=box, style=rounded];\n",
    );
    for state in STATES {
        dot.push_str(&format!("    {state:?} [label=\"{}\"];\n", name(state)));
    }
    for (trigger, from, to) in EDGES {
        let label = label(*trigger);
        dot.push_str(&format!("    {from:?} -> {to:?} [label=\"{label}\"];\n"));
    }
    dot.push_str("}\n");
    dot
}

/// The same for readers of the Markdown page.
fn diagram() -> String {
    let mut text = format!("{BEGIN}\n```mermaid\nstateDiagram-v2\n");
    for state in STATES {
        text.push_str(&format!("    {state:?} : {}\n", name(state)));
    }
    for (trigger, from, to) in EDGES {
        let label = label(*trigger).replace(':', ",");
        text.push_str(&format!("    {from:?} --> {to:?} : {label}\n"));
    }
    text.push_str(&format!("```\n{END}"));
    text
}

const BEGIN: &str =
    "<!-- the life of an assembly: drawn by crates/controller/tests/assembly_life.rs -->";
const END: &str = "<!-- end of the drawing -->";

/// What a file holds and should hold, where the drawing in it is renewed.
fn check(file: &str, expected: impl Fn(&str) -> String) {
    let path = format!("{}/../../docs/{file}", env!("CARGO_MANIFEST_DIR"));
    let drawn = std::fs::read_to_string(&path).unwrap_or_default();
    let expected = expected(&drawn);
    if std::env::var_os("RENEW_DRAWINGS").is_some() {
        std::fs::write(&path, &expected).expect("docs can be written");
    } else {
        assert!(
            drawn == expected,
            "docs/{file} is not what the table says; renew it: \
             RENEW_DRAWINGS=1 cargo test -p controller --test assembly_life"
        );
    }
}

#[test]
fn the_drawing_is_that_of_the_table() {
    check("assembly-life.dot", |_| drawing());
}

#[test]
fn the_diagram_of_the_architecture_page_is_that_of_the_table() {
    check("architecture.md", |page| {
        let (before, rest) = page.split_once(BEGIN).expect("the page has the drawing");
        let (_, after) = rest.split_once(END).expect("the drawing has an end");
        format!("{before}{}{after}", diagram())
    });
}
