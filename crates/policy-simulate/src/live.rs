//! The input of a running deployment: its DPE's `GetInput`, called through the CPE, which checks
//! the caller's rights.

use std::time::Duration;

use cpe_bus::names::{CPE_NAME, check_deployment_name, deployment_path};
use cpe_bus::proxies::{CpeDeploymentProxy, CpeManagerProxy};
use cpe_bus::{BusSelection, DeploymentEntry, Error};
use zbus::proxy::CacheProperties;

use crate::failure::{ABSENT, AMBIGUOUS, DATA, DENIED, Failure, UNREACHABLE, USAGE};

/// A call that is not answered by then is given up. The daemon gives a DPE a minute.
const REPLY_TIMEOUT: Duration = Duration::from_secs(90);

/// A deployment's name and the CIB that its policy engine would schedule now. `None` stands for the
/// only deployment.
pub(crate) fn input(
    bus: &BusSelection,
    deployment: Option<&str>,
) -> Result<(String, String), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure {
            code: UNREACHABLE,
            message: format!("cannot start: {error}"),
        })?;
    runtime.block_on(ask(bus, deployment))
}

async fn ask(bus: &BusSelection, deployment: Option<&str>) -> Result<(String, String), Failure> {
    let connection = cpe_bus::connect(bus, REPLY_TIMEOUT)
        .await
        .map_err(|error| Failure {
            code: UNREACHABLE,
            message: error.message(),
        })?;
    let manager = CpeManagerProxy::builder(&connection)
        .cache_properties(CacheProperties::No)
        .build()
        .await
        .map_err(|error| failed(error.into()))?;
    let entries = manager.list_deployments().await.map_err(failed)?;
    let entries: cpe_bus::Result<Vec<_>> =
        entries.iter().map(DeploymentEntry::from_fields).collect();
    let names: Vec<String> = entries
        .map_err(failed)?
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    let name = choose(deployment, &names)?;
    let proxy = CpeDeploymentProxy::builder(&connection)
        .destination(CPE_NAME)
        .path(deployment_path(name))
        .cache_properties(CacheProperties::No)
        .build()
        .await
        .map_err(|error| failed(error.into()))?;
    let cib = proxy.get_input().await.map_err(failed)?;
    if cib.is_empty() {
        return Err(Failure {
            code: UNREACHABLE,
            message: format!("the DPE of {name} has not loaded its document yet: try again"),
        });
    }
    Ok((name.to_owned(), cib))
}

/// The wanted deployment, or the only one.
fn choose<'a>(wanted: Option<&'a str>, names: &'a [String]) -> Result<&'a str, Failure> {
    let failure = |code, message| Err(Failure { code, message });
    if let Some(Err(error)) = wanted.map(check_deployment_name) {
        return failure(USAGE, format!("--live: {}", error.message()));
    }
    match (wanted, names) {
        (Some(wanted), names) if names.iter().any(|name| name == wanted) => Ok(wanted),
        (_, []) => failure(ABSENT, "there are no deployments on this host".to_owned()),
        (Some(wanted), names) => failure(
            ABSENT,
            format!(
                "there is no deployment \"{wanted}\"; there are: {}",
                names.join(" ")
            ),
        ),
        (None, [only]) => Ok(only),
        (None, names) => failure(
            AMBIGUOUS,
            format!(
                "there are several deployments, say which: --live NAME, with NAME one of: {}",
                names.join(" ")
            ),
        ),
    }
}

/// The failure of a call, with its exit status.
fn failed(error: Error) -> Failure {
    let (code, message) = match &error {
        Error::AccessDenied(text) => (DENIED, text.clone()),
        Error::NotFound(text) => (ABSENT, text.clone()),
        Error::NotReady(text) => (UNREACHABLE, text.clone()),
        error => match error.foreign_name().as_deref() {
            Some("org.freedesktop.DBus.Error.AccessDenied") => (
                DENIED,
                "permission denied: this needs root or membership in group `cpe`".to_owned(),
            ),
            Some("org.freedesktop.DBus.Error.UnknownObject") => {
                (ABSENT, "the deployment was destroyed just now".to_owned())
            }
            _ if error.is_temporary() => (
                UNREACHABLE,
                "cpe does not answer on this bus; is cpe.service running? (--bus chooses another bus)"
                    .to_owned(),
            ),
            _ => (DATA, error.message()),
        },
    };
    Failure { code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(wanted: Option<&str>, names: &[&str]) -> Result<String, (i32, String)> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        choose(wanted, &names)
            .map(str::to_owned)
            .map_err(|failure| (failure.code, failure.message))
    }

    #[test]
    fn the_only_deployment_needs_no_name_and_of_several_one_must_be_named() {
        assert_eq!(chosen(None, &["shop"]), Ok("shop".into()));
        assert_eq!(chosen(Some("b"), &["a", "b"]), Ok("b".into()));
        let (code, text) = chosen(None, &["a", "b"]).unwrap_err();
        assert!(code == AMBIGUOUS && text.ends_with("one of: a b"), "{text}");
        let (code, text) = chosen(Some("c"), &["a", "b"]).unwrap_err();
        assert!(code == ABSENT && text.ends_with("there are: a b"), "{text}");
        assert_eq!(chosen(None, &[]).unwrap_err().0, ABSENT);
        assert_eq!(chosen(Some("../etc"), &["a"]).unwrap_err().0, USAGE);
    }
}
