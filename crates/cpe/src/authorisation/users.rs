//! Users and groups by name. Each of these calls may wait for a directory service.

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// Whether the user has all rights by itself: root, and the daemon's own.
pub(super) fn is_root(uid: u32) -> bool {
    uid == 0 || uid == Uid::effective().as_raw()
}

/// The user's name, or the number where it has none.
pub(super) fn name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

/// The names of a user's groups: of those that the bus tells, or, of buses before 1.13.16, of those
/// that the user database has.
pub(super) fn groups(uid: u32, told: Option<Vec<u32>>) -> Vec<String> {
    let gids = told.unwrap_or_else(|| match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => database_groups(&user),
        _ => Vec::new(),
    });
    names(gids)
}

/// The names of the groups of a user by name; none if there is no such user.
pub(super) fn groups_of_user(name: &str) -> Vec<String> {
    match User::from_name(name) {
        Ok(Some(user)) => names(database_groups(&user)),
        _ => Vec::new(),
    }
}

fn names(gids: Vec<u32>) -> Vec<String> {
    let found = gids
        .into_iter()
        .filter_map(|gid| Group::from_gid(Gid::from_raw(gid)).ok().flatten());
    found.map(|group| group.name).collect()
}

fn database_groups(user: &User) -> Vec<u32> {
    let Ok(name) = std::ffi::CString::new(user.name.as_str()) else {
        return Vec::new();
    };
    getgrouplist(&name, user.gid)
        .unwrap_or_default()
        .into_iter()
        .map(Gid::as_raw)
        .collect()
}
