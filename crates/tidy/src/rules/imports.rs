//! Imports come in three blocks with a blank line between them: std, other crates, this crate.

use std::collections::BTreeSet;
use std::fmt;

use crate::rust::Token;
use crate::tree::File;
use crate::{Finding, Tree, rust};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Block {
    Std,
    Others,
    Own,
}

impl fmt::Display for Block {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Block::Std => "std",
            Block::Others => "other crates",
            Block::Own => "this crate",
        })
    }
}

/// A `use` that is not `pub`.
#[derive(Debug)]
struct Import {
    block: Block,
    /// First and last line.
    lines: (usize, usize),
    /// Imports with the same number follow each other without other code in between.
    run: usize,
}

/// Finds imports in the wrong order, and blank lines that are missing or too many.
pub fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust().flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let code = &file.parts().code;
    let imports = Reader::read(&rust::tokens(code));
    let lines: Vec<&str> = file.text.lines().collect();
    let pairs = imports.windows(2).filter(|pair| pair[0].run == pair[1].run);
    let found = pairs.filter_map(|pair| {
        let (before, after) = (pair[0].block, pair[1].block);
        let (end, start) = (pair[0].lines.1, pair[1].lines.0);
        let is_apart = (end..start).any(|line| lines.get(line).is_some_and(|it| it.is_empty()));
        let (what, remedy) = if after < before {
            let what = format!("an import from {after} follows one from {before}");
            (what, "order them: std, other crates, this crate")
        } else if before == after && is_apart {
            let what = format!("a blank line parts imports from {before}");
            (what, "remove it")
        } else if before != after && !is_apart {
            let what = format!("imports from {before} and from {after} are not parted");
            (what, "put a blank line between them")
        } else {
            return None;
        };
        Some(Finding::new(&file.path, start, what, remedy))
    });
    found.collect()
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    run: usize,
    /// Modules that the file declares: a path may begin with their names.
    modules: BTreeSet<&'a str>,
}

impl<'a> Reader<'a> {
    fn read(tokens: &'a [Token<'a>]) -> Vec<Import> {
        let modules = tokens.windows(2).filter(|pair| pair[0].text == "mod");
        let mut reader = Reader {
            tokens,
            at: 0,
            run: 0,
            modules: modules.map(|pair| pair[1].text).collect(),
        };
        let mut found = Vec::new();
        while reader.at < tokens.len() {
            match reader.text(0) {
                "use" => found.push(reader.import()),
                "pub" => reader.public(),
                "#" => reader.attribute(),
                _ => {
                    reader.run += 1;
                    reader.at += 1;
                }
            }
        }
        found
    }

    fn text(&self, ahead: usize) -> &'a str {
        self.tokens
            .get(self.at + ahead)
            .map_or("", |token| token.text)
    }

    fn line(&self) -> usize {
        let last = self.tokens.len().saturating_sub(1);
        self.tokens
            .get(self.at.min(last))
            .map_or(0, |token| token.line)
    }

    fn import(&mut self) -> Import {
        let first = self.text(1);
        let is_own = matches!(first, "crate" | "super" | "self")
            || self.modules.contains(first)
            || first.starts_with(|c: char| c.is_ascii_uppercase());
        let block = match first {
            "std" | "core" | "alloc" => Block::Std,
            _ if is_own => Block::Own,
            _ => Block::Others,
        };
        let start = self.line();
        self.skip_to(";");
        let lines = (start, self.line());
        self.at += 1;
        Import {
            block,
            lines,
            run: self.run,
        }
    }

    /// A re-export belongs to the interface, not to the imports, and may stand among them.
    fn public(&mut self) {
        self.at += 1;
        if self.text(0) == "(" {
            self.skip_to(")");
            self.at += 1;
        }
        if self.text(0) == "use" {
            self.skip_to(";");
            self.at += 1;
        } else {
            self.run += 1;
        }
    }

    fn attribute(&mut self) {
        let mut depth = 0;
        while self.at < self.tokens.len() {
            match self.text(0) {
                "[" => depth += 1,
                "]" => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 && self.tokens[self.at - 1].text == "]" {
                return;
            }
        }
    }

    fn skip_to(&mut self, sign: &str) {
        while self.at < self.tokens.len() && self.text(0) != sign {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(usize, String)> {
        let tree = Tree::of(&[("a.rs", text)]);
        check(&tree)
            .into_iter()
            .map(|found| (found.line, found.what))
            .collect()
    }

    #[test]
    fn three_blocks_are_right() {
        let text = "mod local;\n\nuse std::io;\nuse std::{\n    fmt,\n    path::Path,\n};\n\nuse serde::Serialize;\n\n\
                    pub use local::A;\nuse crate::b;\nuse local::c;\n";
        assert_eq!(found(text), []);
    }

    #[test]
    fn a_wrong_order_is_found() {
        let text = "use crate::b;\n\nuse std::io;\n";
        let what = "an import from std follows one from this crate".to_owned();
        assert_eq!(found(text), [(3, what)]);
    }

    #[test]
    fn a_missing_blank_line_is_found_and_one_too_many() {
        let text = "use std::io;\nuse serde::A;\n\nuse tokio::B;\n";
        let parted = "imports from std and from other crates are not parted".to_owned();
        let blank = "a blank line parts imports from other crates".to_owned();
        assert_eq!(found(text), [(2, parted), (4, blank)]);
    }

    #[test]
    fn imports_of_two_blocks_of_code_are_apart() {
        assert_eq!(found("use crate::b;\nfn f() {\n    use std::io;\n}\n"), []);
    }
}
