//! The floors of this crate, lowest first: each uses itself and what lies below it. The list is the
//! architecture.

use std::path::{Path, PathBuf};

use tidy::rust;

const FLOORS: layers::Floors<'_> = &[&["vocabulary"], &["machines"], &["controller"]];

#[test]
fn nothing_uses_what_lies_above_it() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    layers::assert_order(Path::new(source), FLOORS);
}

#[test]
fn only_the_top_floor_has_methods_of_the_controller() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for floor in ["vocabulary", "machines"] {
        for file in files(&source.join(floor)) {
            let text = std::fs::read_to_string(&file).expect("a file of the source");
            assert!(!text.contains("impl Controller"), "{}", file.display());
        }
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of the source");
    let paths = entries.map(|entry| entry.expect("an entry of it").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn fields_are_counted_and_nothing_else() {
    let text = "struct B { x: u8 } struct A { // c: d\n pub(crate) a: Vec<u8>, b: [u8; { let z: u8 = 1; 1 }] }";
    assert_eq!(fields(text, "A"), ["a", "b"]);
}

/// More would be a global state again: what belongs together is a machine with private fields.
const MOST_FIELDS: usize = 10;

#[test]
fn the_controller_has_few_fields() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/controller/mod.rs");
    let text = std::fs::read_to_string(path).expect("a file of the source");
    let fields = fields(&text, "Controller");
    assert!(
        (1..=MOST_FIELDS).contains(&fields.len()),
        "{} fields: {fields:?}",
        fields.len()
    );
}

/// What has methods that change it keeps its fields to itself: else everybody could change them.
#[test]
fn machines_have_private_fields() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/machines");
    let text = |file: &PathBuf| std::fs::read_to_string(file).expect("a file of the source");
    let codes: Vec<String> = files(&source)
        .iter()
        .map(|file| rust::parts(&text(file)).code)
        .collect();
    let texts = |code| rust::tokens(code).iter().map(|token| token.text).collect();
    let all: Vec<Vec<&str>> = codes.iter().map(|code| texts(code)).collect();
    let mut machines = 0;
    for tokens in &all {
        for at in 0..tokens.len() {
            let ["impl", name, "{"] = tokens[at..].get(..3).unwrap_or_default() else {
                continue;
            };
            let changes = ["&", "mut", "self"];
            if !body(&tokens[at + 2..]).windows(3).any(|it| it == changes) {
                continue;
            }
            machines += 1;
            // In its own file first: a name may occur twice.
            let fields = std::iter::once(tokens)
                .chain(&all)
                .find_map(|tokens| fields_of(tokens, name));
            let is_enum = || all.iter().any(|tokens| has(tokens, ["enum", name, "{"]));
            match fields {
                Some(fields) => assert!(!fields.contains(&"pub"), "{name}"),
                None if is_enum() => {}
                None => {
                    let first = all.iter().find_map(|tokens| first_of_tuple(tokens, name));
                    assert!(first.is_some(), "{name} is declared nowhere");
                    assert_ne!(first, Some("pub"), "{name}");
                }
            }
        }
    }
    assert!(
        machines > 15,
        "{machines}: the check looks where they are not"
    );
}

/// The fields of that struct, if it is declared among these tokens.
fn fields_of<'a, 't>(tokens: &'a [&'t str], name: &str) -> Option<&'a [&'t str]> {
    if let Some(at) = position(tokens, ["struct", name, "{"]) {
        return Some(body(&tokens[at + 2..]));
    }
    let at = position(tokens, ["struct", name, "("])?;
    let end = tokens[at..].iter().position(|token| *token == ";")?;
    Some(&tokens[at + 3..at + end])
}

/// The first token of the fields of that struct, if it is declared as a tuple among these tokens.
fn first_of_tuple<'t>(tokens: &[&'t str], name: &str) -> Option<&'t str> {
    let at = position(tokens, ["struct", name, "("])?;
    tokens.get(at + 3).copied()
}

fn position(tokens: &[&str], three: [&str; 3]) -> Option<usize> {
    tokens.windows(3).position(|it| it == three)
}

fn has(tokens: &[&str], three: [&str; 3]) -> bool {
    position(tokens, three).is_some()
}

/// What stands between a brace, the first of these tokens, and its end.
fn body<'a, 't>(tokens: &'a [&'t str]) -> &'a [&'t str] {
    let mut depth = 0;
    let end = tokens.iter().position(|token| {
        depth += i32::from(*token == "{") - i32::from(*token == "}");
        depth == 0
    });
    &tokens[1..end.unwrap_or(tokens.len())]
}

/// The names of the fields of a struct, by its tokens.
fn fields(text: &str, name: &str) -> Vec<String> {
    let code = rust::parts(text).code;
    let tokens: Vec<&str> = rust::tokens(&code).iter().map(|token| token.text).collect();
    let start = position(&tokens, ["struct", name, "{"]).expect("the struct is there");
    let (mut depth, mut names) = (0, Vec::new());
    for pair in tokens[start + 2..].windows(2) {
        match pair[0] {
            "{" | "(" | "[" | "<" => depth += 1,
            "}" | ")" | "]" | ">" => depth -= 1,
            _ => {}
        }
        match depth {
            0 => break,
            1 if pair[1] == ":" => names.push(pair[0].to_owned()),
            _ => {}
        }
    }
    names
}
