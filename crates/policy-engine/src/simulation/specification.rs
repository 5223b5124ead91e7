//! Operation specifications, `RSC_TASK_INTERVAL@NODE=RC` (scheduler-spec/06 §D.8).

/// An operation key taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationName<'t> {
    /// Resource id.
    pub resource: &'t str,
    /// Task; `notify` for all notification keys.
    pub task: &'t str,
    /// Interval in ms.
    pub interval_ms: u32,
}

impl<'t> OperationName<'t> {
    /// Takes `RSC_TASK_INTERVAL` apart from its end, since resource ids may contain underscores.
    pub fn parse(key: &'t str) -> Option<OperationName<'t>> {
        let (rest, interval) = key.rsplit_once('_')?;
        let interval_ms = interval.parse().ok()?;
        for task in ["migrate_to", "migrate_from"] {
            if let Some(resource) = without_task(rest, task) {
                return Some(OperationName {
                    resource,
                    task,
                    interval_ms,
                });
            }
        }
        let (resource, task) = rest.rsplit_once('_')?;
        for phase in ["_confirmed-pre", "_confirmed-post", "_pre", "_post"] {
            let notified = resource.strip_suffix("_notify");
            if let Some(resource) = notified.and_then(|rest| rest.strip_suffix(phase)) {
                return non_empty(resource, "notify", interval_ms);
            }
        }
        non_empty(resource, task, interval_ms)
    }
}

fn without_task<'t>(text: &'t str, task: &str) -> Option<&'t str> {
    let resource = text.strip_suffix(task)?.strip_suffix('_')?;
    (!resource.is_empty()).then_some(resource)
}

fn non_empty<'t>(resource: &'t str, task: &'t str, interval_ms: u32) -> Option<OperationName<'t>> {
    (!resource.is_empty() && !task.is_empty()).then_some(OperationName {
        resource,
        task,
        interval_ms,
    })
}

/// A result of an operation on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Specification<'t> {
    /// The operation.
    pub operation: OperationName<'t>,
    /// Name of the node.
    pub node: &'t str,
    /// Exit code.
    pub code: i32,
}

impl<'t> Specification<'t> {
    /// Takes `RSC_TASK_INTERVAL@NODE=RC` apart.
    ///
    /// # Errors
    /// The line that the field's simulator prints for it.
    pub fn parse(text: &'t str) -> Result<Specification<'t>, String> {
        let invalid =
            |fields| format!("Invalid operation spec: {text}.  Only found {fields} fields");
        let Some((key, rest)) = text.split_once('@') else {
            return Err(invalid(1));
        };
        let Some((node, code)) = rest.split_once('=') else {
            return Err(invalid(2));
        };
        let code = code.parse().map_err(|_| invalid(2))?;
        let operation = OperationName::parse(key)
            .ok_or_else(|| format!("Invalid operation key: {key} (expected RSC_TASK_INTERVAL)"))?;
        Ok(Specification {
            operation,
            node,
            code,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(key: &str) -> Option<(&str, &str, u32)> {
        OperationName::parse(key).map(|name| (name.resource, name.task, name.interval_ms))
    }

    #[test]
    fn keys_are_read_from_their_end() {
        assert_eq!(
            parts("my_web_monitor_10000"),
            Some(("my_web", "monitor", 10000))
        );
        assert_eq!(parts("vm_migrate_to_0"), Some(("vm", "migrate_to", 0)));
        assert_eq!(
            parts("db_confirmed-post_notify_start_0"),
            Some(("db", "notify", 0))
        );
        assert_eq!(parts("_monitor_0"), None);
        assert_eq!(parts("monitor_0"), None);
        assert_eq!(parts("web_monitor_x"), None);
    }

    #[test]
    fn a_specification_needs_a_node_and_a_code() {
        let ok = Specification::parse("web_start_0@n1=1").unwrap();
        assert_eq!((ok.operation.task, ok.node, ok.code), ("start", "n1", 1));
        assert!(
            Specification::parse("web_start_0")
                .unwrap_err()
                .ends_with("found 1 fields")
        );
        assert!(
            Specification::parse("web_start_0@n1")
                .unwrap_err()
                .ends_with("found 2 fields")
        );
    }
}
