//! Who may do what.
//!
//! | right | who |
//! | --- | --- |
//! | look: list, status, events | everyone the bus lets through |
//! | change deployments, read and check documents, plan, explain | root, our user, `access.group` |
//! | record events | those, and members of `access.recorder_group`, each DPE its own deployment's |
//!
//! Documents may hold passwords of services, and a plan would say whether a guess of one is right.
//! Checking a document, planning and explaining take memory and time without a bound that would be
//! small enough for strangers.
//!
//! The bus vouches for a caller's user and groups (`GetConnectionCredentials`); what a caller says
//! of itself counts nothing.

use cpe_bus::{Error, Result};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use zbus::fdo::{ConnectionCredentials, DBusProxy};
use zbus::message::Header;

use crate::config::Access;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Create, change, destroy, administer; read documents.
    Administer,
    /// Record events.
    Record,
}

/// Who calls, as the bus vouches for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Caller {
    pub uid: u32,
    /// The user's name, or the number where it has none.
    pub user: String,
    /// The process that has the connection; 0 if the bus does not know.
    pub pid: u32,
    /// The connection's unique name.
    pub sender: String,
    /// May change everything, and not only record events.
    pub administers: bool,
}

/// The caller's user and groups.
#[derive(Debug, Clone, PartialEq)]
struct Credentials {
    uid: u32,
    gids: Vec<u32>,
}

/// Refuses the call unless its sender has the right; says who it is.
///
/// # Errors
/// [`Error::AccessDenied`], saying which group the caller would have to be in.
pub(crate) async fn require(
    right: Right,
    access: &Access,
    bus: &DBusProxy<'_>,
    header: &Header<'_>,
) -> Result<Caller> {
    let sender = header.sender().ok_or_else(|| {
        Error::AccessDenied("the call has no sender, so nobody can vouch for it".into())
    })?;
    let credentials = bus
        .get_connection_credentials(sender.clone().into())
        .await
        .map_err(|error| Error::AccessDenied(format!("the bus does not say who calls: {error}")))?;
    let (access, sender) = (access.clone(), sender.to_string());
    // Groups may come from a directory service: not on the event loop.
    let decided = tokio::task::spawn_blocking(move || {
        let found = caller(&credentials)?;
        let may = |right| {
            let allowed = groups_of(right, &access);
            let gids: Vec<u32> = allowed.iter().filter_map(|name| gid(name)).collect();
            decide(&found, Uid::effective().as_raw(), &gids)
        };
        let user = name(found.uid);
        if may(right) {
            return Ok(Caller {
                uid: found.uid,
                user,
                pid: credentials.process_id().unwrap_or(0),
                sender,
                administers: may(Right::Administer),
            });
        }
        let names = groups_of(right, &access).join("` or `");
        Err(Error::AccessDenied(format!(
            "user `{user}` may not do this: it takes root or a member of group `{names}`"
        )))
    });
    decided
        .await
        .unwrap_or_else(|error| Err(Error::Failed(error.to_string())))
}

fn groups_of(right: Right, access: &Access) -> Vec<&str> {
    match right {
        Right::Administer => vec![&access.group],
        Right::Record => vec![&access.group, &access.recorder_group],
    }
}

fn decide(caller: &Credentials, own_uid: u32, gids: &[u32]) -> bool {
    caller.uid == 0 || caller.uid == own_uid || caller.gids.iter().any(|gid| gids.contains(gid))
}

fn caller(credentials: &ConnectionCredentials) -> Result<Credentials> {
    let uid = credentials
        .unix_user_id()
        .ok_or_else(|| Error::AccessDenied("the bus does not know the caller's user".into()))?;
    let gids = match credentials.unix_group_ids() {
        Some(gids) => gids.clone(),
        // Buses before 1.13.16 do not tell groups; then what the user database says counts.
        None => database_groups(uid),
    };
    Ok(Credentials { uid, gids })
}

fn database_groups(uid: u32) -> Vec<u32> {
    let Ok(Some(user)) = User::from_uid(Uid::from_raw(uid)) else {
        return Vec::new();
    };
    let Ok(name) = std::ffi::CString::new(user.name) else {
        return Vec::new();
    };
    getgrouplist(&name, user.gid)
        .unwrap_or_default()
        .into_iter()
        .map(Gid::as_raw)
        .collect()
}

fn gid(group: &str) -> Option<u32> {
    Group::from_name(group)
        .ok()
        .flatten()
        .map(|group| group.gid.as_raw())
}

fn name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_the_daemons_user_and_members_of_the_group_may_and_nobody_else() {
        let caller = |uid, gids: &[u32]| Credentials {
            uid,
            gids: gids.to_vec(),
        };
        assert!(decide(&caller(0, &[]), 990, &[500]));
        assert!(decide(&caller(990, &[990]), 990, &[500]));
        assert!(decide(&caller(1000, &[100, 500]), 990, &[500]));
        assert!(!decide(&caller(1000, &[100]), 990, &[500]));
        assert!(
            !decide(&caller(1000, &[100, 500]), 990, &[]),
            "a group that does not exist has no members"
        );
    }

    #[test]
    fn recorders_may_record_but_not_administer() {
        let access = Access::default();
        assert_eq!(groups_of(Right::Administer, &access), ["cpe"]);
        assert_eq!(groups_of(Right::Record, &access), ["cpe", "dpe"]);
    }
}
