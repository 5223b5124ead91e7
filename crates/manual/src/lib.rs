//! Man pages of files and words, and the tables of `docs/reference.md`.
//!
//! Each has one source. What happens, what state something is in and what goes wrong comes from the
//! code ([`tables`]) into `docs/reference.md`. Settings come from the files that are installed,
//! routes from `docs/openapi.json`, the rest from the other pages below `docs/`. Of all that
//! [`pages`] puts the man pages of sections 5 and 7 together, as Markdown, which becomes roff.

#![warn(missing_docs)]

pub mod pages;
mod roff;
mod routes;
mod sections;
mod settings;
pub mod tables;
