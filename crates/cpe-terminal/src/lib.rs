//! Text for people who look at a terminal. Nothing here decides whether there are colours or where
//! text goes: that is for the program.
//!
//! - [`escape_line`], [`escape_text`] and [`Escaped`]: a text from elsewhere, such as the exit
//!   reason of a resource agent or a name in a document, never moves the cursor, sets a title or
//!   reverses the direction of writing.
//! - [`Line`]: one line, whose parts have styles; it wraps at the edge of the terminal.
//! - [`Table`]: columns under their heads, as wide as what stands in them, also where characters
//!   are two cells wide; on a terminal that is narrower, the widest column wraps.

#![warn(missing_docs)]

mod escape;
mod line;
mod table;

use std::os::fd::AsFd;

pub use escape::{Escaped, escape_line, escape_text};
pub use line::Line;
pub use table::{Cell, Table};

/// Width of the terminal that a stream goes to, in cells; `None` if it goes elsewhere or the
/// terminal does not say.
pub fn columns(stream: impl AsFd) -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(stream)?;
    Some(usize::from(width.0)).filter(|width| *width > 0)
}

/// Height of the terminal that a stream goes to, in lines; `None` as for [`columns`].
pub fn rows(stream: impl AsFd) -> Option<usize> {
    let (_, height) = terminal_size::terminal_size_of(stream)?;
    Some(usize::from(height.0)).filter(|height| *height > 0)
}
