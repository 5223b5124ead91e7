//! What people read that is made of the code: the tables of `docs/reference.md`, which say of
//! everything that happens, of each state and of each error what it means and what to do.

#![warn(missing_docs)]

pub mod tables;
