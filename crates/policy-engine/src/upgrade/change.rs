//! What an upgrade changed, for people.

/// Something that an upgrade changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// How Pacemaker's programs tell it.
    pub voice: Voice,
    /// What was changed.
    pub text: String,
    /// Line of the element, from 1; 0: it has no place in the text.
    pub line: u32,
    /// Column of the element, in bytes from 1; 0: it has no place in the text.
    pub column: u32,
}

/// How loudly Pacemaker's programs tell a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Voice {
    /// Something of the configuration no longer has an effect.
    Warning,
    /// Something was dropped that had none.
    Info,
    /// The same in other words.
    Debug,
    /// They tell nothing.
    Silent,
}

impl Change {
    /// The line that Pacemaker's programs print for it, whatever their verbosity.
    pub fn line_of_pacemaker(&self) -> Option<String> {
        let prefix = match self.voice {
            Voice::Warning => "WARNING",
            Voice::Info => "INFO",
            Voice::Debug => "DEBUG",
            Voice::Silent => return None,
        };
        Some(format!("{prefix}: {}", self.text))
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => f.write_str(&self.text),
            line => write!(f, "line {line}, column {}: {}", self.column, self.text),
        }
    }
}
