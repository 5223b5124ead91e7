//! The archive: a compressed tar file that is there as a whole or not at all, for its owner only.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::NamedTempFile;

use crate::failure::Failure;

/// Bytes of all that is put in, uncompressed. What comes after is left out.
const LARGEST: usize = 512 << 20;

/// The archive while it is made.
pub(super) struct Archive {
    path: PathBuf,
    force: bool,
    /// All that is in it is below this folder.
    folder: String,
    time_s: u64,
    left: usize,
    tar: tar::Builder<GzEncoder<NamedTempFile>>,
    lines: Vec<String>,
}

impl Archive {
    /// In the directory where it is to be, under another name. Never over a file that exists,
    /// unless `force` says so.
    pub(super) fn new(
        path: &Path,
        force: bool,
        folder: String,
        time_s: u64,
    ) -> Result<Archive, Failure> {
        if !force && path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".cpectl-report-")
            .tempfile_in(directory)
            .map_err(|error| cannot(path, &error))?;
        Ok(Archive {
            path: path.to_owned(),
            force,
            folder,
            time_s,
            left: LARGEST,
            tar: tar::Builder::new(GzEncoder::new(file, Compression::default())),
            lines: Vec::new(),
        })
    }

    /// Puts a file in, and notes what it is. Too large, it is left out, which is noted.
    pub(super) fn add(&mut self, name: &str, what: &str, text: &[u8]) -> Result<(), Failure> {
        let Some(left) = self.left.checked_sub(text.len()) else {
            self.missing(
                name,
                &format!("the report is too large: this has {} bytes", text.len()),
            );
            return Ok(());
        };
        self.left = left;
        self.put(name, text)?;
        self.lines.push(format!("{name}: {what}"));
        Ok(())
    }

    /// Notes what could not be had, and why.
    pub(super) fn missing(&mut self, name: &str, why: &str) {
        let why = why.replace('\n', " ");
        self.lines.push(format!("{name}: MISSING: {why}"));
    }

    fn put(&mut self, name: &str, text: &[u8]) -> Result<(), Failure> {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o600);
        header.set_mtime(self.time_s);
        header.set_size(u64::try_from(text.len()).unwrap_or(u64::MAX));
        header.set_cksum();
        let name = format!("{}/{name}", self.folder);
        let put = self.tar.append_data(&mut header, name, text);
        put.map_err(|error| cannot(&self.path, &error))
    }

    /// Closes it with its table of contents, puts it in place, and gives that table.
    pub(super) fn finish(mut self, head: &str) -> Result<String, Failure> {
        let mut manifest = head.to_owned();
        for line in &self.lines {
            manifest.push_str(line);
            manifest.push('\n');
        }
        self.put("MANIFEST.txt", manifest.as_bytes())?;
        let path = self.path;
        let close = || -> io::Result<NamedTempFile> {
            let mut file = self.tar.into_inner()?.finish()?;
            file.flush()?;
            file.as_file().sync_all()?;
            Ok(file)
        };
        let file = close().map_err(|error| cannot(&path, &error))?;
        let placed = match self.force {
            true => file.persist(&path),
            false => file.persist_noclobber(&path),
        };
        match placed {
            Ok(_) => Ok(manifest),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(exists(&path)),
            Err(error) => Err(cannot(&path, &error.error)),
        }
    }
}

fn exists(path: &Path) -> Failure {
    Failure::failed(format!(
        "{} exists: choose another file, or say --force",
        path.display()
    ))
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("cannot write {}: {error}", path.display()))
}
