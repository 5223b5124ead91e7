//! What an explanation consists of: statements with codes and parameters, which texts and JSON are
//! made of.

use super::codes::{self, Code};
use super::terms::Terms;

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A name, a word or a part of a sentence.
    Text(String),
    /// A number.
    Number(i64),
    /// Several names.
    Names(Vec<String>),
    /// The id of a constraint.
    Constraint(String),
    /// What is behind it.
    Because(Box<Statement>),
    /// Several things behind it.
    All(Vec<Statement>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(number)
    }
}

impl From<Statement> for Value {
    fn from(statement: Statement) -> Value {
        Value::Because(Box::new(statement))
    }
}

impl From<Vec<String>> for Value {
    fn from(names: Vec<String>) -> Value {
        Value::Names(names)
    }
}

impl From<Vec<Statement>> for Value {
    fn from(statements: Vec<Statement>) -> Value {
        Value::All(statements)
    }
}

/// The id of a constraint as a parameter.
pub(super) fn constraint(id: &str) -> Value {
    Value::Constraint(id.to_owned())
}

/// One reason: a code with parameters, and the sentence that they make.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What kind of reason it is.
    pub code: &'static Code,
    /// What it is about, by name.
    pub parameters: Vec<(&'static str, Value)>,
    /// The sentence, in the reader's words, without capital and full stop.
    pub text: String,
    /// What to do about it, in the reader's words; empty: nothing has to be done.
    pub remedy: String,
}

impl Statement {
    /// A statement with no parameters.
    pub(super) fn plain(terms: &Terms, code: &'static Code) -> Statement {
        Statement::new(terms, code, Vec::new())
    }

    /// A statement in the words of `terms`.
    pub(super) fn new(
        terms: &Terms,
        code: &'static Code,
        parameters: Vec<(&'static str, Value)>,
    ) -> Statement {
        let text = fill(code.sentence, &parameters, terms);
        let remedy = fill(terms.remedy(code), &parameters, terms);
        Statement {
            code,
            parameters,
            text,
            remedy,
        }
    }

    /// The same with one more parameter that its remedy or sentence names.
    pub(super) fn with(
        self,
        terms: &Terms,
        name: &'static str,
        value: impl Into<Value>,
    ) -> Statement {
        let mut parameters = self.parameters;
        parameters.retain(|(known, _)| *known != name);
        parameters.push((name, value.into()));
        Statement::new(terms, self.code, parameters)
    }

    /// A parameter's text.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| *known == name);
        match found {
            Some((_, Value::Text(text) | Value::Constraint(text))) => Some(text),
            _ => None,
        }
    }

    /// Whether its sentence names a node by itself.
    pub(super) fn names_node(&self, node: &str) -> bool {
        let mut words = self
            .text
            .split(|it: char| it.is_whitespace() || ",;:()".contains(it));
        words.any(|word| word == node)
    }

    /// The remedies of this statement and of all that is behind it, outermost first, each once.
    pub(super) fn remedies<'a>(&'a self, out: &mut Vec<&'a Statement>) {
        let command = self
            .remedy
            .strip_prefix("to forget it: ")
            .unwrap_or(&self.remedy);
        let known = out.iter().any(|known| known.remedy.contains(command));
        if !self.remedy.is_empty() && !known {
            out.push(self);
        }
        for (_, value) in &self.parameters {
            match value {
                Value::Because(inner) => inner.remedies(out),
                Value::All(inner) => inner.iter().for_each(|inner| inner.remedies(out)),
                _ => {}
            }
        }
    }
}

/// A template with its parameters filled in.
fn fill(template: &str, parameters: &[(&'static str, Value)], terms: &Terms) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('[') {
        out.push_str(&segment(&rest[..at], parameters, terms).unwrap_or_default());
        let (inside, after) = rest[at + 1..].split_once(']').unwrap_or_default();
        out.push_str(&segment(inside, parameters, terms).unwrap_or_default());
        rest = after;
    }
    out.push_str(&segment(rest, parameters, terms).unwrap_or_default());
    out
}

/// A part of a template without brackets; `None` if a parameter is missing.
fn segment(template: &str, parameters: &[(&'static str, Value)], terms: &Terms) -> Option<String> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (name, after) = after.split_once('}')?;
        match terms.word(name) {
            Some(word) => out.push_str(word),
            None => {
                let (_, value) = parameters.iter().find(|(known, _)| *known == name)?;
                out.push_str(&shown(value, terms));
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

fn shown(value: &Value, terms: &Terms) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Names(names) => and(names),
        Value::Constraint(id) => terms.constraint(id).into_owned(),
        Value::Because(statement) => statement.text.clone(),
        Value::All(statements) => {
            let texts: Vec<&str> = statements.iter().map(|it| it.text.as_str()).collect();
            texts.join("; ")
        }
    }
}

/// Names as a sentence lists them.
pub(super) fn and(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// What is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectKind {
    /// A primitive or an instance of one.
    Resource,
    /// A node.
    Node,
    /// The whole.
    Cluster,
}

impl SubjectKind {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            SubjectKind::Resource => "resource",
            SubjectKind::Node => "node",
            SubjectKind::Cluster => "cluster",
        }
    }
}

/// A part of a score.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it adds: `+100`, `= -INFINITY`, `removed`.
    pub change: String,
    /// Where it comes from.
    pub cause: Statement,
}

/// What is to be said about one node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeLine {
    /// Name of the node.
    pub node: String,
    /// The score of the resource there; `None`: the node is not a candidate.
    pub score: Option<String>,
    /// The resource is to be there.
    pub chosen: bool,
    /// The reason that decides.
    pub reason: Statement,
    /// What the score consists of, in order.
    pub parts: Vec<Part>,
}

/// An action that is done, or should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is done, and where.
    pub action: String,
    /// It is not possible.
    pub impossible: bool,
    /// What it waits for, or why it is impossible.
    pub waits: Vec<Statement>,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What kind of thing was asked about.
    pub kind: SubjectKind,
    /// Its name.
    pub name: String,
    /// It is not as it should be.
    pub attention: bool,
    /// What is done with it.
    pub outcome: Statement,
    /// The one reason that decides.
    pub reason: Option<Statement>,
    /// What else is worth knowing.
    pub remarks: Vec<Statement>,
    /// Node by node.
    pub nodes: Vec<NodeLine>,
    /// Recorded failures.
    pub failures: Vec<Statement>,
    /// What is done, in its order.
    pub steps: Vec<Step>,
    /// What is not as it should be, for the whole and for nodes.
    pub parts: Vec<Explanation>,
}

impl Explanation {
    /// An explanation that has no more than its first sentence.
    pub(super) fn new(
        kind: SubjectKind,
        name: &str,
        outcome: Statement,
        reason: Option<Statement>,
    ) -> Explanation {
        Explanation {
            kind,
            name: name.to_owned(),
            attention: false,
            outcome,
            reason,
            remarks: Vec::new(),
            nodes: Vec::new(),
            failures: Vec::new(),
            steps: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// What to do about it, the most important first: statements whose remedies are not empty.
    pub fn remedies(&self) -> Vec<&Statement> {
        let mut found = Vec::new();
        let own = std::iter::once(&self.outcome).chain(&self.reason);
        own.for_each(|statement| statement.remedies(&mut found));
        let more = self.remarks.iter().chain(&self.failures);
        more.for_each(|statement| statement.remedies(&mut found));
        found.retain(|statement| self.asks_for(statement.code));
        found
    }

    /// Whether a remedy is of use for what is done: what only places a resource has to be changed
    /// where it has no place, or loses it.
    fn asks_for(&self, code: &Code) -> bool {
        // Said where something waits for the fencing, and not of what could run there besides.
        if code == &codes::NODE_UNCLEAN {
            let waiting = [
                &codes::STARTS_AFTER,
                &codes::STAYS_STOPPED,
                &codes::NODE_UNCLEAN,
            ];
            return waiting.contains(&self.outcome.code);
        }
        let placing = [
            &codes::LOCATION,
            &codes::APART,
            &codes::EXCLUSIVE,
            &codes::INSTANCE_THERE,
        ];
        let nowhere = [
            &codes::STAYS_STOPPED,
            &codes::STOPS,
            &codes::CANNOT_START,
            &codes::CANNOT_STOP,
        ];
        let moved = [&codes::MOVES, &codes::MIGRATES];
        if !placing.contains(&code) {
            return true;
        }
        let outcome = self.outcome.code;
        nowhere.contains(&outcome) || code == &codes::LOCATION && moved.contains(&outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::codes;

    #[test]
    fn brackets_without_their_parameters_are_left_out() {
        let parameters = vec![("node", Value::from("n1"))];
        let statement = Statement::new(&Terms::CLUSTER, &codes::NODE_UNCLEAN, parameters);
        assert_eq!(statement.text, "n1 is unclean; it must be fenced first");
        let reason = Statement::plain(&Terms::CLUSTER, &codes::FENCE_LOST);
        let statement = statement.with(&Terms::CLUSTER, "reason", reason);
        assert_eq!(
            statement.text,
            "n1 is unclean: it left the cluster without being shut down; it must be fenced first"
        );
    }
}
