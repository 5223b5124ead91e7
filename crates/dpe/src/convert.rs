//! Between the bus's records and the controller's: the same fields, in types of crates that do not
//! know each other.

use controller::{
    Attribute, Attributes, Event, Hello, Occupant, Operation, Record, RecordState, Task,
};
use cpe_bus::{AgentDescription, HelloReply, NodeAttributes, OperationRecord, OperationState};

pub(crate) fn hello(reply: HelloReply) -> Hello {
    Hello {
        machine_id: reply.machine_id,
        boot_id: reply.boot_id,
        version: reply.version,
        capabilities: reply.capabilities,
        lease_remaining_ms: reply.lease_remaining_ms,
        leaving: reply.leaving,
    }
}

pub(crate) fn occupant(described: AgentDescription) -> Occupant {
    Occupant {
        machine_id: described.machine_id,
        deployment: described.deployment,
        assembly: described.assembly,
    }
}

pub(crate) fn attributes(all: NodeAttributes) -> Attributes {
    let values = all.values.into_iter().map(|(name, known)| {
        let attribute = Attribute {
            value: known.value,
            dampening_ms: known.dampening_ms,
        };
        (name, attribute)
    });
    Attributes {
        version: all.version,
        values: values.collect(),
    }
}

pub(crate) fn operation(operation: Operation) -> cpe_bus::Operation {
    cpe_bus::Operation {
        id: operation.id,
        resource: operation.resource,
        class: operation.class,
        provider: operation.provider,
        agent: operation.kind,
        action: operation.action.to_string(),
        interval_ms: operation.interval_ms,
        timeout_ms: operation.timeout_ms,
        parameters: operation.parameters,
        meta: operation.meta,
        annotations: operation.annotations,
    }
}

pub(crate) fn record(record: OperationRecord) -> Record {
    Record {
        operation: Operation {
            id: record.operation.id,
            resource: record.operation.resource,
            class: record.operation.class,
            provider: record.operation.provider,
            kind: record.operation.agent,
            action: Task::from(record.operation.action.as_str()),
            interval_ms: record.operation.interval_ms,
            timeout_ms: record.operation.timeout_ms,
            parameters: record.operation.parameters,
            meta: record.operation.meta,
            annotations: record.operation.annotations,
        },
        state: match record.state {
            OperationState::Pending => RecordState::Pending,
            OperationState::Complete => RecordState::Complete,
            OperationState::Cancelled => RecordState::Cancelled,
        },
        call_id: record.call_id,
        status: record.status.number(),
        rc: record.rc,
        started: record.started,
        completed: record.completed,
        last_rc_change: record.last_rc_change,
        last_run: record.last_run,
        exec_ms: record.exec_ms,
        queue_ms: record.queue_ms,
        exit_reason: record.exit_reason,
        output: record.output,
    }
}

pub(crate) fn event(event: Event) -> cpe_bus::Event {
    cpe_bus::Event {
        id: event.id,
        cursor: 0,
        time: event.time,
        kind: event.kind.as_str().to_owned(),
        deployment: event.deployment,
        assembly: event.assembly.map_or_else(String::new, String::from),
        service: event.service.map_or_else(String::new, String::from),
        state: event.state,
        reason: event.reason,
        details: event.details,
    }
}
