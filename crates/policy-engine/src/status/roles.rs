//! The role that a successful operation shows (scheduler-spec/02 §11).

use super::entry::{Entry, Reader};
use super::migration;
use crate::model::{Cluster, OnFail, ResourceId, Role};

/// The role of something found active: unpromoted in a promotable clone, else started.
pub(super) fn active_role(cluster: &Cluster, resource: ResourceId) -> Role {
    if cluster.resource(cluster.top(resource)).promotable {
        Role::Unpromoted
    } else {
        Role::Started
    }
}

/// §11. Masked and pretended successes come with their expected result code.
pub(super) fn success<'d>(cluster: &mut Cluster, reader: &mut Reader<'d>, entry: &Entry<'d>) {
    let active = active_role(cluster, reader.resource);
    let masked = entry.maskable_probe && !cluster.in_bundle(reader.resource);
    let resource = cluster.resource_mut(reader.resource);
    let mut clears = true;
    if entry.rc == 5 || masked {
        resource.role = Role::Stopped;
        clears = false;
    } else if entry.rc != 7 {
        match entry.operation {
            "monitor" => {
                resource.role = active_or(resource.role, active);
                clears = reader
                    .last_failure
                    .as_ref()
                    .is_some_and(|failure| failure.history_key() == entry.history_key());
            }
            "start" | "migrate_from" => resource.role = Role::Started,
            "stop" => resource.role = Role::Stopped,
            "promote" => resource.role = Role::Promoted,
            "demote" => {
                resource.role = Role::Unpromoted;
                clears = reader.on_fail == OnFail::Demote;
            }
            "migrate_to" => {
                migration::successful_migrate_to(cluster, reader, entry);
                clears = false;
            }
            "asyncmon" => {
                resource.role = active_or(resource.role, active);
                clears = false;
            }
            _ => clears = false,
        }
    }
    if !clears {
        return;
    }
    let resource = cluster.resource_mut(reader.resource);
    let forgiven = match reader.on_fail {
        OnFail::Stop | OnFail::Ban | OnFail::Standby | OnFail::Fence => false,
        OnFail::ResetRemote => resource.reconnect_interval_ms == 0,
        OnFail::Block
        | OnFail::Ignore
        | OnFail::Demote
        | OnFail::Restart
        | OnFail::RestartContainer => true,
    };
    if forgiven {
        reader.on_fail = OnFail::Ignore;
        resource.next_role = Role::Unknown;
    }
}

/// `active` for something that was not known to run; else unchanged.
fn active_or(role: Role, active: Role) -> Role {
    if role < Role::Started { active } else { role }
}
