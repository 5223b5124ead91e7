//! A delegate says for whom a connection speaks.

use std::sync::Arc;

use cpe_bus::{Error, Result};
use futures_util::StreamExt;
use zbus::message::Header;

use super::link::{About, Link, Permit};
use crate::authorisation::Assumption;
use crate::host::Host;
use crate::rights::{self, LONGEST_PRINCIPAL, Standing};

/// Refuses all but delegates. One that has spoken already may ask again what it may.
pub(super) async fn may(link: &Link, header: &Header<'_>) -> Result<Permit> {
    let sender = header.sender().map_or("", |sender| sender.as_str());
    let again = link.host()?.assumed.of(sender).is_some();
    match again {
        false => link.permit(header, About::All).await,
        true => link.permit_again(header).await,
    }
}

/// Has the caller's connection speak for the principal until it ends; gives its roles, each with a
/// pattern of deployments.
pub(super) async fn assume(permit: &Permit, principal: String) -> Result<Vec<(String, String)>> {
    if !rights::is_single(&principal) {
        return Err(Error::InvalidArgument(format!(
            "expected a principal of at most {LONGEST_PRINCIPAL} bytes: user:NAME, token:ID, or cert: and the name in a certificate"
        )));
    }
    let Permit {
        host,
        caller,
        policy,
    } = permit;
    let groups = match principal.strip_prefix("user:") {
        Some(user) => host.identities.groups_of_user(user).await?,
        None => Vec::new(),
    };
    let assumption = Assumption { principal, groups };
    let mut who = caller.who.clone();
    who.standing = Standing::Assumed;
    who.principal.clone_from(&assumption.principal);
    who.groups.clone_from(&assumption.groups);
    if host.assumed.assume(&caller.sender, assumption)? {
        // What was read before was read in the delegate's own name.
        host.readers.forget(&caller.sender);
        forget_at_end(host, &caller.sender).await?;
    }
    let all = host.core.registry.all();
    let owned = all
        .iter()
        .map(|deployment| (deployment.name.as_str(), deployment.row().owned));
    let roles = policy.roles(&who, owned).into_iter();
    Ok(roles
        .map(|(role, pattern)| (role.as_str().to_owned(), pattern))
        .collect())
}

/// Forgets for whom a connection speaks when it ends.
async fn forget_at_end(host: &Arc<Host>, sender: &str) -> Result<()> {
    let mut ends = host
        .bus
        .receive_name_owner_changed_with_args(&[(0, sender)])
        .await?;
    let name = zbus::names::UniqueName::try_from(sender.to_owned())
        .map_err(|error| Error::Failed(error.to_string()))?;
    let ended = Arc::downgrade(host);
    let bus = host.bus.clone();
    host.spawn(async move {
        // It may have ended before the bus was asked to tell.
        let lives = bus.name_has_owner(name.as_ref().into()).await;
        if lives.unwrap_or(true) {
            let _ = ends.next().await;
        }
        if let Some(host) = ended.upgrade() {
            host.assumed.ended(&name);
            host.readers.forget(&name);
        }
    });
    Ok(())
}
