//! An operation with the values that only this guest has, and what of them its programs may not
//! say.

use std::time::Duration;

use cpe_bus::{GuestSecret, Operation, SECRET_NAMES, names_secret};

use super::{Classes, OperationOutcome};
use crate::secrets::Hidden;

/// How long files are waited for: they may lie on a file system that hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// An operation as its programs get it.
pub(super) struct Given {
    pub operation: Operation,
    pub hidden: Hidden,
}

impl Classes {
    /// The operation with all its values.
    ///
    /// What stops a service is not kept from it by a value that is gone: its agent gets what there
    /// is.
    ///
    /// # Errors
    /// The outcome of an operation that lacks one: "not installed", since another guest may have
    /// it.
    pub(super) async fn with_secrets(
        &self,
        operation: &Operation,
    ) -> Result<Given, OperationOutcome> {
        let mut operation = operation.clone();
        let marked = operation.annotations.get(SECRET_NAMES).cloned();
        let marked = marked.unwrap_or_default();
        let mut secret: Vec<String> = Vec::new();
        for (name, value) in operation.parameters.clone() {
            let Some(place) = GuestSecret::of_value(&value) else {
                secret.extend(names_secret(&marked, &name).then_some(value));
                continue;
            };
            match self.read_secret(place).await {
                Ok(value) => {
                    secret.push(value.clone());
                    operation.parameters.insert(name, value);
                }
                Err(why) if goes_on_without(&operation.action) => {
                    tracing::warn!(
                        cpe_service = operation.resource,
                        "{} goes on without the parameter {name}: {why}",
                        operation.label()
                    );
                    operation.parameters.remove(&name);
                }
                Err(why) => {
                    let reason =
                        format!("the value of parameter {name} is not in this guest: {why}");
                    return Err(OperationOutcome::not_installed(reason));
                }
            }
        }
        let hidden = Hidden::new(secret.iter().map(String::as_str));
        Ok(Given { operation, hidden })
    }

    async fn read_secret(&self, place: GuestSecret) -> Result<String, String> {
        let (credentials, name) = (self.credentials.clone(), place.to_string());
        let read = tokio::task::spawn_blocking(move || credentials.read(&place));
        match tokio::time::timeout(PATIENCE, read).await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => Err(format!("{name} cannot be read: {error}")),
            Err(_) => Err(format!(
                "{name} cannot be read within {} s",
                PATIENCE.as_secs()
            )),
        }
    }
}

/// Whether an action is better done without a value than not at all.
fn goes_on_without(action: &str) -> bool {
    matches!(action, "stop" | "demote" | "notify")
}
