//! Bundles: what a bundle expands to (scheduler-spec/04 §13). Per replica a container, an IP
//! address, a connection and a node; and an implicit clone of the bundle's primitive, one instance
//! in each container.

use super::bundle_settings::{Settings, next_address, sanitized};
use super::definition::Invalid;
use super::{nodes, remote, resources};
use crate::model::*;
use crate::model::{Content, Definition, NvSet};
use crate::xml::ElementId;

/// Score of the bundle's primitive for its own bundle node.
const OWN_NODE_SCORE: Score = Score(500);

/// Reads a bundle and creates its parts.
pub(super) fn unpack(
    cluster: &mut Cluster,
    id: ResourceId,
    element: ElementId,
    child: Option<&Arc<Definition>>,
) -> Result<(), Invalid> {
    let document = cluster.document.clone();
    let bundle_id = cluster.resource(id).id.clone();
    let (mut settings, errors) = Settings::read(document.element(element), &bundle_id)?;
    for error in errors {
        cluster.say(Level::Error, error);
    }
    if settings.per_host == 1 {
        cluster.resource_mut(id).unique = false;
    }
    let implicit_clone = match child {
        Some(child) => Some(unpack_child(cluster, id, &mut settings, child)?),
        None => None,
    };
    let data = BundleData {
        technology: settings.technology.into(),
        image: settings.image.clone(),
        promoted_max: settings.promoted_max,
        replica_count: settings.replicas,
        per_host: settings.per_host,
        replicas: Vec::new(),
        sorted_containers: Vec::new(),
        clone: implicit_clone,
    };
    cluster.resource_mut(id).variant = Variant::Bundle(data);
    let children: Vec<Option<ResourceId>> = match implicit_clone {
        Some(clone) => {
            let instances = cluster.resource(clone).children.clone();
            adopt_instances(cluster, id, clone, &instances);
            instances.into_iter().map(Some).collect()
        }
        None => vec![None; settings.replicas as usize],
    };
    let addresses = settings.addresses(children.len());
    let host_options = settings.host_options(&bundle_id, &addresses);
    for (number, (child, address)) in children.into_iter().zip(addresses).enumerate() {
        let replica = Blueprint {
            bundle: id,
            bundle_id: &bundle_id,
            settings: &settings,
            host_options: &host_options,
            number: number as u32,
            child,
            address,
        };
        let replica = replica.build(cluster)?;
        if let Variant::Bundle(data) = &mut cluster.resource_mut(id).variant {
            data.sorted_containers.push(replica.container);
            data.replicas.push(replica);
        }
    }
    cluster.resource_mut(id).children.extend(implicit_clone);
    Ok(())
}

/// Makes the implicit clone of a bundle's primitive, which needs a way into the containers.
fn unpack_child(
    cluster: &mut Cluster,
    bundle: ResourceId,
    settings: &mut Settings,
    child: &Arc<Definition>,
) -> Result<ResourceId, Invalid> {
    let bundle_id = cluster.resource(bundle).id.clone();
    if !settings.has_usable_network() {
        let message = "expected ip-range-start or control-port for a bundle with a primitive, found neither: set one of them in <network>";
        return Err(Invalid(message.into()));
    }
    if settings.ip_range_start.is_none() && settings.per_host > 1 {
        let message = format!(
            "{bundle_id}: replicas-per-host is ignored: more than one replica per host needs ip-range-start"
        );
        cluster.say(Level::Error, message);
        settings.per_host = 1;
    }
    let definition = clone_definition(&bundle_id, settings, child);
    let clone = resources::unpack(cluster, &Arc::new(definition), Some(bundle), None)?;
    settings.add_implicit_mounts_and_ports();
    Ok(clone)
}

/// The implicit clone (§13.2).
fn clone_definition(bundle_id: &str, settings: &Settings, child: &Arc<Definition>) -> Definition {
    let promotable = settings.promoted_max > 0;
    let suffix = if promotable { "master" } else { "clone" };
    let id: Text = sanitized(&format!("{bundle_id}-{suffix}")).into();
    let number = |n: i32| -> Text { n.to_string().into() };
    let mut meta: Vec<(&str, Text)> = vec![
        ("ordered", "true".into()),
        ("clone-max", number(settings.replicas)),
        ("clone-node-max", number(settings.per_host)),
        (
            "globally-unique",
            (settings.per_host > 1).to_string().into(),
        ),
    ];
    if promotable {
        meta.push(("promotable", "true".into()));
        meta.push(("promoted-max", number(settings.promoted_max)));
    }
    Definition {
        config: Arc::new(ResourceConfig {
            element: "clone".into(),
            attributes: vec![("id".into(), id.clone())],
            meta: vec![NvSet::implied(
                format!("{bundle_id}-{suffix}-meta_attributes"),
                meta,
            )],
            ..ResourceConfig::default()
        }),
        id,
        agent: Arc::default(),
        template: None,
        content: Content::Clone(Some(child.clone())),
    }
}

/// What instances hand up to the clone and the bundle, and that they run in containers only.
fn adopt_instances(
    cluster: &mut Cluster,
    bundle: ResourceId,
    clone: ResourceId,
    instances: &[ResourceId],
) {
    for instance in instances {
        let instance = cluster.resource_mut(*instance);
        instance.exclusive_discovery = true;
        let notify = instance.notify;
        let target = instance.meta.get("container-attribute-target").cloned();
        cluster.resource_mut(clone).notify |= notify;
        if let Some(target) = target {
            for holder in [bundle, clone] {
                let meta = &mut cluster.resource_mut(holder).meta;
                meta.set("container-attribute-target", target.clone());
            }
        }
    }
}

/// A replica that is to be built.
struct Blueprint<'b> {
    bundle: ResourceId,
    bundle_id: &'b str,
    settings: &'b Settings,
    host_options: &'b str,
    number: u32,
    child: Option<ResourceId>,
    address: Option<String>,
}

impl Blueprint<'_> {
    /// Creates container, IP address, connection and node, in this order (§13.4).
    fn build(&self, cluster: &mut Cluster) -> Result<Replica, Invalid> {
        let container = self.add(cluster, self.container())?;
        cluster.resource_mut(container).replica_container = true;
        if let Some(child) = self.child {
            let moved = std::mem::take(&mut cluster.resource_mut(child).utilization);
            let own = std::mem::replace(&mut cluster.resource_mut(container).utilization, moved);
            cluster.resource_mut(child).utilization = own;
        }
        let ip = match &self.address {
            Some(address) => Some(self.add(cluster, self.ip(address))?),
            None => None,
        };
        let mut replica = Replica {
            number: self.number,
            container,
            ip,
            address: self.address.as_deref().map(Into::into),
            connection: None,
            child: self.child,
            node: None,
            probes_awaited: false,
        };
        if let Some(child) = self.child {
            self.connect(cluster, child, &mut replica)?;
        }
        Ok(replica)
    }

    fn add(&self, cluster: &mut Cluster, part: Definition) -> Result<ResourceId, Invalid> {
        let part = resources::unpack(cluster, &Arc::new(part), Some(self.bundle), None)?;
        cluster.resource_mut(self.bundle).children.push(part);
        Ok(part)
    }

    fn host_name(&self) -> String {
        format!("{}-{}", self.bundle_id, self.number)
    }

    fn container(&self) -> Definition {
        let settings = self.settings;
        let technology = settings.technology;
        let id = sanitized(&format!("{}-{technology}-{}", self.bundle_id, self.number));
        let host_name = self.host_name();
        let optional = |value: &Option<Text>| value.clone().unwrap_or_else(|| "".into());
        let mut parameters: Vec<(&str, Text)> = vec![
            ("image", optional(&settings.image)),
            ("allow_pull", "true".into()),
            ("force_kill", "false".into()),
            ("reuse", "false".into()),
        ];
        let run_options =
            settings.run_options(&host_name, self.address.as_deref(), self.host_options);
        parameters.push(("run_opts", run_options.into()));
        parameters.push(("mount_points", settings.mount_points(&host_name).into()));
        match (&settings.run_command, self.child) {
            (Some(command), _) => parameters.push(("run_cmd", command.clone())),
            (None, Some(_)) => {
                parameters.push(("run_cmd", "/usr/sbin/pacemaker-remoted".into()));
            }
            (None, None) => {}
        }
        parameters.push(("monitor_cmd", "/bin/true".into()));
        implied_primitive(&id, "heartbeat", technology, parameters)
    }

    fn ip(&self, address: &str) -> Definition {
        let settings = self.settings;
        let id = sanitized(&format!("{}-ip-{address}", self.bundle_id));
        let mut parameters: Vec<(&str, Text)> = vec![("ip", address.into())];
        if let Some(interface) = &settings.host_interface {
            parameters.push(("nic", interface.clone()));
        }
        let netmask = settings.host_netmask.clone();
        parameters.push(("cidr_netmask", netmask.unwrap_or_else(|| "32".into())));
        implied_primitive(&id, "heartbeat", "IPaddr2", parameters)
    }

    /// The connection and the bundle node, and the score tables that make the primitive run there
    /// only (§13.5).
    fn connect(
        &self,
        cluster: &mut Cluster,
        child: ResourceId,
        replica: &mut Replica,
    ) -> Result<(), Invalid> {
        let mut name = sanitized(&self.host_name());
        if cluster.find_resource(&name).is_some() {
            let child_id = &cluster.resource(child).id;
            name = sanitized(&format!("pcmk-internal-{child_id}-remote-{}", self.number));
        }
        let node = bundle_node(cluster, &name);
        let address = match &self.address {
            Some(address) => address.as_str().into(),
            None => "#uname".into(),
        };
        let container_id = cluster.resource(replica.container).id.clone();
        let definition = remote::connection(
            &name,
            vec![("internal_rsc", "true".into()), ("container", container_id)],
            vec![
                ("addr", address),
                ("port", self.settings.control_port().into()),
            ],
            None,
        );
        let connection = self.add(cluster, definition)?;
        let entry = NodeEntry {
            score: OWN_NODE_SCORE,
            mode: ProbeMode::Exclusive,
            count: 0,
        };
        let Cluster {
            nodes, resources, ..
        } = cluster;
        let resource = &mut resources[connection.index()];
        resource.nesting_allowed = true;
        resource.remote_node = Some(node);
        for (other, entry) in resource.allowed.iter_mut() {
            if nodes[other.index()].kind == NodeKind::Remote {
                entry.score = Score::MINUS_INFINITY;
            }
        }
        nodes[node.index()].connection = Some(connection);
        let resource = &mut resources[child.index()];
        resource.allowed = NodeTable::new();
        resource.allowed.insert(node, entry);
        if let Some(address) = &self.address {
            resource.meta.set("external-ip", address.as_str());
        }
        if let Some(clone) = resource.parent {
            let banned = NodeEntry {
                score: Score::MINUS_INFINITY,
                ..entry
            };
            resources[clone.index()].allowed.insert(node, banned);
        }
        replica.connection = Some(connection);
        replica.node = Some((node, entry));
        Ok(())
    }
}

/// An implied primitive of class `ocf` that is monitored once a minute.
fn implied_primitive(
    id: &str,
    provider: &str,
    kind: &str,
    parameters: Vec<(&str, Text)>,
) -> Definition {
    let monitor_id = format!("{id}-monitor-60s");
    let config = ResourceConfig {
        parameters: vec![NvSet::implied(
            format!("{id}-instance_attributes"),
            parameters,
        )],
        operations: vec![OperationConfig::implied(
            &monitor_id,
            "monitor",
            "60s",
            None,
        )],
        ..ResourceConfig::default()
    };
    Definition::implied(id, "ocf", Some(provider), kind, config)
}

/// Finds or creates a bundle node, on which only the bundle's own resource runs.
fn bundle_node(cluster: &mut Cluster, name: &str) -> NodeId {
    let id = nodes::remote(cluster, name);
    let node = cluster.node_mut(id);
    node.attributes.set("#kind", "container");
    node.base_score = Score::MINUS_INFINITY;
    node.probe_mode = ProbeMode::Never;
    for top in cluster.top_level.clone() {
        for part in cluster.subtree(top) {
            if let Some(entry) = cluster.resource_mut(part).allowed.get_mut(id) {
                entry.score = Score::MINUS_INFINITY;
                entry.mode = ProbeMode::Never;
            }
        }
    }
    id
}

impl Settings {
    /// The address of each replica (§13.3).
    fn addresses(&self, count: usize) -> Vec<Option<String>> {
        let first = self.ip_range_start.as_deref().map(str::to_owned);
        std::iter::successors(Some(first), |previous| {
            Some(previous.as_deref().and_then(next_address))
        })
        .take(count)
        .collect()
    }
}
