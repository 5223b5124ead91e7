//! The document of a made-up deployment: short forms where they suffice, `<configuration>` for what
//! they cannot say.

use std::fmt::Write;

use crate::scenario::Mode;
use crate::scenario::{Assembly, Form, Scenario, Service};

impl Scenario {
    /// The document as it is now.
    pub fn document(&self) -> String {
        let (timeout, lease) = self.timing;
        format!(
            "<deployable name=\"sim\" uuid=\"7c1f0e52-9b1d-4a55-8f0e-2f4f6f0c9d11\" heartbeat_interval=\"1s\" \
             heartbeat_timeout=\"{timeout}ms\" lease=\"{lease}ms\">\n\
             <assemblies>\n{}</assemblies>\n<services>\n{}</services>\n<constraints>\n{}</constraints>\n\
             <configuration>{}<resources>\n{}</resources><constraints>\n{}</constraints></configuration>\n</deployable>\n",
            self.assembly_elements(),
            self.service_elements(),
            self.constraint_elements(),
            self.options(),
            self.raw().map(Service::raw_element).collect::<String>(),
            self.raw_constraints(),
        )
    }

    fn options(&self) -> String {
        match self.migration_limit {
            0 => String::new(),
            limit => format!(
                "<crm_config><cluster_property_set id=\"own\"><nvpair id=\"own-limit\" name=\"migration-limit\" value=\"{limit}\"/>\
                 </cluster_property_set></crm_config>"
            ),
        }
    }

    fn assembly_elements(&self) -> String {
        let mut text = String::new();
        for (index, assembly) in self.present() {
            text += &assembly.opening();
            let pinned = |service: &&Service| service.present && service.pinned == Some(index);
            text.extend(self.services.iter().filter(pinned).map(Service::element));
            text += "</services></assembly>\n";
        }
        text
    }

    /// Free services, and groups where their first member stands.
    fn service_elements(&self) -> String {
        let mut text = String::new();
        for (index, service) in self.services.iter().enumerate() {
            let members = self.group_of(index).unwrap_or_default();
            let short = service.present && service.pinned.is_none() && !service.is_raw();
            if members.first() == Some(&index) {
                let mut there: Vec<Service> = members
                    .iter()
                    .map(|member| &self.services[*member])
                    .filter(|member| member.present)
                    .cloned()
                    .collect();
                // What follows a disabled member cannot run: people would not write that.
                let mut enabled = true;
                for member in &mut there {
                    enabled &= member.enabled;
                    member.enabled = enabled;
                }
                if !there.is_empty() {
                    let _ = write!(text, "<group name=\"group{}\">", index + 1);
                    text.extend(there.iter().map(Service::element));
                    text += "</group>\n";
                }
            } else if short && members.is_empty() {
                text += &service.element();
            }
        }
        text
    }

    fn constraint_elements(&self) -> String {
        let mut text = String::new();
        let short = |a: &Service, b: &Service| !a.is_raw() && !b.is_raw();
        for (first, then) in self.ordered().filter(|(a, b)| short(a, b)) {
            let _ = writeln!(
                text,
                "<service_dependency first=\"{}\" then=\"{}\"/>",
                first.name, then.name
            );
        }
        for (with, service) in self.collocated().filter(|(a, b)| short(a, b)) {
            let _ = writeln!(
                text,
                "<colocation service=\"{}\" with=\"{}\" score=\"INFINITY\"/>",
                service.name, with.name
            );
        }
        for (index, service) in self.services.iter().enumerate() {
            let short =
                !service.is_raw() && !service.form.everywhere() && self.group_of(index).is_none();
            if let Some(assembly) = self.preferred(service).filter(|_| service.present && short) {
                let _ = writeln!(
                    text,
                    "<location service=\"{}\" assembly=\"{}\" score=\"50\"/>",
                    service.name, assembly.name
                );
            }
        }
        text
    }

    /// What constraints of `<configuration>` say: those that name one of its resources.
    fn raw_constraints(&self) -> String {
        let mut text: String = self
            .raw()
            .map(|service| self.raw_location(service))
            .collect();
        let raw = |a: &Service, b: &Service| a.is_raw() || b.is_raw();
        for (first, then) in self.ordered().filter(|(a, b)| raw(a, b)) {
            let (first, then) = (first.resource(), then.resource());
            let _ = writeln!(
                text,
                "<rsc_order id=\"{first}-then-{then}\" first=\"{first}\" then=\"{then}\"/>"
            );
        }
        for (with, service) in self.collocated().filter(|(a, b)| raw(a, b)) {
            let (with, service) = (with.resource(), service.resource());
            let _ = writeln!(
                text,
                "<rsc_colocation id=\"{service}-with-{with}\" rsc=\"{service}\" with-rsc=\"{with}\" score=\"INFINITY\"/>"
            );
        }
        text
    }

    /// Services of which the second starts after the first.
    fn ordered(&self) -> impl Iterator<Item = (&Service, &Service)> {
        self.related(&self.order)
    }

    /// Services of which the second runs where the first does.
    fn collocated(&self) -> impl Iterator<Item = (&Service, &Service)> {
        self.related(&self.together)
    }

    /// What depends on something that is disabled cannot run: people would not write that.
    fn related<'a>(
        &'a self,
        pairs: &'a [(usize, usize)],
    ) -> impl Iterator<Item = (&'a Service, &'a Service)> {
        let there = |index: usize| self.in_document(index) && self.services[index].enabled;
        pairs
            .iter()
            .filter(move |(a, b)| there(*a) && there(*b))
            .map(|(a, b)| (&self.services[*a], &self.services[*b]))
    }

    fn preferred(&self, service: &Service) -> Option<&Assembly> {
        service
            .prefers
            .map(|index| &self.assemblies[index])
            .filter(|assembly| assembly.present)
    }

    fn raw(&self) -> impl Iterator<Item = &Service> {
        self.services
            .iter()
            .filter(|service| service.present && service.is_raw())
    }

    /// Where a service of `<configuration>` would like to be, or to be promoted.
    fn raw_location(&self, service: &Service) -> String {
        let (id, resource) = (&service.name, service.resource());
        let Some(assembly) = self.preferred(service) else {
            return String::new();
        };
        let name = &assembly.name;
        match service.form {
            // More than what its agents say for the instance that is promoted.
            Form::Promotable(_) => format!(
                "<rsc_location id=\"{id}-at\" rsc=\"{resource}\"><rule id=\"{id}-rule\" role=\"Promoted\" score=\"50\">\
                 <expression id=\"{id}-where\" attribute=\"#uname\" operation=\"eq\" value=\"{name}\"/></rule></rsc_location>\n"
            ),
            _ => format!(
                "<rsc_location id=\"{id}-at\" rsc=\"{resource}\" node=\"{name}\" score=\"50\"/>\n"
            ),
        }
    }
}

impl Assembly {
    fn opening(&self) -> String {
        let Assembly { name, device, .. } = self;
        let fencing = match self.mode {
            Mode::Lease => "mode=\"lease\"/>".to_owned(),
            Mode::Unit => {
                format!("mode=\"unit\" timeout=\"20s\" unit=\"systemd-nspawn@{device}.service\"/>")
            }
            Mode::Agent => format!(
                "mode=\"agent\" timeout=\"20s\" agent=\"fence_simulated\"><parameters>\
                 <parameter name=\"port\" value=\"{device}\"/></parameters></fencing>"
            ),
            Mode::Manager => "mode=\"manager\"/>".to_owned(),
            Mode::None => "mode=\"none\"/>".to_owned(),
        };
        let address = self.address.as_ref();
        let address = address.map(|address| format!(" address=\"unix:/sim/{address}\""));
        let address = address.unwrap_or_default();
        let escalation = escalation(self.escalation);
        format!("<assembly name=\"{name}\"{address}{escalation}><fencing {fencing}<services>")
    }
}

impl Service {
    /// The short forms cannot say what it is.
    fn is_raw(&self) -> bool {
        matches!(self.form, Form::Migrates | Form::Promotable(_))
    }

    /// Id of the outermost resource.
    fn resource(&self) -> String {
        match self.form {
            Form::Everywhere | Form::Promotable(_) => format!("{}-clone", self.name),
            Form::Once | Form::Migrates => self.name.clone(),
        }
    }

    /// `<service>`.
    fn element(&self) -> String {
        let mut text = format!(
            "<service name=\"{}\" class=\"ocf\" provider=\"sim\" type=\"Simulated\" monitor_interval=\"4s\" start_timeout=\"10s\" \
             stop_timeout=\"8s\"",
            self.name
        );
        if self.form.everywhere() {
            text += " instances=\"all\"";
        }
        if !self.enabled {
            text += " enabled=\"false\"";
        }
        text += &escalation(self.escalation);
        let _ = writeln!(
            text,
            "><parameters><parameter name=\"setting\" value=\"{}\"/><parameter name=\"reloadable\" value=\"{}\"/></parameters></service>",
            self.parameter, self.reloadable
        );
        text
    }

    /// `<primitive>`, in a `<clone>` if it is promotable.
    fn raw_element(&self) -> String {
        let id = &self.name;
        let (mut meta, mut monitors) = (Vec::new(), String::new());
        let (mut before, mut after) = (String::new(), "");
        if let Form::Promotable(promoted) = self.form {
            before = format!(
                "<clone id=\"{id}-clone\">{}",
                options(
                    "meta_attributes",
                    &format!("{id}-clone-meta"),
                    &[
                        ("promotable", "true"),
                        ("promoted-max", &promoted.to_string()),
                        ("interleave", "true"),
                        ("notify", if id.ends_with('2') { "true" } else { "false" }),
                    ],
                )
            );
            after = "</clone>";
            let _ = write!(
                monitors,
                "<op id=\"{id}-promoted\" name=\"monitor\" interval=\"3s\" timeout=\"8s\" role=\"Promoted\"/>"
            );
        } else {
            meta.push(("allow-migrate", "true"));
        }
        if !self.enabled {
            meta.push(("target-role", "Stopped"));
        }
        let parameters = options(
            "instance_attributes",
            &format!("{id}-parameters"),
            &[
                ("setting", &self.parameter.to_string()),
                ("reloadable", &self.reloadable.to_string()),
            ],
        );
        let mut operations = String::new();
        for name in [
            "start",
            "stop",
            "promote",
            "demote",
            "migrate_to",
            "migrate_from",
        ] {
            let _ = write!(
                operations,
                "<op id=\"{id}-{name}\" name=\"{name}\" interval=\"0\" timeout=\"8s\"/>"
            );
        }
        let _ = write!(
            operations,
            "<op id=\"{id}-monitor\" name=\"monitor\" interval=\"4s\" timeout=\"8s\"/>{monitors}"
        );
        format!(
            "{before}<primitive id=\"{id}\" class=\"ocf\" provider=\"sim\" type=\"Simulated\">{parameters}{}\
             <operations>{operations}</operations></primitive>{after}\n",
            options("meta_attributes", &format!("{id}-meta"), &meta)
        )
    }
}

fn options(element: &str, id: &str, pairs: &[(&str, &str)]) -> String {
    let pairs: String = pairs
        .iter()
        .map(|(name, value)| {
            format!("<nvpair id=\"{id}-{name}\" name=\"{name}\" value=\"{value}\"/>")
        })
        .collect();
    format!("<{element} id=\"{id}\">{pairs}</{element}>")
}

fn escalation(failures: Option<u64>) -> String {
    failures
        .map(|failures| format!(" escalation_failures=\"{failures}\" escalation_period=\"5m\""))
        .unwrap_or_default()
}
