//! What a panic ends. A mistake in one piece of work (a document, a decision, a request) ends that
//! work; a mistake anywhere else ends the process at once, since a daemon of which a part is gone
//! is worse than one that systemd starts again.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo};

thread_local! {
    /// This thread does work of which a panic is confined.
    static CONFINED: Cell<bool> = const { Cell::new(false) };
}

/// A piece of work panicked. The log has the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked {
    message: String,
}

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "a mistake in this program ended the work: {}; please report it, with the log",
            self.message
        )
    }
}

impl std::error::Error for Panicked {}

/// Does a piece of work of which a panic ends nothing else. What the work shares with others must
/// be whole even if it stops in the middle.
///
/// # Errors
/// [`Panicked`] with the panic's message.
pub fn confine<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let outer = CONFINED.replace(true);
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(work));
    CONFINED.set(outer);
    outcome.map_err(|payload| Panicked {
        message: message(payload.as_ref()).to_owned(),
    })
}

/// From now on each panic is logged, and one outside of [`confine`] aborts the process.
pub fn abort_on_panic() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let place = panic.location().map(ToString::to_string);
        let place = place.as_deref().unwrap_or("an unknown place");
        tracing::error!("panic at {place}: {}", message(panic.payload()));
        if !CONFINED.get() {
            std::process::abort();
        }
    }));
}

fn message(payload: &(dyn Any + Send)) -> &str {
    match payload.downcast_ref::<&str>() {
        Some(text) => text,
        None => payload
            .downcast_ref::<String>()
            .map_or("a panic without a message", String::as_str),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confined_panic_is_an_error_with_its_message() {
        let number = 7;
        let failed = confine(|| -> u32 { panic!("the answer is {number}") }).unwrap_err();
        assert!(failed.to_string().contains("the answer is 7"), "{failed}");
        assert_eq!(confine(|| 3), Ok(3));
    }

    #[test]
    fn work_inside_confined_work_leaves_the_outer_confined() {
        let outcome = confine(|| {
            assert!(confine(|| -> () { panic!("inner") }).is_err());
            CONFINED.get()
        });
        assert_eq!(outcome, Ok(true));
        assert!(!CONFINED.get());
    }
}
