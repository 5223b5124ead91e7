//! Rust source as tokens: names and signs with their lines, without comments, texts and numbers.

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name or keyword.
    Name(String),
    /// `::`.
    Path,
    /// Any other sign, one character.
    Sign(char),
    /// A text, character or number; what it says does not matter.
    Literal,
}

/// The tokens of a file, each with its line, from 1.
pub(crate) fn tokens(text: &str) -> Vec<(Token, usize)> {
    let mut lexer = Lexer {
        text: text.chars().collect(),
        at: 0,
        line: 1,
    };
    let mut found = Vec::new();
    while let Some(token) = lexer.next() {
        found.push(token);
    }
    found
}

struct Lexer {
    text: Vec<char>,
    at: usize,
    line: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn step(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at += 1;
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn next(&mut self) -> Option<(Token, usize)> {
        self.skip_blanks_and_comments();
        let line = self.line;
        let c = self.peek(0)?;
        if let Some(hashes) = self.raw_text() {
            self.skip_raw_text(hashes);
            return Some((Token::Literal, line));
        }
        let token = match c {
            '"' => {
                self.skip_text('"');
                Token::Literal
            }
            '\'' => self.character_or_lifetime(),
            ':' if self.peek(1) == Some(':') => {
                self.at += 2;
                Token::Path
            }
            c if c.is_ascii_digit() => {
                self.word();
                Token::Literal
            }
            c if is_word(c) => self.name(),
            c => {
                self.step();
                Token::Sign(c)
            }
        };
        Some((token, line))
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('/')) => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.step();
                    }
                }
                (Some('/'), Some('*')) => self.skip_block_comment(),
                (Some(c), _) if c.is_whitespace() => {
                    self.step();
                }
                _ => return,
            }
        }
    }

    /// Block comments nest.
    fn skip_block_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                (None, _) => return,
                _ => {
                    self.step();
                }
            }
        }
    }

    /// If a raw text begins here (`r"`, `r#"`, `br"`, `cr"`): the number of its hashes.
    fn raw_text(&self) -> Option<usize> {
        let prefix = match (self.peek(0)?, self.peek(1)) {
            ('r', _) => 1,
            ('b' | 'c', Some('r')) => 2,
            _ => return None,
        };
        let mut hashes = 0;
        while self.peek(prefix + hashes) == Some('#') {
            hashes += 1;
        }
        (self.peek(prefix + hashes) == Some('"')).then_some(hashes)
    }

    fn skip_raw_text(&mut self, hashes: usize) {
        while self.step().is_some_and(|c| c != '"') {}
        while let Some(c) = self.step() {
            if c == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                self.at += hashes;
                return;
            }
        }
    }

    fn skip_text(&mut self, end: char) {
        self.step();
        while let Some(c) = self.step() {
            if c == '\\' {
                self.step();
            } else if c == end {
                return;
            }
        }
    }

    fn character_or_lifetime(&mut self) -> Token {
        if self.peek(1) == Some('\\') || self.peek(2) == Some('\'') {
            self.skip_text('\'');
        } else {
            self.step();
            self.word();
        }
        Token::Literal
    }

    /// A name, also a raw one (`r#type`); a text or character with a prefix (`b"…"`) is a literal.
    fn name(&mut self) -> Token {
        if self.peek(0) == Some('r') && self.peek(1) == Some('#') {
            self.at += 2;
        }
        let word = self.word();
        match self.peek(0) {
            Some('"') if word == "b" || word == "c" => {
                self.skip_text('"');
                Token::Literal
            }
            Some('\'') if word == "b" => {
                self.skip_text('\'');
                Token::Literal
            }
            _ => Token::Name(word),
        }
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek(0).is_some_and(is_word) {
            self.at += 1;
        }
        self.text[start..self.at].iter().collect()
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        tokens(text)
            .into_iter()
            .filter_map(|(token, _)| match token {
                Token::Name(name) => Some(name),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn comments_texts_and_characters_are_left_out() {
        let text = r####"
            a // b
            /* c /* d */ e */ f
            "g \" h" r"i" r##"j "# k"## b"l" br#"m"# 'n' '\'' b'o' '"' p
            'lifetime q 0x1f r#type
        "####;
        assert_eq!(names(text), ["a", "f", "p", "q", "type"]);
    }

    #[test]
    fn every_token_has_its_line() {
        let lines: Vec<usize> = tokens("a\n\"x\ny\" b\n/*\n*/ c::d")
            .iter()
            .map(|(_, line)| *line)
            .collect();
        assert_eq!(lines, [1, 2, 3, 5, 5, 5]);
    }
}
