//! The settings of a `bundle` element, and the container options derived from them
//! (scheduler-spec/04 §13.1–13.4).

use std::net::Ipv4Addr;

use super::clones::MAX_INSTANCES;
use super::definition::Invalid;
use crate::model::Text;
use crate::scalar;
use crate::xml::Element;

/// Port on which the agent in a container listens.
const DEFAULT_PORT: &str = "3121";
/// Where the containers' logs are kept on the host.
const LOG_ROOT: &str = "/var/log/pacemaker/bundles";
/// The key that lets the cluster talk to the agents in containers.
const KEY_FILE: &str = "/etc/pacemaker/authkey";

/// The settings of a bundle.
pub(super) struct Settings {
    /// `docker` or `podman`.
    pub(super) technology: &'static str,
    pub(super) image: Option<Text>,
    pub(super) run_command: Option<Text>,
    pub(super) promoted_max: i32,
    pub(super) replicas: i32,
    pub(super) per_host: i32,
    pub(super) ip_range_start: Option<Text>,
    pub(super) host_netmask: Option<Text>,
    pub(super) host_interface: Option<Text>,
    options: Option<Text>,
    network: Option<Text>,
    control_port: Option<Text>,
    add_host: bool,
    ports: Vec<Port>,
    mounts: Vec<Mount>,
}

/// A port of the container that is reachable from outside.
struct Port {
    source: Text,
    target: Text,
}

/// A directory of the host that the container sees.
struct Mount {
    source: Text,
    /// Each replica has its own directory below `source`.
    per_replica: bool,
    target: Text,
    options: Option<Text>,
}

impl Settings {
    /// Reads a `bundle`. The texts name the parts that were ignored.
    pub(super) fn read(bundle: Element<'_>, id: &str) -> Result<(Settings, Vec<String>), Invalid> {
        let mut errors = Vec::new();
        let technologies = ["docker", "podman"];
        let found = technologies
            .iter()
            .find_map(|name| Some((*name, bundle.child(name)?)));
        let Some((technology, container)) = found else {
            let message = "expected <docker> or <podman> in the bundle, found neither";
            return Err(Invalid(message.into()));
        };
        let at_least = |name: &str, minimum: i32| {
            let value = container.get(name).map(scalar::non_negative);
            value.map(|value| value.max(minimum))
        };
        let promoted_max = at_least("promoted-max", 0).unwrap_or(0);
        let replicas = at_least("replicas", 1).unwrap_or(promoted_max.max(1));
        if replicas > MAX_INSTANCES {
            let message = format!("expected at most {MAX_INSTANCES} replicas, found {replicas}");
            return Err(Invalid(message));
        }
        let text = |element: Option<Element<'_>>, name: &str| -> Option<Text> {
            element?.get(name).map(Into::into)
        };
        let network = bundle.child("network");
        let add_host = network.and_then(|network| network.get("add-host"));
        let mut settings = Settings {
            technology,
            image: text(Some(container), "image"),
            run_command: text(Some(container), "run-command"),
            promoted_max,
            replicas,
            per_host: at_least("replicas-per-host", 1).unwrap_or(1),
            ip_range_start: text(network, "ip-range-start"),
            host_netmask: text(network, "host-netmask"),
            host_interface: text(network, "host-interface"),
            options: text(Some(container), "options"),
            network: text(Some(container), "network"),
            control_port: text(network, "control-port"),
            add_host: add_host.and_then(scalar::boolean) != Some(false),
            ports: Vec::new(),
            mounts: Vec::new(),
        };
        let mappings = |parent: Option<Element<'_>>, name: &'static str| {
            let children = parent.into_iter().flat_map(Element::children);
            children
                .filter(move |child| child.name() == name)
                .map(|e| e.id())
                .collect::<Vec<_>>()
        };
        let document = bundle.document();
        for mapping in mappings(network, "port-mapping") {
            match Port::read(document.element(mapping)) {
                Some(port) => settings.ports.push(port),
                None => errors.push(format!(
                    "{id}: expected port or range in <port-mapping>, found neither: it is ignored"
                )),
            }
        }
        for mapping in mappings(bundle.child("storage"), "storage-mapping") {
            match Mount::read(document.element(mapping)) {
                Some(mount) => settings.mounts.push(mount),
                None => errors.push(format!(
                    "{id}: expected target-dir and source-dir or source-dir-root in <storage-mapping>: it is ignored"
                )),
            }
        }
        Ok((settings, errors))
    }

    /// Whether the cluster can reach an agent in the containers.
    pub(super) fn has_usable_network(&self) -> bool {
        self.ip_range_start.is_some() || self.control_port.is_some()
    }

    /// The port of the agents in the containers.
    pub(super) fn control_port(&self) -> &str {
        self.control_port.as_deref().unwrap_or(DEFAULT_PORT)
    }

    /// What a bundle with a primitive needs in its containers (§13.2).
    pub(super) fn add_implicit_mounts_and_ports(&mut self) {
        let has_logs = self.mounts.iter().any(|mount| &*mount.target == "/var/log");
        self.mounts.push(Mount {
            source: KEY_FILE.into(),
            per_replica: false,
            target: KEY_FILE.into(),
            options: None,
        });
        if !has_logs {
            self.mounts.push(Mount {
                source: LOG_ROOT.into(),
                per_replica: true,
                target: "/var/log".into(),
                options: None,
            });
        }
        let port: Text = self.control_port().into();
        self.ports.push(Port {
            source: port.clone(),
            target: port,
        });
    }

    /// The options that make every container know the addresses of all (§13.3).
    pub(super) fn host_options(&self, bundle_id: &str, addresses: &[Option<String>]) -> String {
        let mut out = String::new();
        for (number, address) in addresses.iter().enumerate() {
            let Some(address) = address else { continue };
            out.push_str(&match self.add_host {
                true => format!(" --add-host={bundle_id}-{number}:{address}"),
                false => format!(" --hosts-entry={address}={bundle_id}-{number}"),
            });
        }
        out
    }

    /// `run_opts` of a container (§13.4).
    pub(super) fn run_options(
        &self,
        host_name: &str,
        address: Option<&str>,
        host_options: &str,
    ) -> String {
        let mut out = String::new();
        let mut add = |piece: String| {
            out.push(' ');
            out.push_str(&piece);
        };
        if self.technology == "docker" {
            add("--restart=no".into());
        }
        if self.ip_range_start.is_some() {
            add(format!("-h {host_name}"));
        }
        add("-e PCMK_stderr=1".into());
        if let Some(network) = &self.network {
            add(format!("--net={network}"));
        }
        add(format!("-e PCMK_remote_port={}", self.control_port()));
        for mount in &self.mounts {
            let source = mount.source_of(host_name);
            match &mount.options {
                Some(options) => add(format!("-v {source}:{}:{options}", mount.target)),
                None => add(format!("-v {source}:{}", mount.target)),
            }
        }
        let on_host_network = self.network.as_deref() == Some("host");
        for Port { source, target } in &self.ports {
            match address {
                Some(address) => add(format!("-p {address}:{source}:{target}")),
                None if on_host_network => {}
                None => add(format!("-p {source}:{target}")),
            }
        }
        if let Some(options) = &self.options {
            add(options.to_string());
        }
        add(host_options.to_owned());
        out
    }

    /// `mount_points` of a container: the directories that it has for itself.
    pub(super) fn mount_points(&self, host_name: &str) -> String {
        let own = self.mounts.iter().filter(|mount| mount.per_replica);
        let own: Vec<_> = own.map(|mount| mount.source_of(host_name)).collect();
        own.join(",")
    }
}

impl Port {
    fn read(mapping: Element<'_>) -> Option<Port> {
        let text = |name: &str| mapping.get(name).filter(|text| !text.is_empty());
        let (source, target) = match text("port") {
            Some(port) => (port, text("internal-port").unwrap_or(port)),
            None => (text("range")?, text("range")?),
        };
        Some(Port {
            source: source.into(),
            target: target.into(),
        })
    }
}

impl Mount {
    fn read(mapping: Element<'_>) -> Option<Mount> {
        let (source, per_replica) = match mapping.get("source-dir") {
            Some(source) => (source, false),
            None => (mapping.get("source-dir-root")?, true),
        };
        Some(Mount {
            source: source.into(),
            per_replica,
            target: mapping.get("target-dir")?.into(),
            options: mapping.get("options").map(Into::into),
        })
    }

    fn source_of(&self, host_name: &str) -> String {
        match self.per_replica {
            true => format!("{}/{host_name}", self.source),
            false => self.source.to_string(),
        }
    }
}

/// The address behind an IPv4 address (§13.3).
pub(super) fn next_address(previous: &str) -> Option<String> {
    let [a, b, c, d] = previous.parse::<Ipv4Addr>().ok()?.octets();
    if c > 253 {
        return None;
    }
    let next = match d {
        254.. => [a, b, c + 1, 1],
        _ => [a, b, c, d + 1],
    };
    Some(Ipv4Addr::from(next).to_string())
}

/// A generated id as valid XML name (01 §3.8).
pub(super) fn sanitized(id: &str) -> String {
    id.bytes()
        .enumerate()
        .map(|(position, byte)| {
            let first = byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':');
            let valid = first || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
            match (position, first, valid) {
                (0, false, _) => '_',
                (_, _, true) => byte as char,
                _ => '.',
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_counted_up() {
        assert_eq!(next_address("10.0.0.9").as_deref(), Some("10.0.0.10"));
        assert_eq!(next_address("10.0.0.254").as_deref(), Some("10.0.1.1"));
        assert_eq!(next_address("10.0.254.1"), None);
        assert_eq!(next_address("fe80::1"), None);
    }

    #[test]
    fn ids_become_names() {
        assert_eq!(sanitized("my bundle-0:1"), "my.bundle-0:1");
        assert_eq!(sanitized("1b"), "_b");
    }

    #[test]
    fn container_options_come_in_a_fixed_order() {
        let xml = r#"<bundle id="h"><docker image="i" replicas="2" options="--log-driver=journald"/>
            <network ip-range-start="192.168.20.188"><port-mapping id="p" port="80"/></network>
            <storage><storage-mapping id="s" source-dir-root="/srv" target-dir="/www" options="rw"/></storage></bundle>"#;
        let document = crate::xml::parse(xml).unwrap();
        let Ok((mut settings, _)) = Settings::read(document.root(), "h") else {
            panic!("a valid bundle was refused");
        };
        settings.add_implicit_mounts_and_ports();
        let options = settings.run_options("h-0", Some("192.168.20.188"), " --add-host=h-0:x");
        assert_eq!(
            options,
            " --restart=no -h h-0 -e PCMK_stderr=1 -e PCMK_remote_port=3121 -v /srv/h-0:/www:rw \
             -v /etc/pacemaker/authkey:/etc/pacemaker/authkey -v /var/log/pacemaker/bundles/h-0:/var/log \
             -p 192.168.20.188:80:80 -p 192.168.20.188:3121:3121 --log-driver=journald  --add-host=h-0:x"
        );
        assert_eq!(
            settings.mount_points("h-0"),
            "/srv/h-0,/var/log/pacemaker/bundles/h-0"
        );
    }
}
