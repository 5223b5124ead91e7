//! A grant, as a text in a file.

use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

use ownership::{Grant, Session};
use serde::{Deserialize, Serialize};

use crate::error;

#[derive(Serialize, Deserialize)]
struct GrantText {
    session: SessionText,
    incarnation: u8,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
struct SessionText {
    boot: u64,
    number: u32,
}

/// Where the grant of a deployment is, below the folder of the host's part in its cluster.
pub fn grant_in(folder: &Path, deployment: &str) -> PathBuf {
    folder.join("grant").join(deployment)
}

/// Where the permit is, below the same folder.
pub fn permit_in(folder: &Path) -> PathBuf {
    folder.join("permit")
}

/// A grant as it is written.
pub fn grant_text(grant: Grant) -> String {
    let Session { boot, number } = grant.session;
    let text = GrantText {
        session: SessionText { boot, number },
        incarnation: grant.incarnation,
        revision: grant.revision,
    };
    serde_json::to_string(&text).expect("invariant: numbers are JSON")
}

/// The grant in a file; `None`: there is none, and the DPE that looks for it ends.
///
/// # Errors
/// If the file cannot be read, or says something else.
pub fn grant_of(path: &Path) -> Result<Option<Grant>> {
    let read = || -> Result<GrantText> {
        let bytes = fs::read(path)?;
        serde_json::from_slice(&bytes).map_err(|error| Error::new(ErrorKind::InvalidData, error))
    };
    let text = match read() {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error::of(path.display(), &error)),
    };
    let SessionText { boot, number } = text.session;
    Ok(Some(Grant {
        session: Session { boot, number },
        incarnation: text.incarnation,
        revision: text.revision,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_read_as_it_was_written_and_a_torn_one_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = grant_in(folder.path(), "shop");
        assert_eq!(grant_of(&path).expect("there is none"), None);
        fs::create_dir(folder.path().join("grant")).expect("a folder");
        let grant = Grant {
            session: Session {
                boot: u64::MAX,
                number: 7,
            },
            incarnation: 1,
            revision: 12,
        };
        let text = grant_text(grant);
        fs::write(&path, &text).expect("written");
        assert_eq!(grant_of(&path).expect("read"), Some(grant));
        for end in 0..text.len() {
            fs::write(&path, &text[..end]).expect("written");
            let error = grant_of(&path).expect_err("torn").to_string();
            assert!(error.starts_with(&path.display().to_string()), "{error}");
        }
    }
}
