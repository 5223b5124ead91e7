//! The last operations of services, as agents tell them.

use cpe_status::{OperationStatus, Operations};

use crate::controller::Controller;
use crate::machines::assembly::Assembly;
use crate::vocabulary::{
    AssemblyId, Record, RecordState, Refusal, STATUS_DONE, STATUS_TIMEOUT, ServiceId,
    exit_code_name,
};

/// Operations that are told at a time: some 300 bytes each.
const MOST: usize = 10_000;

impl Controller {
    /// The last operations of a service, or of an instance of one (`None`: of all), in an assembly
    /// (`None`: in all). What was looked for and not found is left out.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] if there is no such service or assembly.
    pub fn operations(
        &self,
        service: Option<&ServiceId>,
        assembly: Option<&AssemblyId>,
    ) -> Result<Operations, Refusal> {
        if let Some(name) = assembly {
            self.known_assembly(name)?;
        }
        let base = service.map(|id| ServiceId::of_resource(id.as_str()));
        if let Some((asked, base)) = service.zip(base.as_ref()) {
            self.known_resource(asked, base)?;
        }
        let is_wanted = |resource: &str| match (service, &base) {
            (Some(id), Some(base)) => {
                id == resource || (id == base && ServiceId::of_resource(resource) == *base)
            }
            _ => true,
        };
        let places = self.assemblies.iter();
        let places = places.filter(|(name, _)| assembly.is_none_or(|only| only == *name));
        let mut found: Vec<(&str, &AssemblyId, &Record)> = places
            .flat_map(|(name, own)| {
                let records = own.history().records();
                let told = records.filter(|record| is_told(record));
                told.map(move |record| (record.operation.resource.as_str(), name, record))
            })
            .filter(|(resource, ..)| is_wanted(resource))
            .collect();
        found.sort_by_key(|(resource, name, record)| (*resource, *name, record.call_id));
        let left_out = found.len().saturating_sub(MOST);
        let operations = found.into_iter().take(MOST);
        Ok(Operations {
            operations: operations
                .map(|(_, name, record)| operation(name, record))
                .collect(),
            left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
        })
    }

    /// Refuses what neither the document nor an agent knows.
    fn known_resource(&self, asked: &ServiceId, base: &ServiceId) -> Result<(), Refusal> {
        let of_agent = |own: &Assembly| own.history().of_service(base).next().is_some();
        if self.assemblies.values().any(of_agent) {
            return Ok(());
        }
        self.known_service(asked, base)
    }
}

/// It says more than that something was looked for and not found.
fn is_told(record: &Record) -> bool {
    !record.is_probe() || record.failed() || record.state == RecordState::Pending || record.rc != 7
}

fn operation(assembly: &AssemblyId, record: &Record) -> OperationStatus {
    let operation = &record.operation;
    let pending = record.state == RecordState::Pending;
    OperationStatus {
        service: operation.resource.clone(),
        assembly: assembly.to_string(),
        operation: format!("{}/{}", operation.action, operation.interval_ms),
        pending,
        failed: record.failed(),
        rc: record.rc,
        result: match record.status {
            _ if pending => "under way".to_owned(),
            STATUS_DONE => exit_code_name(record.rc).to_owned(),
            STATUS_TIMEOUT => "timed out".to_owned(),
            status => format!("status {status}"),
        },
        time: match operation.interval_ms {
            0 => record.completed,
            _ => record.last_rc_change,
        },
        exec_ms: record.exec_ms,
        queue_ms: record.queue_ms,
        reason: record.exit_reason.clone(),
    }
}
