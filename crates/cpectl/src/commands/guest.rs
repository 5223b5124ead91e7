//! `cpectl guest bundle`: all that a guest needs to come online by itself, for cloud-init or as a
//! tarball.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use cpe_bus::identity::{CA, IDENTITY, Name, REVOKED};
use cpe_pki::Authority;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::pki::ensure_dpe;
use crate::failure::{Failure, Kind};
use crate::options::{Bundle, Format, Guest, GuestCommand};
use crate::output::Output;

/// Longest program or package, in bytes.
const MAX_AGENT: u64 = 64 << 20;
/// Longer files are no settings in user-data, in bytes.
const MAX_IN_SETTINGS: usize = 64 << 10;
/// Where the units of the agent lie on this host, and in the guest.
const UNITS: &str = "/usr/lib/systemd/system";
/// What one of the units runs.
const LAPSE: &str = "/usr/lib/cpe-agent/lapse.sh";
const LAPSE_TEXT: &str = include_str!("../../../../systemd/usr/lib/cpe-agent/lapse.sh");

/// A file of the guest.
struct File {
    path: String,
    mode: u32,
    content: Vec<u8>,
}

impl File {
    fn new(path: impl Into<String>, mode: u32, content: impl Into<Vec<u8>>) -> File {
        File {
            path: path.into(),
            mode,
            content: content.into(),
        }
    }
}

pub(crate) fn run(guest: &Guest, output: &Output) -> Result<(), Failure> {
    let GuestCommand::Bundle(arguments) = &guest.command;
    bundle(arguments, output)
}

fn bundle(arguments: &Bundle, output: &Output) -> Result<(), Failure> {
    // What cannot be written is found out before a certificate is issued.
    let mut files = agent_files(arguments)?;
    let mut file = secret_file(&arguments.output)?;
    let mut authority = Authority::open(&arguments.pki.directory)?;
    ensure_dpe(&mut authority, &arguments.pki, &arguments.name, output)?;
    let name = Name::agent(&arguments.name, &arguments.assembly);
    let issued = authority.issue(&name, arguments.days)?;
    let folder = "/etc/cpe/agent";
    let list = authority.revoked()?;
    files.push(File::new(
        format!("{folder}/{CA}"),
        0o644,
        authority.certificate(),
    ));
    files.push(File::new(format!("{folder}/{REVOKED}"), 0o644, list));
    files.push(File::new(
        format!("{folder}/{IDENTITY}"),
        0o600,
        issued.identity(),
    ));
    let settings = format!("CPE_AGENT_LISTEN={}\n", arguments.listen);
    files.push(File::new("/etc/cpe/agent.conf", 0o644, settings));
    let bytes = match arguments.format {
        Format::CloudInit => cloud_init(arguments, &files)?,
        Format::Tar => tarball(&files)?,
    };
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    written.map_err(|error| Failure::failed(format!("{}: {error}", arguments.output.display())))?;
    output.line(format!(
        "{name}: {} has its private key: keep it as secret as the guest's disk",
        arguments.output.display()
    ));
    Ok(())
}

/// A new file that only its owner can read; never over one that exists.
fn secret_file(path: &Path) -> Result<std::fs::File, Failure> {
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error| Failure::failed(format!("cannot make {}: {error}", path.display())))
}

/// The program with its units, a package, or nothing.
fn agent_files(arguments: &Bundle) -> Result<Vec<File>, Failure> {
    let Some(agent) = &arguments.agent else {
        return Ok(Vec::new());
    };
    let content = read(agent)?;
    if is_package(agent) {
        return Ok(vec![File::new("/var/tmp/cpe-agent.deb", 0o644, content)]);
    }
    if !content.starts_with(b"\x7fELF") {
        let agent = agent.display();
        return Err(Failure::new(
            Kind::Usage,
            format!("{agent} is neither a program nor a package (.deb)"),
        ));
    }
    let mut files = vec![File::new("/usr/bin/cpe-agent", 0o755, content)];
    for unit in [
        "cpe-agent.service",
        "cpe-agent-guard.service",
        "cpe-agent-lapse.service",
    ] {
        let path = arguments.units.join(unit);
        files.push(File::new(format!("{UNITS}/{unit}"), 0o644, read(&path)?));
    }
    files.push(File::new(LAPSE, 0o644, LAPSE_TEXT));
    Ok(files)
}

fn is_package(agent: &Path) -> bool {
    agent
        .extension()
        .is_some_and(|extension| extension == "deb")
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: std::io::Error| Failure::failed(format!("cannot read {}: {error}", path.display()));
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > MAX_AGENT {
        let path = path.display();
        return Err(Failure::failed(format!(
            "{path} is longer than {MAX_AGENT} bytes"
        )));
    }
    std::fs::read(path).map_err(failed)
}

/// User-data for cloud-init. JSON is YAML.
fn cloud_init(arguments: &Bundle, files: &[File]) -> Result<Vec<u8>, Failure> {
    let (long, short): (Vec<&File>, Vec<&File>) = files
        .iter()
        .partition(|file| file.content.len() > MAX_IN_SETTINGS);
    let written = short.iter().map(|file| {
        json!({
            "path": file.path,
            "owner": "root:root",
            "permissions": format!("{:04o}", file.mode),
            "encoding": "b64",
            "content": BASE64.encode(&file.content),
        })
    });
    let mut commands = vec![json!(["chmod", "0700", "/etc/cpe/agent"])];
    if arguments.agent.as_deref().is_some_and(is_package) {
        commands.push(json!([
            "dpkg",
            "--install",
            "--force-confold",
            "/var/tmp/cpe-agent.deb"
        ]));
    }
    commands.push(json!(["systemctl", "daemon-reload"]));
    let enable = [
        "systemctl",
        "enable",
        "--now",
        "cpe-agent-guard.service",
        "cpe-agent.service",
    ];
    commands.push(json!(enable));
    // One that the package has started already read no settings yet.
    commands.push(json!(["systemctl", "restart", "cpe-agent.service"]));
    let data = json!({
        "write_files": written.collect::<Vec<_>>(),
        "runcmd": commands,
    });
    let text =
        serde_json::to_string_pretty(&data).map_err(|error| Failure::failed(error.to_string()))?;
    let settings = format!("#cloud-config\n{text}\n");
    match long.is_empty() {
        true => Ok(settings.into_bytes()),
        false => Ok(parts(&settings, &long)?.into_bytes()),
    }
}

/// User-data of two parts: the settings, and a script that writes the long files. cloud-init reads
/// settings at each boot, several times and slowly; a script it only runs, and before `runcmd`,
/// since it runs them by their names.
fn parts(settings: &str, long: &[&File]) -> Result<String, Failure> {
    const BOUNDARY: &str = "==the-next-part==";
    let mut script = "#!/bin/sh\nset -e\numask 077\n".to_owned();
    for file in long {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        let packed = packed
            .write_all(&file.content)
            .and_then(|()| packed.finish());
        let packed = packed.map_err(|error| Failure::failed(format!("cannot pack: {error}")))?;
        let (path, mode, packed) = (&file.path, file.mode, BASE64.encode(packed));
        script += &format!(
            "base64 -d << 'END' | gzip -d > {path}.new\n{packed}\nEND\nchmod {mode:04o} {path}.new\nmv {path}.new {path}\n"
        );
    }
    let part = |kind: &str, name: &str, text: &str| {
        format!(
            "--{BOUNDARY}\nContent-Type: {kind}; charset=\"us-ascii\"\nMIME-Version: 1.0\n\
             Content-Disposition: attachment; filename=\"{name}\"\n\n{text}\n"
        )
    };
    let settings = part("text/cloud-config", "settings", settings);
    let script = part("text/x-shellscript", "cpe-agent", &script);
    Ok(format!(
        "Content-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\nMIME-Version: 1.0\n\n{settings}{script}--{BOUNDARY}--\n"
    ))
}

/// A tarball to be unpacked at the guest's root.
fn tarball(files: &[File]) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("cannot make a tarball: {error}"));
    let mut archive = tar::Builder::new(Vec::new());
    let mut put = |path: &str, mode, kind, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path, content)
    };
    // The others are there, in any guest.
    for (folder, mode) in [("etc/cpe/", 0o755), ("etc/cpe/agent/", 0o700)] {
        put(folder, mode, tar::EntryType::Directory, &[]).map_err(failed)?;
    }
    for file in files {
        let path = file.path.trim_start_matches('/');
        put(path, file.mode, tar::EntryType::Regular, &file.content).map_err(failed)?;
    }
    archive.into_inner().map_err(failed)
}
