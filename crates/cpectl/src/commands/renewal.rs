//! Certificates that are renewed in running guests. The guest makes the key and the request, root
//! of this host signs it, and nobody else has a part: this command connects to the guest's agent
//! itself, as the DPE does, with the DPE's certificate.

use cpe_bus::identity::Name;
use cpe_bus::peer::{self, Credentials, Guest, Meter, PeerAddress, Side};
use cpe_bus::proxies::AgentProxy;
use cpe_bus::{AgentDescription, BusSelection, Error};
use cpe_pki::{Authority, Entry, State};
use futures_util::StreamExt;
use jiff::Timestamp;

use super::pki;
use crate::client::Client;
use crate::failure::{Failure, Kind};
use crate::options::{Pki, Places};
use crate::output::Output;

/// Guests that are renewed at the same time: one that does not answer holds up few others.
const AT_ONCE: usize = 8;
/// Longest answer of an agent that is read, in bytes. A request takes some hundred.
const LONGEST_ANSWER: u64 = 64 << 10;
/// How long an agent may take for a call.
const CALL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Renews the certificate of a running guest's agent. The authority is locked while it signs only:
/// a guest that does not answer must not keep others from revoking.
pub(super) async fn online(
    places: &Places,
    bus: &BusSelection,
    (name, days): (&Name, u32),
    output: &Output,
) -> Result<Entry, Failure> {
    let Name::Agent {
        deployment,
        assembly,
    } = name
    else {
        let message = "only an assembly's agent is renewed in its guest: name the assembly";
        return Err(Failure::new(Kind::Usage, message));
    };
    let address = address(bus, deployment, assembly).await?;
    let folder = std::path::absolute(&places.dpe_directory)?.join(deployment);
    let side = Side::Dpe {
        deployment: deployment.clone(),
    };
    let credentials = Credentials::new(&folder, side);
    let guest = Guest::new(&address, assembly, &credentials);
    let connection = peer::connect_to(&guest, &Meter::with_longest(LONGEST_ANSWER)).await?;
    let agent = AgentProxy::builder(&connection)
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await?;
    let described = AgentDescription::from_fields(&in_time(agent.describe()).await?)?;
    let belongs = (described.deployment.as_str(), described.assembly.as_str());
    if !belongs.0.is_empty() && belongs != (deployment.as_str(), assembly.as_str()) {
        let (deployment, assembly) = belongs;
        let message =
            format!("the guest at {address} is assembly {assembly} of deployment {deployment}");
        return Err(Failure::new(Kind::Conflict, message));
    }
    let request = in_time(agent.request_certificate()).await?;
    let (certificate, entry) = Authority::open(&places.directory)?.answer(name, days, &request)?;
    in_time(agent.take_certificate(&certificate)).await?;
    Authority::open(&places.directory)?.note_delivery(&entry.serial, true)?;
    pki::tell(name, &entry, &format!("in the guest at {address}"), output)?;
    Ok(entry)
}

async fn in_time<T>(call: impl Future<Output = cpe_bus::Result<T>>) -> Result<T, Failure> {
    let answer = tokio::time::timeout(CALL_TIMEOUT, call).await;
    let late = || Error::NotReady("the agent does not answer in time".to_owned());
    Ok(answer.unwrap_or_else(|_| Err(late()))?)
}

/// Where the document in force says that an agent listens.
async fn address(
    bus: &BusSelection,
    deployment: &str,
    assembly: &str,
) -> Result<PeerAddress, Failure> {
    let client = Client::connect(bus).await?;
    let (document, _) = client.deployment(deployment).await?.get_document(0).await?;
    let read = deployment::read_accepted(document.as_bytes()).deployment;
    let assemblies = read.map(|read| read.assemblies).unwrap_or_default();
    let found = assemblies.into_iter().find(|it| it.name == assembly);
    let found = found.ok_or_else(|| {
        let message = format!("deployment {deployment} has no assembly {assembly}");
        Failure::new(Kind::NotFound, message)
    })?;
    let address = found.address.ok_or_else(|| {
        let message = format!("assembly {assembly} of {deployment} has no address");
        Failure::new(Kind::Unreachable, message)
    })?;
    if matches!(address, PeerAddress::Ssh { .. } | PeerAddress::QemuGa(_)) {
        let message = format!("it is reached at {address}, where no certificate is shown");
        return Err(Failure::new(Kind::NotFound, message));
    }
    Ok(address)
}

/// Renews all certificates of which two thirds of the time are over: those of DPEs in their
/// folders, those of agents in their guests. One that cannot be is no reason to leave the others.
pub(super) async fn due(pki: &Pki, bus: &BusSelection, output: &Output) -> Result<(), Failure> {
    let authority = Authority::open(&pki.places.directory)?;
    let due = due_at(authority.list(), Timestamp::now().as_second());
    drop(authority);
    if due.is_empty() && !output.json {
        output.line("no certificate is due");
    }
    let count = due.len();
    let mut failed = 0;
    // DPEs' first: the guests are reached with them.
    let mut renewed = Vec::new();
    let mut of_agents = Vec::new();
    for (name, days) in due {
        match &name {
            Name::Dpe { deployment } => {
                let done = of_dpe(pki, bus, (deployment, days), output).await;
                renewed.push((name, done));
            }
            Name::Agent { .. } => of_agents.push(async move {
                let done = online(&pki.places, bus, (&name, days), output).await;
                (name, done.map(|_| ()))
            }),
        }
    }
    let of_agents = futures_util::stream::iter(of_agents).buffer_unordered(AT_ONCE);
    renewed.extend(of_agents.collect::<Vec<_>>().await);
    for (name, done) in renewed {
        match done {
            Ok(()) => {}
            // Nobody shows it any more.
            Err(failure) if failure.kind == Kind::NotFound => {
                output.note(&format!("{name}: left as it is: {}", failure.message));
            }
            Err(failure) => {
                failed += 1;
                output.note(&format!("{name}: not renewed: {}", failure.message));
            }
        }
    }
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "{failed} of {count} certificates that are due could not be renewed"
    )))
}

/// Renews a DPE's certificate, unless its deployment is gone.
async fn of_dpe(
    pki: &Pki,
    bus: &BusSelection,
    (deployment, days): (&str, u32),
    output: &Output,
) -> Result<(), Failure> {
    // Where the daemon does not answer, too many are renewed rather than too few.
    if let Ok(client) = Client::connect(bus).await
        && let Ok(all) = client.list().await
        && all.iter().all(|it| it.name != deployment)
    {
        let message = "there is no such deployment on this host";
        return Err(Failure::new(Kind::NotFound, message));
    }
    let to = pki::dpes(&pki.places, deployment)?;
    let mut authority = Authority::open(&pki.places.directory)?;
    let name = Name::dpe(deployment);
    pki::hand_out(&mut authority, &name, days, &to, output).map(|_| ())
}

/// Whose newest certificate is valid and due, and for how many days it was issued.
fn due_at(all: &[Entry], now_s: i64) -> Vec<(Name, u32)> {
    let mut due: Vec<(Name, u32)> = Vec::new();
    for entry in all {
        let Ok(name) = entry.name.parse::<Name>() else {
            continue;
        };
        let newer = |other: &&Entry| {
            other.name == entry.name
                && other.revoked_s.is_none()
                && !other.undelivered
                && (other.not_after_s, &other.serial) > (entry.not_after_s, &entry.serial)
        };
        let valid = entry.state(now_s) == State::Valid;
        let is_known = due.iter().any(|(known, _)| *known == name);
        if valid && !is_known && entry.is_due(now_s) && !all.iter().any(|other| newer(&other)) {
            due.push((name, entry.days()));
        }
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: i64 = 24 * 3600;

    fn entry(name: &Name, serial: &str, from_s: i64, days: i64) -> Entry {
        Entry {
            serial: serial.to_owned(),
            name: name.uri(),
            not_before_s: from_s,
            not_after_s: from_s + days * DAY_S,
            revoked_s: None,
            undelivered: false,
        }
    }

    #[test]
    fn it_is_due_at_two_thirds_unless_there_is_a_newer_one() {
        let (web1, dpe) = (Name::agent("shop", "web1"), Name::dpe("shop"));
        let all = [entry(&web1, "1", 0, 90), entry(&dpe, "2", 0, 90)];
        assert_eq!(due_at(&all, 60 * DAY_S - 1), []);
        let both = [(web1.clone(), 90), (dpe.clone(), 90)];
        assert_eq!(due_at(&all, 60 * DAY_S), both);
        // Over, it cannot be shown any more.
        assert_eq!(due_at(&all, 91 * DAY_S), []);
        let mut renewed = all.to_vec();
        renewed.push(entry(&web1, "3", 59 * DAY_S, 90));
        assert_eq!(due_at(&renewed, 60 * DAY_S), [(dpe.clone(), 90)]);
        // The newer one does not count if it never came to its guest.
        renewed[2].undelivered = true;
        assert_eq!(due_at(&renewed, 60 * DAY_S), both);
        assert_eq!(due_at(&renewed, 89 * DAY_S), both);
        renewed[2].undelivered = false;
        // Nor once it is revoked.
        renewed[2].revoked_s = Some(60 * DAY_S);
        assert_eq!(due_at(&renewed, 60 * DAY_S), both);
        renewed[0].revoked_s = Some(60 * DAY_S);
        assert_eq!(due_at(&renewed, 60 * DAY_S), [(dpe, 90)]);
    }
}
