//! Where the state is in a guest whose agent was upgraded while services ran.
//!
//! A former version kept its state wherever `CPE_AGENT_STATE_DIR` said. That was taken away: a
//! wrong one would have the agent and its guard forget a lease. But what it still names is looked
//! into. A state of this boot that is there stays there until the guest is booted again, also when
//! the setting is taken away meanwhile: the agent notes where it is.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

use crate::store::IDENTITY;

/// In the folder where the state would be: the path of the one where it is.
const ELSEWHERE: &str = "elsewhere";

/// The part of a state's identity that matters here.
#[derive(Deserialize)]
struct Boot {
    boot_id: String,
}

/// The folder that has the state of this boot: `own`, or else the one where an earlier process has
/// found it, or the one of the former setting. An empty boot id is one that is not known.
pub fn place(own: &Path, setting: Option<&Path>, boot_id: &str) -> PathBuf {
    if is_of_this_boot(own, boot_id) {
        return own.to_owned();
    }
    let noted = fs::read(own.join(ELSEWHERE)).ok();
    let noted = noted.map(|path| PathBuf::from(std::ffi::OsString::from_vec(path)));
    let mut others = noted.iter().map(PathBuf::as_path).chain(setting);
    let found = others.find(|other| other.is_absolute() && is_of_this_boot(other, boot_id));
    found.unwrap_or(own).to_owned()
}

/// Notes for later processes where the state is.
///
/// # Errors
/// Those of the file system.
pub fn note(own: &Path, place: &Path) -> anyhow::Result<()> {
    let (file, staging) = (own.join(ELSEWHERE), own.join(format!("{ELSEWHERE}~")));
    let path: &OsStr = place.as_os_str();
    let written = fs::DirBuilder::new()
        .recursive(true)
        .create(own)
        .and_then(|()| fs::write(&staging, path.as_bytes()))
        .and_then(|()| fs::rename(&staging, &file));
    written.with_context(|| format!("cannot write {}", file.display()))
}

/// Whether a folder has a state that may be of this boot. One that cannot be read may be.
fn is_of_this_boot(folder: &Path, boot_id: &str) -> bool {
    let read = fs::read(folder.join(IDENTITY));
    let missing = |error: &std::io::Error| {
        matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
    };
    match read {
        Err(error) => !missing(&error),
        Ok(bytes) => serde_json::from_slice::<Boot>(&bytes)
            .is_ok_and(|found| boot_id.is_empty() || found.boot_id == boot_id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(folder: &Path, boot_id: &str) {
        fs::create_dir_all(folder).unwrap();
        let text = format!(r#"{{"boot_id":"{boot_id}"}}"#);
        fs::write(folder.join(IDENTITY), text).unwrap();
    }

    #[test]
    fn the_state_of_this_boot_is_found_where_it_was_put() {
        let top = tempfile::tempdir().unwrap();
        let (own, former) = (top.path().join("own"), top.path().join("former"));
        assert_eq!(place(&own, Some(&former), "b1"), own, "there is none");
        state(&former, "b1");
        assert_eq!(place(&own, None, "b1"), own, "nobody says where it is");
        assert_eq!(place(&own, Some(Path::new("former")), "b1"), own);
        assert_eq!(place(&own, Some(&former), "b1"), former);
        assert_eq!(place(&own, Some(&former), ""), former, "in doubt");
        // Also when the setting has gone, or names another folder.
        note(&own, &former).unwrap();
        assert_eq!(place(&own, None, "b1"), former);
        assert_eq!(place(&own, Some(top.path()), "b1"), former);
        // What is of an earlier boot counts for nothing.
        assert_eq!(place(&own, Some(&former), "b2"), own);
        // Nor is one that began here left for it.
        state(&own, "b1");
        assert_eq!(place(&own, Some(&former), "b1"), own);
    }
}
