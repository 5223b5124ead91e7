//! The words of a text, one after the other, however its lines are broken and its names are
//! written.

/// A word in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// Empty for what ends a sentence or its part: nothing reads across it.
    pub(crate) text: String,
    /// Line, from 1.
    pub(crate) line: usize,
}

/// The words of a text. `snake_case` and `CamelCase` are several; quotes and the signs of comments
/// and lists are left out.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let mut push = |text: String| {
            found.push(Word {
                text,
                line: line_number,
            });
        };
        let body = line.trim_start_matches([' ', '/', '!', '*', '#', '>', '|']);
        let body = body.trim_end_matches([' ', '\\']);
        let mut word = String::new();
        let mut last = ' ';
        for c in body.chars() {
            let is_part = c.is_alphanumeric() || (c == '\'' && last.is_alphanumeric());
            let is_hump = c.is_uppercase() && last.is_lowercase();
            if (!is_part || is_hump) && !word.is_empty() {
                push(std::mem::take(&mut word));
            }
            if is_part {
                word.extend(c.to_lowercase());
            } else if !matches!(c, ' ' | '`' | '"' | '\'' | '*' | '_' | '-') {
                push(String::new());
            }
            last = c;
        }
        if !word.is_empty() {
            push(word);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn names_are_taken_apart_and_lines_joined() {
        assert_eq!(
            texts("/// What is\n/// `no` MergeMemory, it's.\n"),
            ["what", "is", "no", "merge", "memory", "", "it's", ""]
        );
    }

    #[test]
    fn every_word_has_its_line() {
        let lines: Vec<_> = words("a\nb_c\n").iter().map(|word| word.line).collect();
        assert_eq!(lines, [1, 2, 2]);
    }
}
