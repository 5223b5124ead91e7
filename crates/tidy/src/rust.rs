//! Rust source: which parts of it are code, comments and literals, its tokens and its functions.
//!
//! The source is read as text, not parsed, so that what stands in a macro counts too, and nothing
//! has to be compiled.

/// The three parts of a source. Each has the length and the lines of the source; what belongs to
/// another part is blank.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Everything but comments and literals.
    pub code: String,
    /// Comments, with their slashes.
    pub comments: String,
    /// Texts and characters, with their quotes.
    pub literals: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Literal,
}

/// Takes a source apart.
pub fn parts(text: &str) -> Parts {
    let mut reader = Reader {
        text: text.as_bytes(),
        at: 0,
        parts: Vec::with_capacity(text.len()),
    };
    while reader.at < text.len() {
        reader.step();
    }
    let only = |wanted: Part| {
        let keep = |(byte, part): (u8, &Part)| match byte {
            b'\n' => b'\n',
            byte if *part == wanted => byte,
            _ => b' ',
        };
        let bytes = text.bytes().zip(&reader.parts).map(keep).collect();
        // Parts begin and end at ASCII characters, so no character is cut in two.
        String::from_utf8(bytes).unwrap_or_default()
    };
    Parts {
        code: only(Part::Code),
        comments: only(Part::Comment),
        literals: only(Part::Literal),
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// The part to which each byte before `at` belongs.
    parts: Vec<Part>,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn take(&mut self, count: usize, part: Part) {
        let end = (self.at + count).min(self.text.len());
        self.parts.resize(end, part);
        self.at = end;
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (b'/', b'/') => {
                let rest = &self.text[self.at..];
                let end = rest.iter().position(|byte| *byte == b'\n');
                self.take(end.unwrap_or(rest.len()), Part::Comment);
            }
            (b'/', b'*') => self.block_comment(),
            (b'"', _) => self.literal(b'"'),
            (b'\'', b'\\') => self.literal(b'\''),
            (b'\'', _) if self.is_character() => self.literal(b'\''),
            (b'r', b'"' | b'#') if !self.is_in_word() => self.raw(1),
            (b'b' | b'c', b'r') if !self.is_in_word() => self.raw(2),
            _ => self.take(1, Part::Code),
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.take(2, Part::Comment);
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.take(2, Part::Comment);
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.take(1, Part::Comment),
            }
        }
    }

    fn literal(&mut self, quote: u8) {
        self.take(1, Part::Literal);
        while self.at < self.text.len() {
            match self.peek(0) {
                b'\\' => self.take(2, Part::Literal),
                byte => {
                    self.take(1, Part::Literal);
                    if byte == quote {
                        return;
                    }
                }
            }
        }
    }

    /// Whether the quote here begins a character, and not a lifetime: another quote follows after
    /// one character.
    fn is_character(&self) -> bool {
        let rest = String::from_utf8_lossy(&self.text[self.at..self.text.len().min(self.at + 6)]);
        rest.chars().nth(2) == Some('\'')
    }

    fn is_in_word(&self) -> bool {
        self.at > 0 && is_word(self.text[self.at - 1])
    }

    /// A raw text, if one begins after a prefix of that length; else (`r#type`, `break`) code.
    fn raw(&mut self, prefix: usize) {
        let mut hashes = 0;
        while self.peek(prefix + hashes) == b'#' {
            hashes += 1;
        }
        if self.peek(prefix + hashes) != b'"' {
            return self.take(1, Part::Code);
        }
        self.take(prefix + hashes + 1, Part::Literal);
        while self.at < self.text.len() {
            let ends = self.peek(0) == b'"' && (1..=hashes).all(|ahead| self.peek(ahead) == b'#');
            self.take(1, Part::Literal);
            if ends {
                return self.take(hashes, Part::Literal);
            }
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// A name, a keyword, a number, `::`, or one sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// As it is written.
    pub text: &'a str,
    /// Line, from 1.
    pub line: usize,
}

impl Token<'_> {
    /// Whether it is a name, a keyword or a number.
    pub fn is_word(&self) -> bool {
        self.text.bytes().next_back().is_some_and(is_word)
    }
}

/// The tokens of [`Parts::code`].
pub fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    for (line, text) in code.lines().enumerate() {
        let line = line + 1;
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let end = match word_length(rest) {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                // A raw name, as in `r#type`.
                1 if rest.starts_with("r#") => 2 + word_length(&rest[2..]),
                length => length,
            };
            let (text, after) = rest.split_at(end);
            found.push(Token { text, line });
            rest = after.trim_start();
        }
    }
    found
}

fn word_length(text: &str) -> usize {
    text.bytes().take_while(|byte| is_word(*byte)).count()
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`.
    pub line: usize,
    /// The line of its closing brace.
    pub end: usize,
}

/// The functions of [`Parts::code`], also those in other functions and in macros.
pub fn functions(code: &str) -> Vec<Function> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    for (index, pair) in tokens.windows(2).enumerate() {
        // `fn(u32) -> u32` is a type.
        if pair[0].text == "fn" && (pair[1].is_word() || pair[1].text == "$") {
            found.extend(body_end(&tokens[index..]).map(|end| Function {
                name: pair[1].text.to_owned(),
                line: pair[0].line,
                end,
            }));
        }
    }
    found
}

/// The line of the brace that closes the body of the function that begins here; `None` without a
/// body.
fn body_end(tokens: &[Token<'_>]) -> Option<usize> {
    let mut brackets = 0;
    let mut braces = 0;
    for token in tokens {
        match token.text {
            "(" | "[" => brackets += 1,
            ")" | "]" => brackets -= 1,
            ";" if brackets == 0 && braces == 0 => return None,
            "{" => braces += 1,
            "}" => {
                braces -= 1;
                if braces == 0 && brackets == 0 {
                    return Some(token.line);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_told_from_code() {
        let text = r####"let a = "x // y"; // "b" 'c
/* d /* e */ f */ let g: &'static str = r#"h "i" j"#; break 'k'"####;
        let parts = parts(text);
        assert!(parts.comments.starts_with(&" ".repeat(18)));
        assert_eq!(
            parts.comments.split_whitespace().collect::<Vec<_>>(),
            ["//", "\"b\"", "'c", "/*", "d", "/*", "e", "*/", "f", "*/"]
        );
        assert_eq!(
            parts.literals.split_whitespace().collect::<Vec<_>>(),
            ["\"x", "//", "y\"", "r#\"h", "\"i\"", "j\"#", "'k'"]
        );
        assert!(parts.code.contains("let g: &'static str ="));
        assert_eq!(parts.code.len(), text.len());
    }

    #[test]
    fn characters_are_told_from_lifetimes() {
        let parts = parts(r"fn f<'a>(x: &'a str) { x.split('\''); x.find('é'); }");
        assert_eq!(parts.literals.split_whitespace().count(), 2);
        assert!(parts.code.contains("&'a str"));
    }

    #[test]
    fn tokens_are_words_and_signs_with_their_lines() {
        let found: Vec<_> = tokens("a::b(\nr#type)\n")
            .into_iter()
            .map(|token| (token.text, token.line))
            .collect();
        let second = [("r#type", 2), (")", 2)];
        assert_eq!(found[..4], [("a", 1), ("::", 1), ("b", 1), ("(", 1)]);
        assert_eq!(found[4..], second);
    }

    #[test]
    fn functions_are_found_with_their_ends() {
        let text = "fn a(x: [u8; 2]) {\n  fn b() {}\n}\ntrait C { fn d(&self); }\ntype E = fn(u8);";
        let found: Vec<_> = functions(text)
            .into_iter()
            .map(|function| (function.name, function.line, function.end))
            .collect();
        assert_eq!(found, [("a".to_owned(), 1, 3), ("b".to_owned(), 2, 2)]);
    }
}
