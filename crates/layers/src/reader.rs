//! One file: the paths it uses, the names it imports, the modules it declares.

use crate::tokens::{Token, tokens};

/// A path as it is written, with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

/// What a module says about itself. Modules inside a file are modules of their own.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// From the root: empty for the root itself.
    pub(crate) path: Vec<String>,
    /// All paths, those of imports too (of a glob import: what stands before the asterisk).
    pub(crate) references: Vec<Reference>,
    /// Names that imports bring in, with the paths they stand for.
    pub(crate) imports: Vec<(String, Vec<String>)>,
    /// Modules declared for tests only.
    pub(crate) tests: Vec<String>,
}

/// Reads a file that is the module `path`, and the modules inside it.
pub(crate) fn read(path: Vec<String>, text: &str) -> Vec<Module> {
    let mut reader = Reader {
        tokens: tokens(text),
        at: 0,
        done: Vec::new(),
    };
    reader.module(path);
    reader.done
}

struct Reader {
    tokens: Vec<(Token, usize)>,
    at: usize,
    done: Vec<Module>,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(token, _)| token)
    }

    fn is(&self, ahead: usize, sign: char) -> bool {
        self.peek(ahead) == Some(&Token::Sign(sign))
    }

    fn name(&self, ahead: usize) -> Option<&str> {
        match self.peek(ahead) {
            Some(Token::Name(name)) => Some(name),
            _ => None,
        }
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |(_, line)| *line)
    }

    /// Reads up to the brace that closes the module, or the end.
    fn module(&mut self, path: Vec<String>) {
        let mut module = Module {
            path,
            ..Module::default()
        };
        let mut depth = 0;
        while let Some(token) = self.peek(0) {
            match token {
                Token::Sign('{') => depth += 1,
                Token::Sign('}') if depth == 0 => break,
                Token::Sign('}') => depth -= 1,
                Token::Sign('#') if self.is_for_tests() => {
                    self.skip_test_item(&mut module);
                    continue;
                }
                Token::Name(_) => {
                    self.named(&mut module);
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        self.done.push(module);
    }

    /// What begins with a name: an import, a module, a path, or something else.
    fn named(&mut self, module: &mut Module) {
        match self.name(0) {
            Some("use") if !self.is(1, '<') => {
                self.at += 1;
                self.import(module);
            }
            Some("mod") if self.is(2, '{') => {
                let mut path = module.path.clone();
                path.extend(self.name(1).map(str::to_owned));
                self.at += 3;
                self.module(path);
                self.at += 1;
            }
            _ => self.path(module),
        }
    }

    /// A path inside code. A single name is none.
    fn path(&mut self, module: &mut Module) {
        let line = self.line();
        let continues = self.at > 0
            && matches!(
                self.tokens[self.at - 1].0,
                Token::Path | Token::Sign('.' | '\'')
            );
        let mut path = vec![self.name(0).unwrap_or_default().to_owned()];
        self.at += 1;
        while self.peek(0) == Some(&Token::Path)
            && let Some(name) = self.name(1)
        {
            path.push(name.to_owned());
            self.at += 2;
        }
        if path.len() > 1 && !continues {
            module.references.push(Reference { path, line });
        }
    }

    /// An import, after `use`, with its semicolon.
    fn import(&mut self, module: &mut Module) {
        if self.peek(0) == Some(&Token::Path) {
            // `use ::other_crate`
            while self.peek(0).is_some() && !self.is(0, ';') {
                self.at += 1;
            }
        } else {
            self.import_tree(module, Vec::new());
        }
        self.at += 1;
    }

    fn import_tree(&mut self, module: &mut Module, mut path: Vec<String>) {
        let mut line = self.line();
        loop {
            match self.peek(0) {
                Some(Token::Name(name)) if name == "as" => break,
                Some(Token::Name(name)) => {
                    path.push(name.clone());
                    line = self.line();
                }
                Some(Token::Path) => {}
                Some(Token::Sign('*')) => {
                    self.at += 1;
                    module.references.push(Reference { path, line });
                    return;
                }
                Some(Token::Sign('{')) => return self.import_list(module, &path),
                _ => break,
            }
            self.at += 1;
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let mut name = path.last().cloned().unwrap_or_default();
        if self.name(0) == Some("as") {
            name = self.name(1).unwrap_or("_").to_owned();
            self.at += 2;
        }
        module.imports.push((name, path.clone()));
        module.references.push(Reference { path, line });
    }

    /// The braces of an import.
    fn import_list(&mut self, module: &mut Module, path: &[String]) {
        self.at += 1;
        while self.peek(0).is_some() && !self.is(0, '}') {
            if self.is(0, ',') {
                self.at += 1;
            } else {
                self.import_tree(module, path.to_vec());
            }
        }
        self.at += 1;
    }

    /// Whether `#[cfg(test)]` stands here.
    fn is_for_tests(&self) -> bool {
        self.is(1, '[')
            && self.name(2) == Some("cfg")
            && self.is(3, '(')
            && self.name(4) == Some("test")
            && self.is(5, ')')
    }

    /// Skips what follows `#[cfg(test)]`: to its semicolon or the end of its block, and no further
    /// than the block in which it stands. A module in a file of its own is noted.
    fn skip_test_item(&mut self, module: &mut Module) {
        while self.is(0, '#') {
            self.at += 1;
            self.skip_group();
        }
        if self.name(0) == Some("mod")
            && let Some(name) = self.name(1)
        {
            module.tests.push(name.to_owned());
        }
        let is_import = self.name(0) == Some("use");
        while let Some(token) = self.peek(0) {
            match token {
                Token::Sign('}') => return,
                Token::Sign(';') => {
                    self.at += 1;
                    return;
                }
                Token::Sign('{') => {
                    self.skip_group();
                    if !is_import {
                        return;
                    }
                }
                Token::Sign('(' | '[') => self.skip_group(),
                _ => self.at += 1,
            }
        }
    }

    /// Skips a pair of brackets and what is in it.
    fn skip_group(&mut self) {
        let mut depth = 0;
        while let Some(token) = self.peek(0) {
            match token {
                Token::Sign('(' | '[' | '{') => depth += 1,
                Token::Sign(')' | ']' | '}') => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }
}
