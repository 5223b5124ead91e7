//! A host has failed: what that means for the assemblies on it, over all deployments.

use cpe_bus::fields::Reader;
use cpe_bus::json;
use cpe_bus::{Error, Fields, Result};
use cpe_status::{AssemblyStatus, DeploymentStatus};

use super::{commands, no_options};
use crate::audit::{self, Order};
use crate::authorisation::Caller;
use crate::facts::Known;
use crate::host::Host;
use crate::registry::Deployment;

/// The longest name of a host, as documents may say it.
const LONGEST_HOST: usize = 253;
/// The option that says when.
const FAILED_AT: &str = "failed-at";
/// What came of an assembly that is confirmed.
const CONFIRMED: &str = "confirmed";

/// A host that is said to be down.
pub(super) struct Failed<'a> {
    host: &'a str,
    /// When it failed, µs since 1970; `None`: not said.
    at_us: Option<u64>,
}

impl<'a> Failed<'a> {
    pub(super) fn new(host: &'a str, options: &Fields) -> Result<Failed<'a>> {
        if host.is_empty() || host.len() > LONGEST_HOST || host.contains(char::is_control) {
            return Err(Error::InvalidArgument(
                "expected the name of a host, as documents say it (<assembly host=\"…\">)".into(),
            ));
        }
        let at_us = Reader::new("options", options).optional_u64(FAILED_AT)?;
        let mut others = options.clone();
        others.remove(FAILED_AT);
        no_options(&others)?;
        Ok(Failed { host, at_us })
    }

    /// Which loss of an assembly is confirmed, or why none is.
    fn attempt<'s>(&self, status: &'s AssemblyStatus) -> Result<&'s str> {
        match self.at_us {
            Some(at_us) if status.last_heartbeat > at_us => Err(Error::Refused(
                "it was heard after the host had failed, so it is not down".into(),
            )),
            _ => Ok(&status.fencing_attempt),
        }
    }
}

/// Confirms every assembly that is on the host: each as an administrator would, by the name of its
/// present loss. Gives deployment, assembly and what came of it.
pub(super) async fn confirm(
    cpe: &Host,
    caller: &Caller,
    failed: &Failed<'_>,
) -> Result<Vec<(String, String, String)>> {
    let mut results = Vec::new();
    for deployment in cpe.core.registry.all() {
        let facts = cpe.core.facts(&deployment.row()).await?;
        // What cannot be read may name it: its DPE knows.
        if facts.known == Known::All && !facts.hosts.contains(failed.host) {
            continue;
        }
        let name = deployment.name.clone();
        match statuses(cpe, &deployment).await {
            Ok(assemblies) => {
                let there = assemblies.iter().filter(|own| own.host == failed.host);
                for assembly in there {
                    let outcome = confirm_one(cpe, caller, failed, &deployment, assembly).await;
                    results.push((name.clone(), assembly.name.clone(), word(&outcome)));
                }
            }
            Err(error) => results.push((name, String::new(), word(&Err(error)))),
        }
    }
    Ok(results)
}

fn word(outcome: &Result<()>) -> String {
    match outcome {
        Ok(()) => CONFIRMED.to_owned(),
        Err(Error::OutcomeUnknown(text)) => {
            format!("{text}: ask again, which confirms no loss twice")
        }
        Err(error) => error.message().to_string(),
    }
}

async fn statuses(cpe: &Host, deployment: &Deployment) -> Result<Vec<AssemblyStatus>> {
    let dpe = commands::reach(cpe, deployment).await?;
    let text = commands::passed_on(deployment, dpe.get_status().await)?;
    let status: DeploymentStatus = json::from_json(&text)?;
    Ok(status.assemblies)
}

async fn confirm_one(
    cpe: &Host,
    caller: &Caller,
    failed: &Failed<'_>,
    deployment: &Deployment,
    assembly: &AssemblyStatus,
) -> Result<()> {
    let order = Order {
        action: "host-failed",
        deployment: &deployment.name,
        assembly: &assembly.name,
        more: &[
            ("host", failed.host),
            ("attempt", &assembly.fencing_attempt),
        ],
        ..Order::default()
    };
    let confirmed = async {
        let attempt = failed.attempt(assembly)?;
        let dpe = commands::reach(cpe, deployment).await?;
        let by = audit::name(cpe, caller).await;
        let mut options = Fields::new();
        cpe_bus::fields::put(
            &mut options,
            "by",
            format!("{by}: host {} has failed", failed.host),
        );
        let answer = dpe.confirm_fenced(&assembly.name, attempt, options).await;
        commands::changed(deployment, answer)
    };
    let outcome = confirmed.await;
    audit::record(cpe, caller, order, &outcome).await;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assembly_that_was_heard_after_its_host_has_failed_is_not_confirmed() {
        let mut options = Fields::new();
        cpe_bus::fields::put(&mut options, FAILED_AT, 100_u64);
        let failed = Failed::new("compute-7", &options).unwrap();
        let mut status = AssemblyStatus {
            fencing_attempt: "7-1".into(),
            last_heartbeat: 100,
            ..AssemblyStatus::default()
        };
        assert_eq!(failed.attempt(&status).unwrap(), "7-1");
        status.last_heartbeat = 101;
        assert!(matches!(failed.attempt(&status), Err(Error::Refused(_))));
        let failed = Failed::new("compute-7", &Fields::new()).unwrap();
        assert_eq!(failed.attempt(&status).unwrap(), "7-1");
    }

    #[test]
    fn what_cannot_be_a_host_is_refused() {
        assert!(Failed::new("", &Fields::new()).is_err());
        assert!(Failed::new("a\nb", &Fields::new()).is_err());
        let mut options = Fields::new();
        cpe_bus::fields::put(&mut options, "at", 1_u64);
        assert!(Failed::new("compute-7", &options).is_err());
    }
}
