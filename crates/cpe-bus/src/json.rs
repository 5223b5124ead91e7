//! The trees that cross the bus as JSON text: a deployment's status and a plan, of `cpe-status`.

use serde::Serialize;

use crate::{Error, Result};

/// Reads a tree; at most 64 MiB.
///
/// # Errors
/// [`Error::TooLarge`] and [`Error::InvalidArgument`] with line and column.
pub fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    const MAX: usize = 64 * 1024 * 1024;
    if text.len() > MAX {
        return Err(Error::TooLarge(format!(
            "status of {} bytes; at most {MAX} are read",
            text.len()
        )));
    }
    serde_json::from_str(text).map_err(|error| {
        Error::InvalidArgument(format!("status is not what it should be: {error}"))
    })
}

/// Writes a tree.
///
/// # Errors
/// [`Error::Failed`] if a value cannot be written as JSON, which no tree of this module holds.
pub fn to_json<T: Serialize>(tree: &T) -> Result<String> {
    serde_json::to_string(tree)
        .map_err(|error| Error::Failed(format!("status cannot be written as JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use cpe_status::{
        AssemblyState, DeploymentState, DeploymentStatus, ServiceState, ServiceStatus,
        TransitionStatus,
    };

    use super::*;

    #[test]
    fn it_reads_a_status_of_another_version() {
        let text = r#"{"name": "shop", "state": "hibernating", "colour": 1, "assemblies": [{"name": "web1", "state": "online"}]}"#;
        let status: DeploymentStatus = from_json(text).unwrap();
        assert_eq!(status.state, DeploymentState::Unknown);
        assert_eq!(status.assemblies[0].state, AssemblyState::Online);
        assert!(
            from_json::<DeploymentStatus>("{")
                .unwrap_err()
                .message()
                .contains("line 1")
        );
    }

    #[test]
    fn it_reads_what_it_wrote() {
        let status = DeploymentStatus {
            name: "shop".into(),
            state: DeploymentState::Degraded,
            services: vec![ServiceStatus {
                name: "db".into(),
                state: ServiceState::Started,
                ..Default::default()
            }],
            transition: Some(TransitionStatus {
                number: 3,
                ..Default::default()
            }),
            ..Default::default()
        };
        assert_eq!(
            from_json::<DeploymentStatus>(&to_json(&status).unwrap()).unwrap(),
            status
        );
    }
}
