//! What a document claims, against what the deployments of this host use already.
//!
//! Two deployments that name the same guest fence each other's: the second finds an agent that does
//! not answer to it, takes the guest for lost and has it powered off. So the second document is
//! refused before anything is done.

use cpe_bus::{Error, Result};

use crate::documents::Accepted;
use crate::facts::Known;
use crate::host::Host;

/// Refuses a document that claims what another deployment uses. What the deployment's own current
/// document uses as well was accepted before, and stays.
///
/// Deployments that the caller does not see are not named.
///
/// Two calls at once could each be let through: whoever stores the document holds `changes`.
///
/// # Errors
/// [`Error::InvalidDocument`], naming everything that is in use, and by which deployment.
/// [`Error::Failed`] if it is not known what another one uses.
pub(crate) async fn check(
    host: &Host,
    accepted: &Accepted,
    sees: impl Fn(&str) -> bool,
) -> Result<()> {
    let core = &host.core;
    let own = match core.registry.get(&accepted.name) {
        Some(deployment) => Some(core.facts(&deployment.row()).await?),
        None => None,
    };
    let claims = accepted.facts.claims.iter();
    let new: Vec<_> = claims
        .filter(|(claim, _)| {
            own.as_ref()
                .is_none_or(|own| !own.claims.contains_key(claim))
        })
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let mut conflicts = Vec::new();
    for other in core.registry.all() {
        if other.name == accepted.name {
            continue;
        }
        let facts = core.facts(&other.row()).await?;
        if facts.known == Known::Nothing {
            return Err(unknown(&other.name, sees(&other.name)));
        }
        for (claim, assembly) in &new {
            if let Some(user) = facts.claims.get(claim) {
                conflicts.push(match sees(&other.name) {
                    true => format!(
                        "assembly `{assembly}`: {claim} is in use by assembly `{user}` of deployment `{}`",
                        other.name
                    ),
                    false => format!(
                        "assembly `{assembly}`: {claim} is in use by a deployment that you may not see"
                    ),
                });
            }
        }
    }
    match conflicts.is_empty() {
        true => Ok(()),
        false => Err(Error::InvalidDocument(format!(
            "{}\na guest belongs to one deployment: destroy the other one first, or take the guest out of it",
            conflicts.join("\n")
        ))),
    }
}

fn unknown(other: &str, is_seen: bool) -> Error {
    Error::Failed(match is_seen {
        true => format!(
            "the document of deployment `{other}` cannot be read by this version of cpe, so it is not known which guests it uses, and no \
             other deployment may take more: give it one that can be read (`cpectl deploy FILE`), or destroy it (`cpectl destroy {other}`)"
        ),
        false => "the document of a deployment that you may not see cannot be read by this version of cpe, so it is not known which guests \
             it uses, and no other deployment may take more: ask an administrator"
            .to_owned(),
    })
}
