//! Where the instances of services are, by what agents tell: one look at all histories.

use std::collections::BTreeMap;

use cpe_status::{ServiceRole, ServiceState};
use policy_engine::model::base_name;

use crate::machines::assembly::Assembly;
use crate::machines::history::{self, Activity, Records, Slot};
use crate::vocabulary::{AssemblyId, Record, RecordState, Task};

/// An instance that is somewhere.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// What its agent calls it: `web`, `web:0`.
    pub resource: &'a str,
    pub assembly: &'a AssemblyId,
    pub state: ServiceState,
    pub role: ServiceRole,
    /// An operation of it.
    pub record: &'a Record,
    /// Which operation of it waits for its start delay, if one does, for people.
    pub delayed: Option<String>,
}

/// Instances that are somewhere, by their service.
#[derive(Debug, Default)]
pub(super) struct Places<'a>(BTreeMap<&'a str, Vec<Place<'a>>>);

impl<'a> Places<'a> {
    /// What is where in the assemblies that are heard. `unmanaged` says it of a service.
    pub(super) fn new(
        assemblies: &'a BTreeMap<AssemblyId, Assembly>,
        unmanaged: impl Fn(&str) -> bool,
    ) -> Places<'a> {
        let mut places = Places::default();
        let heard = assemblies.iter().filter(|(_, own)| own.is_heard());
        for (assembly, own) in heard {
            for (resource, records) in own.history().resources() {
                let service = base_name(resource);
                let Some(state) = state(records, || unmanaged(service)) else {
                    continue;
                };
                let Some(record) = records.values().next() else {
                    continue;
                };
                places.0.entry(service).or_default().push(Place {
                    resource,
                    assembly,
                    state,
                    role: role(records, state),
                    record,
                    delayed: delayed(records),
                });
            }
        }
        for own in places.0.values_mut() {
            // `web:10` comes after `web:9`.
            own.sort_by_key(|place| number(place.resource));
        }
        places
    }

    /// Those of a service, which are not asked for again.
    pub(super) fn take(&mut self, service: &str) -> Vec<Place<'a>> {
        self.0.remove(service).unwrap_or_default()
    }

    /// Those of services that nobody asked for.
    pub(super) fn rest(self) -> impl Iterator<Item = (&'a str, Vec<Place<'a>>)> {
        self.0.into_iter()
    }
}

/// The number of an instance that can be told apart from the others: 12 of `web:12`.
pub(super) fn number(resource: &str) -> Option<u32> {
    let number = resource.strip_prefix(base_name(resource))?;
    number.strip_prefix(':')?.parse().ok()
}

fn role(records: &Records, state: ServiceState) -> ServiceRole {
    match state {
        ServiceState::Starting | ServiceState::Stopping | ServiceState::Failed => {
            ServiceRole::Unknown
        }
        _ if promoted(records) => ServiceRole::Promoted,
        _ => ServiceRole::Started,
    }
}

/// The state of an instance of a service in one assembly. `None`: it is not there.
fn state(records: &Records, unmanaged: impl FnOnce() -> bool) -> Option<ServiceState> {
    let pending = records
        .values()
        .find(|r| r.state == RecordState::Pending)
        .map(|r| &r.operation.action);
    match (history::activity(records), pending) {
        (_, Some(Task::Start | Task::MigrateFrom)) => Some(ServiceState::Starting),
        (Some(Activity::Active | Activity::Failed), Some(Task::Stop | Task::MigrateTo)) => {
            Some(ServiceState::Stopping)
        }
        (Some(Activity::Active), _) if unmanaged() => Some(ServiceState::Unmanaged),
        (Some(Activity::Active), _) if promoted(records) => Some(ServiceState::Promoted),
        (Some(Activity::Active), _) => Some(ServiceState::Started),
        (Some(Activity::Failed), _) => Some(ServiceState::Failed),
        (Some(Activity::Inactive) | None, _) => None,
    }
}

/// That an operation which changes something waits for its start delay, for people.
fn delayed(records: &Records) -> Option<String> {
    let mut single = history::each(records).filter(|record| record.operation.interval_ms == 0);
    single.find_map(|record| {
        let waits = record.waits_for_its_start_delay()?;
        Some(format!("its {} {waits}", record.operation.action))
    })
}

/// The last word on the role was a promotion.
fn promoted(records: &Records) -> bool {
    let call_id = |action: Task| {
        records
            .get(&Slot::Of(action, 0))
            .filter(|r| !r.failed())
            .map(|r| r.call_id)
    };
    let found = records
        .get(&Slot::Of(Task::Monitor, 0))
        .filter(|record| record.rc == 8)
        .map(|record| record.call_id);
    let up = call_id(Task::Promote).max(found);
    up.is_some() && up > call_id(Task::Demote) && up > call_id(Task::Start)
}
