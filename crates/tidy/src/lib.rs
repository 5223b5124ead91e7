//! Rules about the repository itself: how long a function may be, which words are retired, whether
//! every path that a document names exists.
//!
//! Each module of [`rules`] is one rule. It looks at the files of a [`Tree`] and returns what is
//! not as it should be, each with its place, what is wrong and what to do. `tests/tidy.rs` applies
//! all rules to this repository:
//!
//! ```text
//! cargo test -p tidy
//! ```
//!
//! There is no list of exceptions. A rule that is wrong about a file is a wrong rule: make it more
//! exact. To add one, write a module with a function `check` and a test in which it finds
//! something, and name it in `tests/tidy.rs`.

#![warn(missing_docs)]

mod finding;
mod manifest;
mod markdown;
pub mod rules;
pub mod rust;
mod tree;
mod words;

pub use finding::Finding;
pub use tree::{File, Tree};
