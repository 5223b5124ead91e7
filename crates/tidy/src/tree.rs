//! The repository's files.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use crate::rust::{self, Parts};

/// Whether a path is not the repository's: what Git keeps, and what is built (`.gitignore`).
fn is_foreign(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    matches!(name, ".git" | "target") || path == "lab"
}

/// A text file.
#[derive(Clone, Debug)]
pub struct File {
    /// From the repository's root, with `/`.
    pub path: String,
    /// What is in it.
    pub text: String,
    parts: OnceLock<Parts>,
}

impl File {
    /// Whether its name ends with a dot and `extension`.
    pub fn has_extension(&self, extension: &str) -> bool {
        self.path
            .strip_suffix(extension)
            .is_some_and(|rest| rest.ends_with('.'))
    }

    /// Its parts, if it is Rust source.
    pub fn parts(&self) -> &Parts {
        self.parts.get_or_init(|| rust::parts(&self.text))
    }

    /// The folder in which it lies; empty for the root.
    pub(crate) fn folder(&self) -> &str {
        folder(&self.path)
    }
}

/// All files of a repository.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Text files, by path.
    files: Vec<File>,
    /// The paths of all files, also those that are not text, and of all folders.
    paths: BTreeSet<String>,
}

impl Tree {
    /// Reads everything below `root` but what is built and what Git keeps.
    ///
    /// # Errors
    /// If a file or folder cannot be read.
    pub fn read(root: &Path) -> io::Result<Tree> {
        let mut tree = Tree::default();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let path = entry?.path();
                let relative = path.strip_prefix(root).unwrap_or(&path);
                let relative = relative.to_string_lossy().replace('\\', "/");
                if is_foreign(&relative) || path.is_symlink() {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else {
                    tree.add(&relative, std::fs::read(&path)?);
                }
            }
        }
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    /// A repository in memory: paths and texts.
    pub fn of(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.add(path, text.as_bytes().to_vec());
        }
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        tree
    }

    fn add(&mut self, path: &str, bytes: Vec<u8>) {
        let mut folder = folder(path);
        while !folder.is_empty() && self.paths.insert(folder.to_owned()) {
            folder = self::folder(folder);
        }
        self.paths.insert(path.to_owned());
        if let Ok(text) = String::from_utf8(bytes) {
            self.files.push(File {
                path: path.to_owned(),
                text,
                parts: OnceLock::new(),
            });
        }
    }

    /// All text files, by path.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The files of Rust source.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files().filter(|file| file.has_extension("rs"))
    }

    /// The documents.
    pub fn markdown(&self) -> impl Iterator<Item = &File> {
        self.files().filter(|file| file.has_extension("md"))
    }

    /// The text file at a path.
    pub fn get(&self, path: &str) -> Option<&File> {
        let found = self
            .files
            .binary_search_by(|file| file.path.as_str().cmp(path));
        found.ok().map(|index| &self.files[index])
    }

    /// Whether there is a file or a folder at a path; the root is.
    pub(crate) fn exists(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        path.is_empty() || self.paths.contains(path)
    }

    /// The paths of all files and folders.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// The folders that hold a `Cargo.toml`, without the root.
    pub(crate) fn packages(&self) -> impl Iterator<Item = &str> {
        self.files()
            .filter_map(|file| file.path.strip_suffix("/Cargo.toml"))
    }

    /// The package to which a file belongs: the innermost, if there are several.
    pub(crate) fn package_of(&self, path: &str) -> Option<&str> {
        let is_in = |package: &&str| is_below(path, package);
        self.packages()
            .filter(is_in)
            .max_by_key(|found| found.len())
    }
}

/// Whether a path lies in a folder.
pub(crate) fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// The folder in which a path lies; empty for the root.
pub(crate) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A path from `folder` with its `.` and `..` resolved; `None` if it leaves the repository.
pub(crate) fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_and_stay_in_the_repository() {
        assert_eq!(join("docs/dev", "../bus/").as_deref(), Some("docs/bus"));
        assert_eq!(join("", "docs/./a.md").as_deref(), Some("docs/a.md"));
        assert_eq!(join("docs", "../../a"), None);
    }

    #[test]
    fn a_file_belongs_to_the_innermost_package() {
        let tree = Tree::of(&[
            ("crates/a/Cargo.toml", ""),
            ("crates/a/fuzz/Cargo.toml", ""),
        ]);
        assert_eq!(tree.package_of("crates/a/src/lib.rs"), Some("crates/a"));
        assert_eq!(tree.package_of("crates/a/fuzz/x.rs"), Some("crates/a/fuzz"));
        assert_eq!(tree.package_of("crates/ab/x.rs"), None);
    }

    #[test]
    fn folders_exist_as_their_files_do() {
        let tree = Tree::of(&[("docs/bus/a.xml", "")]);
        assert!(tree.exists("docs/bus/"));
        assert!(tree.exists("docs"));
        assert!(!tree.exists("docs/b"));
    }
}
