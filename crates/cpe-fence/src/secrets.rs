//! Files that parameters refer to. Only root reads them; the agent gets what is in them, or a copy.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context, bail};
use rustix::fs::{CWD, FileType, Mode, OFlags};

use crate::protocol::SECRETS;

/// The largest file, in bytes: a key with its chain of certificates.
const MAX_FILE: u64 = 64 << 10;

/// The path below the folder of secrets, if that deployment may have the file.
pub(crate) fn below<'p>(path: &'p str, deployment: &str) -> anyhow::Result<&'p str> {
    let rest = path.strip_prefix(SECRETS);
    let rest = rest.with_context(|| format!("{path} is not below {SECRETS}"))?;
    let parts: Vec<&str> = rest.split('/').collect();
    let plain = |part: &&str| {
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        (1..=128).contains(&part.len()) && !part.starts_with('.') && part.chars().all(valid)
    };
    let own = match parts[..] {
        [_] => true,
        [folder, _] => folder == deployment,
        _ => false,
    };
    if !own || !parts.iter().all(plain) {
        bail!("{path} is not a file in {SECRETS} or in {SECRETS}{deployment}/");
    }
    Ok(rest)
}

/// Reads a file below the folder of secrets.
///
/// # Errors
/// If it is not a file that only its owner and group can read, if a part of its path is a symbolic
/// link, or if it is too large.
pub(crate) fn read(folder: &Path, below: &str) -> anyhow::Result<Vec<u8>> {
    let opened = open(folder, below).with_context(|| format!("cannot read {SECRETS}{below}"))?;
    let stat = rustix::fs::fstat(&opened)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        bail!("{SECRETS}{below} is not a file");
    }
    if stat.st_mode & 0o007 != 0 {
        bail!("everybody can read {SECRETS}{below}: chmod o= it, and change the secret");
    }
    let mut content = Vec::new();
    let file = File::from(opened);
    file.take(MAX_FILE + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE {
        bail!("{SECRETS}{below} has more than {MAX_FILE} bytes");
    }
    Ok(content)
}

/// Opens it part by part, and no symbolic link. (openat2(2) is not let through by the sandbox.)
fn open(folder: &Path, below: &str) -> rustix::io::Result<OwnedFd> {
    let none = Mode::empty();
    let flags = OFlags::CLOEXEC | OFlags::RDONLY | OFlags::NOFOLLOW;
    let (inner, name) = match below.rsplit_once('/') {
        Some((inner, name)) => (Some(inner), name),
        None => (None, below),
    };
    let directory = flags | OFlags::DIRECTORY;
    let mut folder = rustix::fs::openat(CWD, folder, directory, none)?;
    if let Some(inner) = inner {
        folder = rustix::fs::openat(folder, inner, directory, none)?;
    }
    rustix::fs::openat(folder, name, flags | OFlags::NONBLOCK, none)
}

/// The text in a file, without the end of its line.
///
/// # Errors
/// If it is not one line of text.
pub(crate) fn line(content: Vec<u8>, below: &str) -> anyhow::Result<String> {
    let text = String::from_utf8(content).ok();
    let line = text.map(|text| text.trim_end_matches(['\n', '\r']).to_owned());
    match line {
        Some(line) if !line.is_empty() && !line.contains(char::is_control) => Ok(line),
        _ => bail!("{SECRETS}{below} is not one line of text"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_deployment_has_the_common_files_and_its_own() {
        assert_eq!(below("/etc/cpe/secrets/ipmi", "shop").unwrap(), "ipmi");
        let own = "/etc/cpe/secrets/shop/key.pem";
        assert_eq!(below(own, "shop").unwrap(), "shop/key.pem");
        for (path, deployment) in [
            (own, "other"),
            ("/etc/cpe/secrets/../shadow", ".."),
            ("/etc/cpe/secrets/.hidden", "shop"),
            ("/etc/cpe/secrets/a/b/c", "a"),
            ("/etc/cpe/secrets/", "shop"),
            ("/etc/shadow", "shop"),
        ] {
            assert!(below(path, deployment).is_err(), "{path}");
        }
    }

    #[test]
    fn only_a_small_file_that_is_not_for_everybody_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, content: &[u8], mode: u32| {
            std::fs::write(path(name), content).unwrap();
            std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        write("good", b"top secret\n", 0o640);
        write("open", b"x", 0o644);
        write("large", &[b'x'; 70_000], 0o600);
        std::os::unix::fs::symlink("good", path("link")).unwrap();
        std::os::unix::fs::symlink(".", path("linked")).unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        let content = read(folder.path(), "good").unwrap();
        assert_eq!(line(content, "good").unwrap(), "top secret");
        for (name, why) in [
            ("open", "everybody"),
            ("large", "more than"),
            ("link", "cannot read"),
            ("folder", "not a file"),
            ("missing", "cannot read"),
            ("linked/good", "cannot read"),
        ] {
            let refused = format!("{:#}", read(folder.path(), name).unwrap_err());
            assert!(refused.contains(why), "{name}: {refused}");
        }
    }

    #[test]
    fn a_value_is_one_line() {
        assert!(line(b"a\naction=on\n".to_vec(), "x").is_err());
        assert!(line(vec![0xff], "x").is_err());
        assert!(line(b"\n".to_vec(), "x").is_err());
    }
}
