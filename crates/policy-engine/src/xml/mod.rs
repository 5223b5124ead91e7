//! A compact XML tree with positions, made for large CIBs: one copy of the text, arenas of elements
//! and attributes that point into it, element and attribute names interned. DTDs and entities other
//! than the five predefined ones are refused, and so are documents that are too large or too deep.
//! The tree can be changed (the simulation records results in it) and written.

mod attributes;
mod names;
mod parse;
mod plain;
mod tree;
mod write;

pub use parse::{XmlError, decode, parse};
pub use tree::{Document, Element, ElementId};
pub use write::{Decimal, Writer};
