//! Whose a deployment is.

use std::sync::Arc;

use cpe_bus::fields::Reader;
use cpe_bus::{Error, Fields, Result};
use cpe_store::Ownership;

use super::link::Permit;
use super::{no_options, not_found, stored};
use crate::audit::{self, Order};
use crate::registry::Deployment;
use crate::rights::{LONGEST_PRINCIPAL, is_name, is_single};

/// The option that names a group.
const GROUP: &str = "group";

/// Gives the deployment to a principal (empty: to nobody) and, if `options` say so, to a group.
pub(super) async fn set(
    permit: &Permit,
    deployment: &Arc<Deployment>,
    owner: String,
    options: &Fields,
) -> Result<()> {
    let Permit { host, caller, .. } = permit;
    let owned = {
        let _changes = host.core.changes.lock().await;
        host.core.may_change()?;
        // It may have ended meanwhile, and another one of that name is somebody else's.
        if !host.core.registry.has(deployment) {
            return Err(not_found(&deployment.name));
        }
        // Or it was given to somebody else.
        permit.still("SetOwner", &deployment.name).await?;
        let owned = wanted(owner, options, deployment.row().owned)?;
        let row = stored(host.core.store.set_owner(&deployment.name, &owned)).await?;
        deployment.set_row(row.ok_or_else(|| not_found(&deployment.name))?);
        owned
    };
    let order = Order {
        action: "set-owner",
        deployment: &deployment.name,
        more: &[("owner", &owned.owner), ("group", &owned.group)],
        ..Order::default()
    };
    audit::record(host, caller, order, &Ok(())).await;
    Ok(())
}

fn wanted(owner: String, options: &Fields, before: Ownership) -> Result<Ownership> {
    if !owner.is_empty() && !is_single(&owner) {
        return Err(Error::InvalidArgument(format!(
            "`{owner}` is no principal: expected user:NAME, token:ID, cert: and the name in a certificate, or nothing"
        )));
    }
    let mut others = options.clone();
    others.remove(GROUP);
    no_options(&others)?;
    let group = match options.contains_key(GROUP) {
        true => Reader::new("options", options).text(GROUP, LONGEST_PRINCIPAL)?,
        false => before.group,
    };
    if !group.is_empty() && (!is_name(&group) || group.contains(':')) {
        return Err(Error::InvalidArgument(format!(
            "`{group}` is no group: expected its name"
        )));
    }
    Ok(Ownership { owner, group })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_a_principal_and_a_group_that_is_not_named_stays() {
        let before = Ownership {
            owner: "user:a".into(),
            group: "ops".into(),
        };
        let set = |owner: &str, options: &Fields| wanted(owner.into(), options, before.clone());
        let none = Fields::new();
        assert_eq!(set("token:ci", &none).unwrap().group, "ops");
        assert_eq!(set("", &none).unwrap().owner, "");
        for wrong in ["alice", "group:ops", "user:"] {
            assert!(set(wrong, &none).is_err(), "{wrong}");
        }
        let mut options = Fields::new();
        cpe_bus::fields::put(&mut options, GROUP, "");
        assert_eq!(set("user:b", &options).unwrap().group, "");
        cpe_bus::fields::put(&mut options, GROUP, "group:x");
        assert!(set("user:b", &options).is_err());
        let mut options = Fields::new();
        cpe_bus::fields::put(&mut options, "groups", "x");
        assert!(set("user:b", &options).is_err());
    }
}
