//! `access.toml` on disk: found, absent or wrong. What it says is read by [`crate::rights`].

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::unistd::Uid;

use crate::config::Access;
use crate::rights::{self, Policy};

/// Largest file, in bytes.
const LARGEST: u64 = 1 << 20;

/// What is there, to notice that it has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Absent,
    /// Device, number, size, and times of contents and of the entry, in nanoseconds.
    File([i64; 7]),
    /// It cannot be looked at, for this reason.
    Unknown(String),
}

/// Looks whether there is a file, without opening it.
pub(crate) fn look(path: &Path) -> Seen {
    match std::fs::metadata(path) {
        Ok(found) => Seen::File(marks(&found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Seen::Absent,
        Err(error) => Seen::Unknown(error.to_string()),
    }
}

fn marks(found: &Metadata) -> [i64; 7] {
    let number = |value: u64| value.cast_signed();
    [
        number(found.dev()),
        number(found.ino()),
        number(found.size()),
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ]
}

/// The rights that the file gives, or those without one.
///
/// # Errors
/// A text for people: what is wrong, and where.
pub(crate) fn read(access: &Access) -> Result<Policy, String> {
    let path = &access.file;
    let at = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Policy::without_file(&access.group, &access.recorder_group));
        }
        Err(error) => return Err(at(&error)),
    };
    let found = file.metadata().map_err(|error| at(&error))?;
    check(&found).map_err(|error| at(&error))?;
    let mut text = String::new();
    let read = (&mut file).take(LARGEST + 1).read_to_string(&mut text);
    read.map_err(|error| at(&error))?;
    if text.len() as u64 > LARGEST {
        return Err(at(&format!("it is larger than {LARGEST} bytes")));
    }
    rights::parse(&text, &access.group, &access.recorder_group).map_err(|error| at(&error))
}

/// Who can write to the file can give itself all rights.
fn check(found: &Metadata) -> Result<(), String> {
    if !found.is_file() {
        return Err("it is no file".into());
    }
    if found.uid() != 0 && found.uid() != Uid::effective().as_raw() {
        return Err(format!(
            "it belongs to user {}: `chown root` it, and look at what it says",
            found.uid()
        ));
    }
    if found.permissions().mode() & 0o022 != 0 {
        return Err("others may write to it: `chmod go-w` it, and look at what it says".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::rights::Source;

    fn access(directory: &Path) -> Access {
        Access {
            file: directory.join("access.toml"),
            ..Access::default()
        }
    }

    fn write(path: &PathBuf, text: &str) {
        std::fs::write(path, text).unwrap();
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(path, mode).unwrap();
    }

    #[test]
    fn a_file_that_others_may_write_to_or_that_is_none_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let access = access(directory.path());
        assert_eq!(read(&access).unwrap().source, Source::Absent);
        assert_eq!(look(&access.file), Seen::Absent);
        write(&access.file, "");
        assert_eq!(read(&access).unwrap().source, Source::File);
        let before = look(&access.file);
        let mode = std::fs::Permissions::from_mode(0o664);
        std::fs::set_permissions(&access.file, mode).unwrap();
        assert!(read(&access).unwrap_err().contains("chmod go-w"));
        assert_ne!(look(&access.file), before);
        write(&access.file, &" ".repeat(LARGEST as usize + 1));
        assert!(read(&access).unwrap_err().contains("larger"));
        std::fs::remove_file(&access.file).unwrap();
        std::fs::create_dir(&access.file).unwrap();
        assert!(read(&access).unwrap_err().contains("no file"));
    }

    #[test]
    fn what_is_wrong_names_the_file_and_the_line() {
        let directory = tempfile::tempdir().unwrap();
        let access = access(directory.path());
        write(&access.file, "\n\nstranger = 1\n");
        let error = read(&access).unwrap_err();
        assert!(
            error.contains("access.toml") && error.contains("line 3,"),
            "{error}"
        );
    }
}
