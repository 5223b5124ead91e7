//! Class `ocf`: resource agents of the Open Cluster Framework, version 1.1.
//!
//! An agent is a program `OCF_ROOT/resource.d/PROVIDER/TYPE` that gets the action as its only
//! argument and everything else in its environment. (OCF Resource Agent API 1.1, "Parameters" and
//! "Environment variables".)

use std::time::Duration;

use cpe_bus::Operation;
use cpe_bus::records::{EXIT_REASON, FEATURE_SET};
use cpe_daemon::Hidden;
use tokio::sync::oneshot;

use super::{Classes, OperationOutcome, PATH, kept};
use crate::attributes::{STATE_DIR_VARIABLE, tools_path};
use crate::process::Program;

/// How much output is looked at for the exit reason.
const KEEP: usize = 16 * 1024;

impl Classes {
    pub(super) async fn run_ocf(
        &self,
        operation: &Operation,
        mark: String,
        timeout: Duration,
        mut cancel: oneshot::Receiver<()>,
    ) -> OperationOutcome {
        if operation.provider.is_empty() {
            return OperationOutcome::not_installed(format!(
                "ocf:{} has no provider; write it as class ocf, provider heartbeat, type {}",
                operation.agent, operation.agent
            ));
        }
        let program = self.ocf_program(operation, mark, timeout);
        if !program.path.is_file() {
            return OperationOutcome::not_installed(format!(
                "resource agent {} is not installed: there is no {}",
                operation.specification(),
                program.path.display()
            ));
        }
        let given = match self.with_secrets(operation).await {
            Ok(given) => given,
            Err(outcome) => return outcome,
        };
        self.run_given(program, given, &mut cancel).await
    }

    /// The agent's program for an operation.
    pub(super) fn ocf_program(
        &self,
        operation: &Operation,
        mark: String,
        timeout: Duration,
    ) -> Program {
        Program {
            path: self
                .resource_agents
                .join("resource.d")
                .join(&operation.provider)
                .join(&operation.agent),
            arguments: vec![operation.action.clone()],
            environment: self.ocf_environment(operation, timeout),
            mark,
            timeout,
            keep: kept(operation, KEEP),
            most: None,
            hidden: Hidden::default(),
        }
    }

    /// The whole environment of an OCF agent. Nothing of the agent daemon's own environment is
    /// passed on.
    pub(super) fn ocf_environment(
        &self,
        operation: &Operation,
        timeout: Duration,
    ) -> Vec<(String, String)> {
        let mut environment: Vec<(String, String)> =
            Vec::with_capacity(24 + operation.parameters.len());
        let mut set = |name: String, value: &str| environment.push((name, value.to_owned()));
        // Agents call the tools for node attributes by either.
        let tools = tools_path(&self.state_dir);
        let tools = tools.to_string_lossy();
        set("PATH".into(), &format!("{tools}:{PATH}"));
        set("HA_SBIN_DIR".into(), &tools);
        set(STATE_DIR_VARIABLE.into(), &self.state_dir.to_string_lossy());
        set("LANG".into(), "C.UTF-8");
        set("HOME".into(), "/root");
        set("OCF_RA_VERSION_MAJOR".into(), "1");
        set("OCF_RA_VERSION_MINOR".into(), "1");
        set("OCF_ROOT".into(), &self.resource_agents.to_string_lossy());
        set("OCF_RESOURCE_INSTANCE".into(), &operation.resource);
        set("OCF_RESOURCE_TYPE".into(), &operation.agent);
        set("OCF_RESOURCE_PROVIDER".into(), &operation.provider);
        set("OCF_EXIT_REASON_PREFIX".into(), EXIT_REASON);
        set(
            "OCF_CHECK_LEVEL".into(),
            operation
                .parameters
                .get("OCF_CHECK_LEVEL")
                .map_or("0", String::as_str),
        );
        set("HA_RSCTMP".into(), &self.resource_tmp.to_string_lossy());
        for (name, value) in &operation.parameters {
            set(format!("OCF_RESKEY_{name}"), value);
        }
        if !operation.parameters.contains_key(FEATURE_SET.0) {
            set(format!("OCF_RESKEY_{}", FEATURE_SET.0), FEATURE_SET.1);
        }
        for (name, value) in &operation.meta {
            set(meta_variable(name), value);
        }
        // What every agent may rely on, where the caller has not said it.
        let timeout_ms = timeout.as_millis().to_string();
        let interval_ms = operation.interval_ms.to_string();
        for (name, value) in [
            ("CRM_meta_timeout", timeout_ms.as_str()),
            ("CRM_meta_interval", interval_ms.as_str()),
            ("CRM_meta_name", operation.action.as_str()),
        ] {
            let plain = name.trim_start_matches("CRM_meta_");
            if !operation.meta.contains_key(name) && !operation.meta.contains_key(plain) {
                set(meta_variable(name), value);
            }
        }
        environment
    }
}

/// `CRM_meta_on-fail` and `on-fail` → `OCF_RESKEY_CRM_meta_on_fail`: a shell's variable has no
/// hyphen.
fn meta_variable(name: &str) -> String {
    let name = name.strip_prefix("CRM_meta_").unwrap_or(name);
    format!("OCF_RESKEY_CRM_meta_{}", name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cpe_bus::BusSelection;

    use super::*;

    #[test]
    fn it_gives_an_agent_the_environment_of_ocf_1_1() {
        let classes = Classes::new(
            "/usr/lib/ocf".into(),
            "/run/ra".into(),
            "/etc/init.d".into(),
            "/run/cpe-agent".into(),
            BusSelection::System,
        );
        let operation = Operation {
            resource: "ip:0".into(),
            class: "ocf".into(),
            provider: "heartbeat".into(),
            agent: "IPaddr2".into(),
            action: "monitor".into(),
            interval_ms: 10_000,
            parameters: BTreeMap::from([
                ("ip".into(), "10.0.0.1".into()),
                ("OCF_CHECK_LEVEL".into(), "10".into()),
            ]),
            meta: BTreeMap::from([
                ("CRM_meta_on-fail".into(), "restart".into()),
                ("timeout".into(), "5000".into()),
            ]),
            ..Operation::default()
        };
        let program = classes.ocf_program(&operation, "m".into(), Duration::from_secs(20));
        assert_eq!(
            program.path.to_str(),
            Some("/usr/lib/ocf/resource.d/heartbeat/IPaddr2")
        );
        assert_eq!(program.arguments, ["monitor"]);
        let environment: BTreeMap<_, _> = program.environment.iter().cloned().collect();
        assert_eq!(
            environment.len(),
            program.environment.len(),
            "a variable is set twice"
        );
        for (name, value) in [
            ("OCF_ROOT", "/usr/lib/ocf"),
            ("OCF_RA_VERSION_MAJOR", "1"),
            ("OCF_RA_VERSION_MINOR", "1"),
            ("OCF_RESOURCE_INSTANCE", "ip:0"),
            ("OCF_RESOURCE_TYPE", "IPaddr2"),
            ("OCF_RESOURCE_PROVIDER", "heartbeat"),
            ("OCF_CHECK_LEVEL", "10"),
            ("OCF_EXIT_REASON_PREFIX", "ocf-exit-reason:"),
            ("HA_RSCTMP", "/run/ra"),
            ("HA_SBIN_DIR", "/run/cpe-agent/bin"),
            ("CPE_AGENT_STATE_DIR", "/run/cpe-agent"),
            ("OCF_RESKEY_crm_feature_set", "3.16.2"),
            ("OCF_RESKEY_ip", "10.0.0.1"),
            ("OCF_RESKEY_CRM_meta_on_fail", "restart"),
            ("OCF_RESKEY_CRM_meta_timeout", "5000"),
            ("OCF_RESKEY_CRM_meta_interval", "10000"),
            ("OCF_RESKEY_CRM_meta_name", "monitor"),
        ] {
            assert_eq!(
                environment.get(name).map(String::as_str),
                Some(value),
                "{name}"
            );
        }
    }
}
