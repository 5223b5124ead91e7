//! What an action of a graph is as an operation for a guest agent.

use cpe_status::{SECRET_NAMES, name_secrets, names_secret};
use deployment::{CONFIGURE_PARAMETER, is_secret};
use policy_engine::GraphAction;

use super::Controller;
use crate::machines::execution::Step;
use crate::machines::transition::Transition;
use crate::vocabulary::{
    AssemblyId, CONFIGURE, MIGRATE_SOURCE, MIGRATE_TARGET, OP_DIGEST, Operation, ServiceId, Task,
    TransitionKey, dispatcher_uuid,
};

impl Controller {
    /// The operation that an action asks an agent for.
    pub(crate) fn operation(&self, action: &GraphAction, step: &Step) -> Operation {
        let identity = action.resource.as_ref();
        let text = |value: Option<&policy_engine::model::Text>| {
            value.map(ToString::to_string).unwrap_or_default()
        };
        let expected_rc = action
            .attribute("CRM_meta_op_target_rc")
            .and_then(|rc| rc.parse().ok())
            .unwrap_or(0);
        let uuid = dispatcher_uuid(self.store.epoch());
        let mut operation = Operation {
            id: TransitionKey {
                action: step.action,
                transition: self.execution.transition().map_or(0, Transition::number),
                expected_rc,
                uuid,
            }
            .to_string(),
            resource: text(identity.map(|resource| &resource.id)),
            class: text(identity.and_then(|resource| resource.class.as_ref())),
            provider: text(identity.and_then(|resource| resource.provider.as_ref())),
            kind: text(identity.and_then(|resource| resource.kind.as_ref())),
            action: step.task.clone(),
            interval_ms: number(action, "CRM_meta_interval"),
            timeout_ms: number(action, "CRM_meta_timeout"),
            ..Operation::default()
        };
        for (name, value) in action.attributes.iter().chain(&action.numbered_parameters) {
            let (name, value) = (name.to_string(), value.to_string());
            if name.starts_with("CRM_meta_") {
                operation.meta.insert(name, value);
            } else if name != "crm_feature_set" {
                operation.parameters.insert(name, value);
            }
        }
        operation
            .annotations
            .insert(OP_DIGEST.into(), policy_engine::operation_digest(action));
        for (annotation, meta) in [
            (MIGRATE_SOURCE, "CRM_meta_migrate_source"),
            (MIGRATE_TARGET, "CRM_meta_migrate_target"),
        ] {
            if let Some(value) = action.attribute(meta) {
                operation
                    .annotations
                    .insert(annotation.into(), value.to_owned());
            }
        }
        self.give_kept(&mut operation, &step.node);
        self.give_configure(&mut operation);
        // What runs must be stopped with the parameters that it runs with, whatever the document
        // says by now.
        if matches!(step.task, Task::Stop | Task::Demote)
            && let Some(assembly) = self.assemblies.get(&step.node)
            && let Some(running) = assembly.history().definition(&operation.resource)
        {
            operation
                .parameters
                .clone_from(&running.operation.parameters);
            take_annotation(&mut operation, &running.operation, SECRET_NAMES);
        }
        self.look_for_what_runs(&mut operation, &step.node);
        self.name_secrets(&mut operation);
        operation
    }

    /// Says of which parameters nothing may tell the values: by the document, which may say it of
    /// any, and by those with which the service was started.
    fn name_secrets(&self, operation: &mut Operation) {
        let id = ServiceId::of_resource(&operation.resource);
        let service = self.document.spec().and_then(|spec| spec.service(&id));
        let marked = service.and_then(|service| service.secrets.as_ref());
        let former = operation.annotations.remove(SECRET_NAMES);
        let former = former.unwrap_or_default();
        let is_one = |name: &&String| {
            let by_document = match marked {
                Some(marked) => marked.contains(*name),
                None => is_secret(name),
            };
            by_document || names_secret(&former, name)
        };
        let names = operation.parameters.keys().filter(is_one);
        name_secrets(&mut operation.annotations, names.map(String::as_str));
    }

    /// A look at what was done by hand is for what may run, with the parameters that it was started
    /// with: with others it might find nothing. The policy engine is to see that it has those.
    fn look_for_what_runs(&self, operation: &mut Operation, node: &AssemblyId) {
        let looks = operation.action == Task::Monitor && operation.interval_ms == 0;
        let own = self.assemblies.get(node).filter(|_| looks);
        let Some(running) = own.and_then(|own| own.history().left_by_hand(&operation.resource))
        else {
            return;
        };
        let running = &running.operation;
        operation.parameters.clone_from(&running.parameters);
        for name in [OP_DIGEST, CONFIGURE, SECRET_NAMES] {
            operation.annotations.remove(name);
            take_annotation(operation, running, name);
        }
    }

    /// Has the guest of a service run what the document says before the service starts, or comes by
    /// a live migration. Its parameter was for the policy engine.
    fn give_configure(&self, operation: &mut Operation) {
        let id = ServiceId::of_resource(&operation.resource);
        let service = self.document.spec().and_then(|spec| spec.service(&id));
        let Some(configure) = service.and_then(|service| service.configure.as_ref()) else {
            return;
        };
        operation.parameters.remove(CONFIGURE_PARAMETER);
        if operation.interval_ms == 0 {
            let which = configure.mark();
            operation.annotations.insert(CONFIGURE.into(), which);
        }
        if matches!(operation.action, Task::Start | Task::MigrateFrom) {
            operation.configure = Some(Box::new(configure.clone()));
        }
    }
}

/// Copies an annotation, if the other operation has it.
fn take_annotation(operation: &mut Operation, of: &Operation, name: &str) {
    if let Some((name, value)) = of.annotations.get_key_value(name) {
        operation.annotations.insert(name.clone(), value.clone());
    }
}

/// An attribute that is a number of milliseconds; 0 if it is absent.
pub(crate) fn number(action: &GraphAction, name: &str) -> u32 {
    action
        .attribute(name)
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}
