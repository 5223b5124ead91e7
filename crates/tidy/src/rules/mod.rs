//! The rules: one in each file.

pub mod citations;
pub mod comment_width;
pub mod crate_map;
pub mod crate_names;
pub mod dependencies;
pub mod file_headers;
pub mod floors;
pub mod function_length;
pub mod imports;
pub mod library_docs;
pub mod line_ends;
pub mod links;
pub mod machine_paths;
pub mod measurements;
pub mod named_paths;
pub mod pure_crates;
pub mod reachable;
pub mod retired_words;
pub mod scripts;
