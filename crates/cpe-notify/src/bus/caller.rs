//! Who calls, as the bus vouches for it.

use cpe_bus::{Error, Result};
use nix::unistd::{Group, Uid, User};
use zbus::fdo::DBusProxy;
use zbus::message::Header;

/// Who may ask for numbers, besides: the gateway, for metrics.
const READER: &str = "cpe-gateway";

/// Refuses the call unless it is root's, of our own user, or of a member of the group; says whose
/// it is.
pub(super) async fn require(bus: &DBusProxy<'_>, group: &str, header: &Header<'_>) -> Result<u32> {
    check(bus, group, None, header).await
}

/// The same, and it may be the gateway's.
pub(super) async fn require_reader(
    bus: &DBusProxy<'_>,
    group: &str,
    header: &Header<'_>,
) -> Result<u32> {
    check(bus, group, Some(READER), header).await
}

async fn check(
    bus: &DBusProxy<'_>,
    group: &str,
    reader: Option<&'static str>,
    header: &Header<'_>,
) -> Result<u32> {
    let sender = header.sender().ok_or_else(|| {
        Error::AccessDenied("the call has no sender, so nobody can vouch for it".into())
    })?;
    let asked = bus.get_connection_credentials(sender.clone().into()).await;
    let credentials = asked
        .map_err(|error| Error::AccessDenied(format!("the bus does not say who calls: {error}")))?;
    let uid = credentials
        .unix_user_id()
        .ok_or_else(|| Error::AccessDenied("the bus does not know the caller's user".into()))?;
    let groups = credentials.unix_group_ids().cloned().unwrap_or_default();
    let name = group.to_owned();
    // They may come from a directory service: not on the event loop.
    let found = tokio::task::spawn_blocking(move || {
        let gid = Group::from_name(&name).ok().flatten();
        let reader = reader.and_then(|reader| User::from_name(reader).ok().flatten());
        (
            gid.map(|it| it.gid.as_raw()),
            reader.map(|it| it.uid.as_raw()),
        )
    });
    let (gid, reader) = found.await.unwrap_or_default();
    if may(uid, &groups, Uid::effective().as_raw(), gid) || reader == Some(uid) {
        return Ok(uid);
    }
    Err(Error::AccessDenied(format!(
        "user {uid} may not do this: it takes root or a member of group `{group}`"
    )))
}

fn may(uid: u32, groups: &[u32], own: u32, group: Option<u32>) -> bool {
    uid == 0 || uid == own || group.is_some_and(|group| groups.contains(&group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_the_daemons_user_and_members_of_the_group_may_and_nobody_else() {
        assert!(may(0, &[], 990, None));
        assert!(may(990, &[990], 990, None));
        assert!(may(1000, &[100, 500], 990, Some(500)));
        assert!(!may(1000, &[100], 990, Some(500)));
        assert!(!may(1000, &[100, 500], 990, None), "no group, no members");
    }
}
