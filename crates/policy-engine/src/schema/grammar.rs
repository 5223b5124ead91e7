//! The grammar as text (`configuration.grammar`), and its tree for one version of the format.

use super::Version;

const TEXT: &str = include_str!("configuration.grammar");

/// What may stand somewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Rule {
    /// The rule of this name.
    Named(&'static str),
    /// An element, by its number in [`Grammar::elements`].
    Element(usize),
    /// An attribute, by its number in [`Grammar::attributes`].
    Attribute(usize),
    /// All, in this order.
    Sequence(Vec<Rule>),
    /// All, in any order.
    Interleaved(Vec<Rule>),
    /// One of them.
    Choice(Vec<Rule>),
    /// Once or not at all.
    Optional(Box<Rule>),
    /// Any number of times.
    Repeated(Box<Rule>),
    /// At least once.
    AtLeastOnce(Box<Rule>),
    /// A value of an attribute.
    Value(Accepted),
    /// Nothing.
    Empty,
    /// Whatever there is.
    Any,
}

/// Values that an attribute may have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Accepted {
    Text,
    Id,
    IdRef,
    Integer,
    Positive,
    Boolean,
    Ports,
    Devices,
    Literal(&'static str),
    Not(Vec<&'static str>),
}

/// The rules of one version.
#[derive(Debug, Default)]
pub(super) struct Grammar {
    pub(super) rules: Vec<(&'static str, Rule)>,
    /// Names and contents.
    pub(super) elements: Vec<(&'static str, Rule)>,
    /// Names and values.
    pub(super) attributes: Vec<(&'static str, Rule)>,
}

impl Grammar {
    /// The rules that hold for a version.
    pub(super) fn of(version: Version) -> Grammar {
        let mut tokens = Vec::new();
        for line in TEXT.lines().filter(|line| !line.starts_with('#')) {
            if let Some(line) = in_version(line, version) {
                tokenize(line, &mut tokens);
            }
        }
        let mut parser = Parser {
            tokens,
            at: 0,
            grammar: Grammar::default(),
        };
        while parser.at < parser.tokens.len() {
            parser.definition();
        }
        parser.grammar
    }

    /// The rule of a name.
    pub(super) fn rule(&self, name: &str) -> &Rule {
        let found = self.rules.iter().find(|(known, _)| *known == name);
        let found = found.map(|(_, rule)| rule);
        found.expect("invariant: the grammar defines what it names")
    }
}

/// A line without its versions, if it holds for this one.
fn in_version(line: &'static str, version: Version) -> Option<&'static str> {
    let Some((range, rest)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) else {
        return Some(line);
    };
    let bound = |text: &str| match text {
        "" => None,
        text => Some(Version::parse(text).expect("invariant: the grammar names versions")),
    };
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let holds = bound(first).is_none_or(|first| first <= version)
        && bound(last).is_none_or(|last| version <= last);
    holds.then_some(rest)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token {
    Word(&'static str),
    Literal(&'static str),
    Sign(char),
}

fn tokenize(line: &'static str, tokens: &mut Vec<Token>) {
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let (text, after) = rest[1..].split_once('"').unwrap_or((&rest[1..], ""));
            tokens.push(Token::Literal(text));
            rest = after;
        } else if first.is_ascii_alphanumeric() {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(&rest[..end]));
            rest = &rest[end..];
        } else {
            tokens.push(Token::Sign(first));
            rest = &rest[first.len_utf8()..];
        }
        rest = rest.trim_start();
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    grammar: Grammar,
}

impl Parser {
    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token.expect("invariant: the grammar is complete")
    }

    fn skip(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: char) {
        let found = self.next();
        assert_eq!(found, Token::Sign(sign), "invariant: the grammar is right");
    }

    fn word(&mut self) -> &'static str {
        match self.next() {
            Token::Word(word) => word,
            other => unreachable!("the grammar has {other:?} instead of a word"),
        }
    }

    fn definition(&mut self) {
        let name = self.word();
        self.expect('=');
        let rule = self.list();
        self.grammar.rules.push((name, rule));
    }

    /// Particles with one kind of sign between them.
    fn list(&mut self) -> Rule {
        let mut items = vec![self.particle()];
        let mut between = None;
        while let Some(Token::Sign(sign @ (',' | '&' | '|'))) = self.peek() {
            assert!(
                between.is_none_or(|known| known == sign),
                "invariant: the grammar does not mix signs: {items:?}"
            );
            between = Some(sign);
            self.at += 1;
            items.push(self.particle());
        }
        match between {
            Some(',') => Rule::Sequence(items),
            Some('&') => Rule::Interleaved(items),
            Some(_) => Rule::Choice(items),
            None => items.remove(0),
        }
    }

    fn particle(&mut self) -> Rule {
        let rule = match self.next() {
            Token::Literal(text) => Rule::Value(Accepted::Literal(text)),
            Token::Sign(_) => {
                let inner = self.list();
                self.expect(')');
                inner
            }
            Token::Word(word) => self.named(word),
        };
        if self.skip('?') {
            Rule::Optional(Box::new(rule))
        } else if self.skip('*') {
            Rule::Repeated(Box::new(rule))
        } else if self.skip('+') {
            Rule::AtLeastOnce(Box::new(rule))
        } else {
            rule
        }
    }

    fn named(&mut self, word: &'static str) -> Rule {
        let value = match word {
            "element" => {
                let (name, content) = self.block();
                self.grammar.elements.push((name, content));
                return Rule::Element(self.grammar.elements.len() - 1);
            }
            "attribute" => {
                let (name, content) = self.block();
                self.grammar.attributes.push((name, content));
                return Rule::Attribute(self.grammar.attributes.len() - 1);
            }
            "empty" => return Rule::Empty,
            "any" => return Rule::Any,
            "text" => Accepted::Text,
            "ID" => Accepted::Id,
            "IDREF" => Accepted::IdRef,
            "integer" => Accepted::Integer,
            "positive" => Accepted::Positive,
            "boolean" => Accepted::Boolean,
            "ports" => Accepted::Ports,
            "devices" => Accepted::Devices,
            "not" => self.excluded(),
            name => return Rule::Named(name),
        };
        Rule::Value(value)
    }

    /// A name, and what stands in braces behind it.
    fn block(&mut self) -> (&'static str, Rule) {
        let name = self.word();
        self.expect('{');
        let content = self.list();
        self.expect('}');
        (name, content)
    }

    fn excluded(&mut self) -> Accepted {
        self.expect('(');
        let mut values = Vec::new();
        while let Token::Literal(value) = self.next() {
            values.push(value);
            if !self.skip('|') {
                self.expect(')');
                break;
            }
        }
        Accepted::Not(values)
    }
}
