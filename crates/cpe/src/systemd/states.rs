//! What systemd says about units, as types: `org.freedesktop.systemd1(5)` lists the words.

use std::fmt;

/// Declares an enum of systemd's words. A word that is not listed is kept as it is.
macro_rules! words {
    (
        $(#[$doc:meta])*
        $name:ident { $( $(#[$variant_doc:meta])* $variant:ident = $word:literal, )* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(crate) enum $name {
            $( $(#[$variant_doc])* $variant, )*
            /// Any other word.
            Other(String),
        }

        impl $name {
            pub(crate) fn from_word(word: &str) -> $name {
                match word {
                    $( $word => $name::$variant, )*
                    other => $name::Other(other.to_owned()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $( $name::$variant => $word, )*
                    $name::Other(word) => word,
                })
            }
        }
    };
}

words! {
    /// Whether the unit's file could be read.
    LoadState {
        /// It could: the unit has the properties of a service.
        Loaded = "loaded",
    }
}

words! {
    /// How a job ended.
    JobResult {
        /// As it was asked.
        Done = "done",
        /// Another job took its place.
        Canceled = "canceled",
        /// It took longer than the unit allows.
        Timeout = "timeout",
        /// The unit failed.
        Failed = "failed",
        /// A unit that it depends on failed.
        Dependency = "dependency",
        /// It did not apply to the unit's state.
        Skipped = "skipped",
        /// Nobody knows: systemd was replaced meanwhile. (Not a word of systemd's.)
        Lost = "lost",
    }
}

words! {
    /// Why the last run of a service ended.
    ServiceResult {
        /// It has not run, or ended well.
        Success = "success",
        /// It exited with a status that is not 0.
        ExitCode = "exit-code",
        /// It was killed by a signal.
        Signal = "signal",
        /// It was killed by a signal, and dumped core.
        CoreDump = "core-dump",
        /// It did not answer the watchdog.
        Watchdog = "watchdog",
        /// It was killed for want of memory.
        OomKill = "oom-kill",
        /// systemd has given up restarting it.
        StartLimitHit = "start-limit-hit",
    }
}

/// What a unit is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActiveState {
    Active,
    /// Also while it is reloading, and while it waits for its automatic restart.
    Activating,
    Deactivating,
    /// systemd is deleting its files.
    Maintenance,
    /// Also any state that this program does not know.
    Inactive,
    Failed,
}

impl ActiveState {
    pub(crate) fn from_word(word: &str) -> ActiveState {
        match word {
            "active" => ActiveState::Active,
            "activating" | "reloading" => ActiveState::Activating,
            "deactivating" => ActiveState::Deactivating,
            "maintenance" => ActiveState::Maintenance,
            "failed" => ActiveState::Failed,
            _ => ActiveState::Inactive,
        }
    }
}

/// How the main process of a service ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It has not ended, or nobody knows how.
    #[default]
    Unknown,
    /// With this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// By this signal, and dumped core.
    Dumped(i32),
}

impl Exit {
    /// From ExecMainCode (a `CLD_*` of `sigaction(2)`) and ExecMainStatus.
    pub(crate) fn new(code: i32, status: i32) -> Exit {
        match code {
            1 => Exit::Exited(status),
            2 => Exit::Killed(status),
            3 => Exit::Dumped(status),
            _ => Exit::Unknown,
        }
    }
}

/// How a run of a service ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct End {
    pub result: ServiceResult,
    pub exit: Exit,
}

impl Default for End {
    fn default() -> End {
        End {
            result: ServiceResult::Success,
            exit: Exit::Unknown,
        }
    }
}

impl End {
    /// It did what a daemon does that is asked to end.
    pub(crate) fn is_as_asked(&self) -> bool {
        (&self.result, self.exit) == (&ServiceResult::Success, Exit::Exited(0))
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exit {
            Exit::Exited(status) => write!(f, "exited with status {status}"),
            Exit::Killed(signal) => write!(f, "killed by signal {signal}"),
            Exit::Dumped(signal) => write!(f, "killed by signal {signal}, core dumped"),
            Exit::Unknown => f.write_str("ended"),
        }?;
        match &self.result {
            ServiceResult::Success
            | ServiceResult::ExitCode
            | ServiceResult::Signal
            | ServiceResult::CoreDump => Ok(()),
            ServiceResult::Watchdog => f.write_str(" (it did not answer systemd's watchdog)"),
            ServiceResult::OomKill => f.write_str(" (out of memory)"),
            ServiceResult::StartLimitHit => f.write_str(" (systemd has given up restarting it)"),
            ServiceResult::Other(word) if word.is_empty() => Ok(()),
            ServiceResult::Other(word) => write!(f, " ({word})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_an_end_reads_as_a_sentence() {
        let end = |result: &str, code, status| {
            let end = End {
                result: ServiceResult::from_word(result),
                exit: Exit::new(code, status),
            };
            end.to_string()
        };
        assert_eq!(end("signal", 2, 9), "killed by signal 9");
        assert_eq!(end("exit-code", 1, 3), "exited with status 3");
        assert_eq!(end("core-dump", 3, 11), "killed by signal 11, core dumped");
        assert_eq!(
            end("watchdog", 2, 6),
            "killed by signal 6 (it did not answer systemd's watchdog)"
        );
        assert_eq!(
            end("start-limit-hit", 1, 1),
            "exited with status 1 (systemd has given up restarting it)"
        );
        assert_eq!(end("resources", 0, 0), "ended (resources)");
        assert_eq!(End::default().to_string(), "ended");
    }

    #[test]
    fn only_a_good_end_is_one_that_was_asked_for() {
        let end = |result: &str, code, status| End {
            result: ServiceResult::from_word(result),
            exit: Exit::new(code, status),
        };
        assert!(end("success", 1, 0).is_as_asked());
        for other in [
            end("exit-code", 1, 3),
            end("signal", 2, 9),
            // It was asked, and had to be killed.
            end("timeout", 2, 9),
            // It has not run since the host was booted.
            End::default(),
        ] {
            assert!(!other.is_as_asked(), "{other}");
        }
    }

    #[test]
    fn a_word_of_another_version_is_kept_as_it_is() {
        let result = JobResult::from_word("frozen");
        assert_eq!(result, JobResult::Other("frozen".into()));
        assert_eq!(result.to_string(), "frozen");
        assert_eq!(ActiveState::from_word("refreshing"), ActiveState::Inactive);
    }
}
