//! Rust source as tokens: names and signs with their lines, without comments and texts.

use tidy::rust;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name or keyword.
    Name(String),
    /// `::`.
    Path,
    /// Any other sign, one character.
    Sign(char),
    /// A lifetime or a number; what it says does not matter.
    Other,
}

/// The tokens of a file, each with its line, from 1.
pub(crate) fn tokens(text: &str) -> Vec<(Token, usize)> {
    let parts = rust::parts(text);
    let mut found = Vec::new();
    let mut is_lifetime = false;
    for token in rust::tokens(&parts.code) {
        let was_lifetime = std::mem::replace(&mut is_lifetime, token.text == "'");
        let kind = match token.text {
            "'" => continue,
            "::" => Token::Path,
            word if token.is_word() => {
                if was_lifetime || word.starts_with(|c: char| c.is_ascii_digit()) {
                    Token::Other
                } else {
                    Token::Name(word.trim_start_matches("r#").to_owned())
                }
            }
            sign => Token::Sign(sign.chars().next().unwrap_or_default()),
        };
        found.push((kind, token.line));
    }
    found
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
            "g \" h" r"i" r##"j "# k"## br#"m"# 'n' '\'' '"' p
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
        assert_eq!(lines, [1, 3, 5, 5, 5]);
    }
}
