//! Which deployments a grant is about.

use serde::Deserialize;

/// Longest pattern, in bytes: deployments' names have 63 at most.
const LONGEST: usize = 128;

/// A deployment's name, in which `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Pattern(String);

/// A text that cannot be a pattern.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` can be the name of no deployment: expected a-z, 0-9 and `-`, and `*` for any text, at most {LONGEST} bytes"
)]
pub(crate) struct NoPattern(String);

impl TryFrom<String> for Pattern {
    type Error = NoPattern;

    fn try_from(text: String) -> Result<Pattern, NoPattern> {
        let fits = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'*')
        };
        match !text.is_empty() && text.len() <= LONGEST && text.bytes().all(fits) {
            true => Ok(Pattern(text)),
            false => Err(NoPattern(text)),
        }
    }
}

impl Pattern {
    /// Every deployment.
    pub(crate) fn all() -> Pattern {
        Pattern("*".to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_all(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'*')
    }

    pub(crate) fn fits(&self, name: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else {
            return self.0 == name;
        };
        let Some(mut name) = name.strip_prefix(first) else {
            return false;
        };
        let mut parts: Vec<&str> = rest.split('*').collect();
        let last = parts.pop().unwrap_or_default();
        // The first place where a part is found leaves the most for those that follow.
        for part in parts {
            match name.find(part) {
                Some(at) => name = &name[at + part.len()..],
                None => return false,
            }
        }
        name.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        for (text, fitting, others) in [
            ("shop", &["shop"][..], &["shop-1", "ashop", "sho"][..]),
            ("shop-*", &["shop-", "shop-1"], &["shop", "a-shop-1"]),
            ("*-test", &["-test", "a-test"], &["test", "a-test-b"]),
            ("a*b*c", &["abc", "axbxc", "abbcc"], &["ac", "abcx", "acb"]),
            ("*", &["", "shop"], &[]),
            ("a*a", &["aa", "aba"], &["a"]),
        ] {
            for name in fitting {
                assert!(pattern(text).fits(name), "{text} {name}");
            }
            for name in others {
                assert!(!pattern(text).fits(name), "{text} {name}");
            }
        }
        assert!(pattern("**").is_all() && !pattern("a*").is_all());
    }

    #[test]
    fn what_no_deployment_can_be_called_is_refused() {
        for text in ["", "Shop", "shop?", "[a]", "a b", &"a".repeat(LONGEST + 1)] {
            assert!(Pattern::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
