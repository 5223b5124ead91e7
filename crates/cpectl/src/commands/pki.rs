//! `cpectl pki`: the certificates of this host's guests and DPEs. All of it is files that are
//! root's; of the daemons only the agents of guests take part, whose own are renewed there.

use std::path::Path;

use cpe_bus::BusSelection;
use cpe_bus::identity::{CA, Name, REVOKED};
use cpe_pki::{Authority, Entry, Recipient, State};
use cpe_terminal::{Cell, Table};
use jiff::Timestamp;
use serde_json::json;

use super::renewal;
use crate::failure::{Failure, Kind};
use crate::options::{DEFAULT_DAYS, Issue, Pki, PkiCommand, Places, Renew, Revoke};
use crate::output::{BAD, FAINT, GOOD, HEAD, Output};

impl From<cpe_pki::Error> for Failure {
    fn from(error: cpe_pki::Error) -> Failure {
        let kind = match &error {
            cpe_pki::Error::NotFound(_) => Kind::NotFound,
            cpe_pki::Error::Exists(_) => Kind::Conflict,
            cpe_pki::Error::Invalid(_) => Kind::Usage,
            cpe_pki::Error::Denied(_) => Kind::Denied,
            cpe_pki::Error::File(_) => Kind::Failed,
        };
        Failure::new(kind, error.to_string())
    }
}

pub(crate) async fn run(pki: &Pki, bus: &BusSelection, output: &Output) -> Result<(), Failure> {
    match &pki.command {
        PkiCommand::Init { ca, key } => init(pki, ca.as_deref().zip(key.as_deref()), output),
        PkiCommand::Issue(arguments) => issue(pki, arguments, output).map(drop),
        PkiCommand::Renew(arguments) => renew(pki, bus, arguments, output).await,
        PkiCommand::RenewDue => renewal::due(pki, bus, output).await,
        PkiCommand::Revoke(arguments) => revoke(pki, arguments, output),
        PkiCommand::List { name } => list(pki, name.as_deref(), output),
        PkiCommand::Export { output: folder } => export(pki, folder, output),
    }
}

fn init(pki: &Pki, existing: Option<(&Path, &Path)>, output: &Output) -> Result<(), Failure> {
    let directory = &pki.places.directory;
    match existing {
        Some((ca, key)) => Authority::adopt(directory, &text_of(ca)?, &text_of(key)?)?,
        None => {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            Authority::init(directory, host.trim())?
        }
    };
    let directory = directory.display();
    output.line(format!(
        "the certificate authority of this host is in {directory}: keep a copy of it in a safe place"
    ));
    Ok(())
}

fn text_of(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::failed(format!("cannot read {}: {error}", path.display())))
}

/// Whose certificate is meant.
fn name(deployment: &str, assembly: Option<&str>) -> Name {
    match assembly {
        Some(assembly) => Name::agent(deployment, assembly),
        None => Name::dpe(deployment),
    }
}

fn issue(pki: &Pki, arguments: &Issue, output: &Output) -> Result<(), Failure> {
    let mut authority = Authority::open(&pki.places.directory)?;
    let dpe = Name::dpe(&arguments.name);
    let own = name(&arguments.name, arguments.assembly.as_deref());
    let to = recipient(pki, arguments)?;
    if own != dpe {
        ensure_dpe(&mut authority, &pki.places, &arguments.name, output)?;
    }
    hand_out(&mut authority, &own, arguments.days, &to, output).map(drop)
}

async fn renew(
    pki: &Pki,
    bus: &BusSelection,
    arguments: &Renew,
    output: &Output,
) -> Result<(), Failure> {
    let Renew {
        issue: arguments,
        online,
        revoke,
    } = arguments;
    let mut authority = Authority::open(&pki.places.directory)?;
    let own = name(&arguments.name, arguments.assembly.as_deref());
    if !authority.list().iter().any(|entry| entry.name == own.uri()) {
        let message = format!("{own} has no certificate to renew: issue one");
        return Err(Failure::new(Kind::NotFound, message));
    }
    let entry = if *online {
        drop(authority);
        let meant = (&own, arguments.days);
        let entry = renewal::online(&pki.places, bus, meant, output).await?;
        authority = Authority::open(&pki.places.directory)?;
        entry
    } else {
        let to = recipient(pki, arguments)?;
        hand_out(&mut authority, &own, arguments.days, &to, output)?
    };
    if *revoke {
        let count = authority.revoke_others(&own, &entry)?;
        output.line(format!("{own}: {count} former ones revoked"));
    }
    Ok(())
}

/// Gives a DPE a certificate if it has none that is valid.
pub(crate) fn ensure_dpe(
    authority: &mut Authority,
    places: &Places,
    deployment: &str,
    output: &Output,
) -> Result<(), Failure> {
    let dpe = Name::dpe(deployment);
    if authority.has_valid(&dpe) {
        return Ok(());
    }
    let to = dpes(places, deployment)?;
    hand_out(authority, &dpe, DEFAULT_DAYS, &to, output).map(drop)
}

/// Issues a certificate, puts it into its folder and says so.
pub(super) fn hand_out(
    authority: &mut Authority,
    name: &Name,
    days: u32,
    to: &Recipient,
    output: &Output,
) -> Result<Entry, Failure> {
    let issued = authority.issue(name, days)?;
    // First: a command that is killed after it must not leave a folder that gets no new lists.
    if matches!(name, Name::Dpe { .. }) {
        authority.remember(&to.folder)?;
    }
    if let Err(error) = authority.hand_over(&issued, to) {
        // Where that cannot be noted either, the first error says why.
        let _ = authority.note_delivery(&issued.entry.serial, false);
        return Err(error.into());
    }
    let place = format!("in {}", to.folder.display());
    tell(name, &issued.entry, &place, output)?;
    Ok(issued.entry)
}

/// Says what was issued, and where it is.
pub(super) fn tell(
    name: &Name,
    entry: &Entry,
    place: &str,
    output: &Output,
) -> Result<(), Failure> {
    if output.json {
        return output.json_line(&shown(entry));
    }
    let (serial, end) = (&entry.serial, date(entry.not_after_s));
    output.line(format!("{name}: certificate {serial} until {end}, {place}"));
    Ok(())
}

/// Where a certificate goes: an agent's to where the administrator says, a DPE's to its folder.
fn recipient(pki: &Pki, arguments: &Issue) -> Result<Recipient, Failure> {
    match (&arguments.assembly, &arguments.output) {
        (_, Some(folder)) => Ok(Recipient {
            folder: std::path::absolute(folder)?,
            group: None,
        }),
        (None, None) => dpes(&pki.places, &arguments.name),
        (Some(assembly), None) => Err(Failure::new(
            Kind::Usage,
            format!(
                "say with --output in which folder the files for the guest {assembly} are to be put"
            ),
        )),
    }
}

pub(super) fn dpes(pki: &Places, deployment: &str) -> Result<Recipient, Failure> {
    let group = nix::unistd::Group::from_name(&pki.dpe_group).ok().flatten();
    let group = group.ok_or_else(|| {
        let group = &pki.dpe_group;
        Failure::failed(format!(
            "there is no group {group}, which would read the keys of DPEs: install cpe, or name another one with --dpe-group"
        ))
    })?;
    Ok(Recipient {
        folder: std::path::absolute(&pki.dpe_directory)?.join(deployment),
        group: Some(group.gid.as_raw()),
    })
}

fn revoke(pki: &Pki, arguments: &Revoke, output: &Output) -> Result<(), Failure> {
    let mut authority = Authority::open(&pki.places.directory)?;
    let name = name(&arguments.name, arguments.assembly.as_deref());
    let count = authority.revoke(&name, arguments.serial.as_deref())?;
    output.line(format!(
        "{name}: {count} revoked; the DPEs of this host know, guests get revoked.pem by `cpectl pki export`"
    ));
    Ok(())
}

/// What was issued for a deployment, for programs.
pub(crate) fn issued(directory: &Path, deployment: &str) -> Result<serde_json::Value, Failure> {
    let authority = Authority::open(directory)?;
    let entries = authority.list().iter();
    let entries = entries.filter(|entry| is_of(entry, Some(deployment)));
    Ok(entries.map(shown).collect())
}

/// Whether it was issued for that deployment; `None`: for any.
fn is_of(entry: &Entry, deployment: Option<&str>) -> bool {
    let name = entry.name.parse::<Name>().ok();
    let of = |name: &Name| match name {
        Name::Agent { deployment, .. } | Name::Dpe { deployment } => deployment.clone(),
    };
    deployment.is_none_or(|it| name.is_some_and(|name| of(&name) == it))
}

fn list(pki: &Pki, deployment: Option<&str>, output: &Output) -> Result<(), Failure> {
    let authority = Authority::open(&pki.places.directory)?;
    let entries = authority.list().iter();
    let entries: Vec<&Entry> = entries.filter(|entry| is_of(entry, deployment)).collect();
    if output.json {
        let shown: Vec<_> = entries.into_iter().map(shown).collect();
        return output.json(&shown);
    }
    let rows = entries.into_iter().map(|entry| {
        let (word, style) = match state(entry) {
            State::Valid => ("valid", GOOD),
            State::Revoked => ("revoked", BAD),
            State::Expired => ("expired", FAINT),
        };
        [
            Cell::from(&entry.name),
            Cell::new(word, style),
            Cell::from(date(entry.not_after_s)),
            Cell::from(&entry.serial),
        ]
    });
    output.table(&Table::new(
        ["NAME", "STATE", "UNTIL", "SERIAL"],
        HEAD,
        rows,
    ));
    Ok(())
}

fn state(entry: &Entry) -> State {
    entry.state(Timestamp::now().as_second())
}

fn shown(entry: &Entry) -> serde_json::Value {
    let state = match state(entry) {
        State::Valid => "valid",
        State::Revoked => "revoked",
        State::Expired => "expired",
    };
    json!({
        "name": entry.name,
        "serial": entry.serial,
        "state": state,
        "not_before": entry.not_before_s,
        "not_after": entry.not_after_s,
        "revoked": entry.revoked_s,
    })
}

/// The day of a point in time, UTC.
fn date(at_s: i64) -> String {
    Timestamp::from_second(at_s).map_or_else(
        |_| at_s.to_string(),
        |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

fn export(pki: &Pki, folder: &Path, output: &Output) -> Result<(), Failure> {
    let authority = Authority::open(&pki.places.directory)?;
    authority.export(folder)?;
    output.line(format!("{CA} and {REVOKED} are in {}", folder.display()));
    Ok(())
}
