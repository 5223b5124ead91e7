//! Files on disk: which there are, and what may be read of them.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::Places;
use crate::signature::Secret;

/// Largest file of a sink or a secret, in bytes; of certificates ten times as much.
const MAX_FILE: u64 = 64 << 10;

/// The files that are sinks, by name.
pub(super) fn sinks(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("cannot be read: {error}");
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        // Editors leave files such as `.a.toml.swp` and `a.toml~`.
        let is_sink = |name: &str| name.ends_with(".toml") && !name.starts_with('.');
        if name.to_str().is_some_and(is_sink) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// A file's text.
pub(super) fn text(file: &Path) -> Result<String, String> {
    let (bytes, _) = read(file, MAX_FILE)?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8; save it as UTF-8".to_owned())
}

fn read(file: &Path, most: u64) -> Result<(Vec<u8>, Metadata), String> {
    let failed = |error: std::io::Error| format!("cannot be read: {error}");
    let found = std::fs::metadata(file).map_err(failed)?;
    // A pipe would keep this program waiting.
    if !found.is_file() {
        return Err("is no file".to_owned());
    }
    let opened = File::open(file).map_err(failed)?;
    let found = opened.metadata().map_err(failed)?;
    let mut bytes = Vec::new();
    opened
        .take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(format!("has more than {most} bytes"));
    }
    Ok((bytes, found))
}

/// A path that a sink names: a credential of systemd's, else beside the sinks.
fn find(name: &str, places: &Places) -> (PathBuf, bool) {
    let credential = places.credentials.as_ref().map(|folder| folder.join(name));
    match credential {
        Some(path) if !name.contains('/') && path.exists() => (path, true),
        _ => (places.folder.join(name), false),
    }
}

/// The secrets of a file, which nobody else may read.
pub(super) fn secrets(name: &str, places: &Places) -> Result<Vec<Secret>, String> {
    let (path, is_credential) = find(name, places);
    let named = |reason: String| format!("{}: {reason}", path.display());
    let (bytes, found) = read(&path, MAX_FILE).map_err(named)?;
    let mode = found.mode() & 0o777;
    if !is_credential && mode & 0o027 != 0 {
        return Err(named(format!(
            "others may read or change it (mode {mode:04o}): chmod 0640 and chgrp cpe-notify, or 0600 and chown cpe-notify"
        )));
    }
    let text = String::from_utf8(bytes).map_err(|_| named("it is not UTF-8".to_owned()))?;
    Secret::parse_all(&text).map_err(|error| named(error.to_string()))
}

/// The certificates of a file in PEM.
pub(super) fn authorities(
    name: &str,
    places: &Places,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let (path, _) = find(name, places);
    let named = |reason: String| format!("{}: {reason}", path.display());
    let (bytes, _) = read(&path, MAX_FILE * 10).map_err(named)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| named(format!("it is not PEM: {error}")))?;
    if found.is_empty() {
        return Err(named("no certificate is in it".to_owned()));
    }
    Ok(found)
}
