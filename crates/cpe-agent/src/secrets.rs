//! Values of parameters that only this guest has, and what of them may be told: nothing.
//!
//! They are read for each operation, given to its programs, and kept nowhere. What these programs
//! write is told to a DPE, and goes into its events: whatever is secret is taken out of it first.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cpe_bus::{GuestSecret, MAX_GUEST_SECRET};
use rustix::fs::{CWD, FileType, Mode, OFlags};

/// Write permission of the group and of others.
const WRITABLE: u32 = 0o022;
/// Of a folder: only its owner, and that of what is in it, may take that away.
const STICKY: u32 = 0o1000;
/// Where systemd has what the machine was given: by its hypervisor, or by who manages containers.
const OF_THE_MACHINE: &str = "/run/credentials/@system";

/// Where credentials are, in the order in which they are looked for.
#[derive(Debug, Clone, Default)]
pub struct Credentials(Vec<PathBuf>);

impl Credentials {
    /// Those of this process's unit, then those of the machine.
    pub fn of_this_unit() -> Credentials {
        let own = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Credentials(own.into_iter().chain([OF_THE_MACHINE.into()]).collect())
    }

    /// Those in these folders.
    pub fn of(folders: Vec<PathBuf>) -> Credentials {
        Credentials(folders)
    }

    /// Reads a value.
    ///
    /// # Errors
    /// Why it cannot be had, naming the place.
    pub fn read(&self, secret: &GuestSecret) -> Result<String, String> {
        secret.check()?;
        let path = match secret {
            GuestSecret::File(path) => PathBuf::from(path),
            GuestSecret::Credential(name) => self.find(name)?,
        };
        read_file(&path).map_err(|why| format!("{secret} {why}"))
    }

    fn find(&self, name: &str) -> Result<PathBuf, String> {
        let mut places = self.0.iter().map(|folder| folder.join(name));
        places.find(|path| path.is_file()).ok_or_else(|| {
            format!(
                "there is no credential {name}: give cpe-agent.service one (LoadCredential=), or this machine"
            )
        })
    }
}

/// Reads a file that only root, or whoever runs this agent, may change, or put another in the place
/// of.
fn read_file(path: &Path) -> Result<String, String> {
    check_folders(path)?;
    let flags = OFlags::CLOEXEC | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened =
        rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|error| match error {
            rustix::io::Errno::NOENT => "is not there".to_owned(),
            rustix::io::Errno::LOOP => "is a symbolic link: name the file itself".to_owned(),
            error => format!("cannot be read: {error}"),
        })?;
    let stat = rustix::fs::fstat(&opened).map_err(|error| format!("cannot be read: {error}"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err("is not a file".to_owned());
    }
    if !is_trusted(stat.st_uid) {
        return Err("does not belong to root: chown root it, and look what is in it".to_owned());
    }
    if stat.st_mode & WRITABLE != 0 {
        return Err("may be written by others than its owner: chmod go-w it".to_owned());
    }
    let most = MAX_GUEST_SECRET as u64;
    // Two more for the end of its last line, and one that would be too many.
    let (mut content, mut file) = (Vec::new(), File::from(opened).take(most + 3));
    file.read_to_end(&mut content)
        .map_err(|error| format!("cannot be read: {error}"))?;
    let text = String::from_utf8(content).map_err(|_| "is not text in UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    match text {
        "" => Err("is empty".to_owned()),
        text if text.len() > MAX_GUEST_SECRET => Err(format!("has more than {most} bytes")),
        text if text.contains('\0') => {
            Err("has a NUL in it, which no program can be given".to_owned())
        }
        text => Ok(text.to_owned()),
    }
}

/// Refuses a path in which others could say which file is meant: any file of root's would do.
fn check_folders(path: &Path) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    let resolved = folder.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "is not there".to_owned(),
        _ => format!("cannot be read: {error}"),
    })?;
    if resolved != folder {
        let resolved = resolved.join(path.file_name().unwrap_or_default());
        let resolved = resolved.display();
        return Err(format!(
            "has a symbolic link in its path: name {resolved} itself"
        ));
    }
    for folder in folder.ancestors() {
        let found = folder.metadata();
        let found = found.map_err(|error| format!("cannot be read: {error}"))?;
        let name = folder.display();
        if !is_trusted(found.uid()) {
            return Err(format!("lies in {name}, which does not belong to root"));
        }
        // In a sticky folder nobody takes away what is another's.
        if found.mode() & WRITABLE != 0 && found.mode() & STICKY == 0 {
            return Err(format!(
                "lies in {name}, into which others may put files: chmod go-w {name}"
            ));
        }
    }
    Ok(())
}

/// Whether files of that user are believed: root's, and those of whoever runs this agent.
fn is_trusted(user: u32) -> bool {
    user == 0 || user == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn file(path: &Path) -> GuestSecret {
        GuestSecret::File(path.to_str().unwrap().to_owned())
    }

    fn write(path: &Path, content: &[u8], mode: u32) {
        std::fs::write(path, content).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_is_read_without_the_end_of_its_last_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let none = Credentials::default();
        for (content, value) in [
            ("hunter2\n", "hunter2"),
            ("hunter2\r\n", "hunter2"),
            ("two\nlines\n\n", "two\nlines\n"),
            (" kept ", " kept "),
        ] {
            write(&path, content.as_bytes(), 0o644);
            assert_eq!(none.read(&file(&path)).unwrap(), value);
        }
        let longest = "x".repeat(MAX_GUEST_SECRET);
        write(&path, format!("{longest}\n").as_bytes(), 0o400);
        assert_eq!(none.read(&file(&path)).unwrap(), longest);
    }

    #[test]
    fn what_others_may_have_put_there_is_refused_and_never_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let long = vec![b'x'; MAX_GUEST_SECRET + 1];
        for (name, content, mode, why) in [
            ("group", b"canary".as_slice(), 0o620, "chmod go-w"),
            ("others", b"canary", 0o602, "chmod go-w"),
            ("empty", b"\n", 0o600, "is empty"),
            ("long", &long, 0o600, "has more than 65536 bytes"),
            ("nul", b"canary\0", 0o600, "NUL"),
            ("bytes", b"canary\xff", 0o600, "UTF-8"),
        ] {
            write(&path(name), content, mode);
            let error = Credentials::default().read(&file(&path(name))).unwrap_err();
            assert!(error.contains(why) && error.contains(name), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
        write(&path("good"), b"canary", 0o600);
        symlink(path("good"), path("link")).unwrap();
        rustix::fs::mkfifoat(CWD, path("fifo"), Mode::RUSR).unwrap();
        for (name, why) in [
            ("link", "symbolic link"),
            ("fifo", "is not a file"),
            ("none", "is not there"),
        ] {
            let error = Credentials::default().read(&file(&path(name))).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_path_in_which_others_could_say_which_file_is_meant_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["open", "open/inner", "sticky", "own"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        symlink("own", path("link")).unwrap();
        for name in ["open", "open/inner", "sticky", "own"] {
            write(&path(name).join("a"), b"canary", 0o600);
        }
        let set = |name: &str, mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path(name), mode).unwrap();
        };
        set("open", 0o777);
        set("sticky", 0o1777);
        let read = |name: &str| Credentials::default().read(&file(&path(name)));
        for (name, why) in [
            ("open/a", "chmod go-w"),
            ("open/inner/a", "chmod go-w"),
            ("link/a", "own/a itself"),
            ("none/a", "is not there"),
        ] {
            let error = read(name).unwrap_err();
            assert!(error.contains(why), "{name}: {error}");
        }
        for name in ["sticky/a", "own/a"] {
            assert_eq!(read(name).unwrap(), "canary", "{name}");
        }
    }

    #[test]
    fn a_credential_of_the_unit_comes_before_one_of_the_machine() {
        let (unit, machine) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(&unit.path().join("a"), b"unit", 0o400);
        for name in ["a", "b"] {
            write(&machine.path().join(name), b"machine", 0o400);
        }
        let places = [&unit, &machine].map(|folder| folder.path().to_owned());
        let credentials = Credentials::of(places.into());
        let read = |name: &str| credentials.read(&GuestSecret::Credential(name.into()));
        assert_eq!(read("a").unwrap(), "unit");
        assert_eq!(read("b").unwrap(), "machine");
        assert!(read("c").unwrap_err().contains("LoadCredential="));
        assert!(read("../a").is_err());
    }
}
