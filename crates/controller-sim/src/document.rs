//! The document of a made-up deployment: short forms where they suffice, `<configuration>` for what
//! they cannot say.

use std::fmt::Write;

use crate::policies::{Follows, Loss, OnFail, PEER, Policies};
use crate::scenario::{Assembly, Clocks, Form, Mode, Scenario, Service};
use crate::zones;

impl Scenario {
    /// The document as it is now.
    pub fn document(&self) -> String {
        let (timeout, lease) = self.timing;
        let zone = match self.clocks {
            Clocks::Document => format!(" time_zone=\"{}\"", zones::KOLKATA),
            Clocks::Utc | Clocks::Host => String::new(),
        };
        format!(
            "<deployable name=\"sim\" uuid=\"7c1f0e52-9b1d-4a55-8f0e-2f4f6f0c9d11\" heartbeat_interval=\"1s\" \
             heartbeat_timeout=\"{timeout}ms\" lease=\"{lease}ms\"{zone}>\n\
             <assemblies>\n{}</assemblies>\n<services>\n{}</services>\n<constraints>\n{}</constraints>\n\
             <configuration>{}<resources>\n{}{}</resources><constraints>\n{}</constraints>{}</configuration>\n</deployable>\n",
            self.assembly_elements(),
            self.service_elements(),
            self.constraint_elements(),
            self.options(),
            self.raw()
                .map(|service| service.raw_element(self.clocks.ahead()))
                .collect::<String>(),
            self.device_elements(),
            self.raw_constraints(),
            self.topology(),
        )
    }

    fn options(&self) -> String {
        let mut pairs = Vec::new();
        if self.migration_limit > 0 {
            pairs.push(("migration-limit", self.migration_limit.to_string()));
        }
        if self.recheck_s > 0 {
            let interval = format!("{}s", self.recheck_s);
            pairs.push(("cluster-recheck-interval", interval));
        }
        if self.rich {
            pairs.push(("placement-strategy", "balanced".to_owned()));
        }
        if pairs.is_empty() {
            return String::new();
        }
        let set = options("cluster_property_set", "own", &pairs);
        format!("<crm_config>{set}</crm_config>")
    }

    fn assembly_elements(&self) -> String {
        let mut text = String::new();
        for (index, assembly) in self.present() {
            text += &assembly.opening();
            if self.rich {
                let _ = write!(text, "<capacity cpu=\"{}\"/>", assembly.capacity);
            }
            text += "<services>";
            let pinned = |service: &&Service| service.present && service.pinned == Some(index);
            let pinned = self.services.iter().filter(pinned);
            text.extend(pinned.map(|service| self.element(service)));
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
                    text.extend(there.iter().map(|service| self.element(service)));
                    text += "</group>\n";
                }
            } else if short && members.is_empty() {
                text += &self.element(service);
            }
        }
        text
    }

    /// `<service>`, with what it follows while the document names that.
    fn element(&self, service: &Service) -> String {
        let follows = service.policies.follows;
        let assembly = follows.map(|own| &self.assemblies[own.assembly]);
        let followed = match (follows, assembly) {
            (Some(Follows { on_change, .. }), Some(assembly)) if assembly.present => format!(
                "<parameter name=\"{PEER}\"><reference assembly=\"{}\" parameter=\"ipaddress\" on_change=\"{on_change}\"/></parameter>",
                assembly.name
            ),
            _ => String::new(),
        };
        service.element(&followed)
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
        let there = (0..self.services.len()).filter(|index| self.in_document(*index));
        text.extend(there.map(|index| self.policy_constraints(index)));
        text
    }

    /// The ticket that a service depends on, and where it may not be at some time.
    fn policy_constraints(&self, index: usize) -> String {
        let service = &self.services[index];
        let (id, resource) = (&service.name, service.resource());
        let mut text = String::new();
        if let Some(loss) = service.policies.ticket {
            let role = match loss {
                Loss::Demote => " rsc-role=\"Promoted\"",
                _ => "",
            };
            let _ = writeln!(
                text,
                "<rsc_ticket id=\"{id}-ticket\" rsc=\"{resource}\"{role} ticket=\"sim\" loss-policy=\"{}\"/>",
                loss.as_str()
            );
        }
        if let Some(ban) = service.policies.ban {
            let score = if self.is_banned(index) {
                "-INFINITY"
            } else {
                "40"
            };
            let name = &self.assemblies[ban.assembly].name;
            let ahead = self.clocks.ahead();
            let when = ban.when.expression(&format!("{id}-ban-when"), ahead);
            let _ = writeln!(
                text,
                "<rsc_location id=\"{id}-ban\" rsc=\"{resource}\"><rule id=\"{id}-ban-rule\" score=\"{score}\" boolean-op=\"and\">\
                 <expression id=\"{id}-ban-where\" attribute=\"#uname\" operation=\"eq\" value=\"{name}\"/>{when}</rule></rsc_location>"
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
            Mode::Devices | Mode::Fabric => String::new(),
            Mode::Manager => "mode=\"manager\"/>".to_owned(),
            Mode::None => "mode=\"none\"/>".to_owned(),
        };
        let address = self.address.as_ref();
        let address = address.map(|address| format!(" address=\"unix:/sim/{address}\""));
        let address = address.unwrap_or_default();
        let escalation = escalation(self.escalation);
        let fencing = match self.mode {
            Mode::Devices | Mode::Fabric => fencing,
            _ => format!("<fencing {fencing}"),
        };
        format!("<assembly name=\"{name}\"{address}{escalation}>{fencing}")
    }
}

impl Service {
    /// Id of the outermost resource.
    fn resource(&self) -> String {
        match self.form {
            Form::Everywhere | Form::Promotable(_) | Form::Unique(..) => {
                format!("{}-clone", self.name)
            }
            Form::Once | Form::Migrates => self.name.clone(),
        }
    }

    /// `<service>`.
    fn element(&self, followed: &str) -> String {
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
        let Policies {
            on_fail,
            failure_timeout_s,
            load,
            ..
        } = self.policies;
        if let Some(on_fail) = on_fail.filter(|value| *value != OnFail::Demote) {
            let _ = write!(text, " on_fail=\"{}\"", on_fail.as_str());
        }
        if let Some(seconds) = failure_timeout_s {
            let _ = write!(text, " failure_timeout=\"{seconds}s\"");
        }
        let _ = write!(
            text,
            "><parameters><parameter name=\"setting\" value=\"{}\"/><parameter name=\"reloadable\" value=\"{}\"/>{followed}</parameters>",
            self.parameter, self.reloadable
        );
        if load > 0 {
            let _ = write!(text, "<utilization cpu=\"{load}\"/>");
        }
        if self.policies.configured {
            // Of two changes of that parameter one changes the script too.
            let _ = write!(text, "<configure>: {}</configure>", self.reloadable / 2);
        }
        text += "</service>\n";
        text
    }

    /// `<primitive>`, in a `<clone>` if there are several.
    fn raw_element(&self, ahead: i64) -> String {
        let id = &self.name;
        let mut meta = Vec::new();
        if self.form == Form::Migrates {
            meta.push(("allow-migrate", "true".to_owned()));
        }
        if !self.enabled {
            meta.push(("target-role", "Stopped".to_owned()));
        }
        let timeout = self.policies.failure_timeout_s;
        meta.extend(timeout.map(|seconds| ("failure-timeout", format!("{seconds}s"))));
        let parameters = [
            ("setting", self.parameter.to_string()),
            ("reloadable", self.reloadable.to_string()),
        ];
        let parameters = options(
            "instance_attributes",
            &format!("{id}-parameters"),
            &parameters,
        );
        let utilization = match self.policies.load {
            0 => String::new(),
            load => options(
                "utilization",
                &format!("{id}-utilization"),
                &[("cpu", load.to_string())],
            ),
        };
        let primitive = format!(
            "<primitive id=\"{id}\" class=\"ocf\" provider=\"sim\" type=\"Simulated\">{}{parameters}{}{utilization}\
             <operations>{}</operations></primitive>",
            self.at_times(ahead),
            options("meta_attributes", &format!("{id}-meta"), &meta),
            self.operations(),
        );
        match self.clone_meta() {
            Some(meta) => format!("<clone id=\"{id}-clone\">{meta}{primitive}</clone>\n"),
            None => primitive + "\n",
        }
    }

    /// What is otherwise at the time of its ban.
    fn at_times(&self, ahead: i64) -> String {
        let Some(ban) = self.policies.ban else {
            return String::new();
        };
        let set = |element: &str, name: &str, value: &str| {
            let id = format!("{}-timed-{name}", self.name);
            let when = ban.when.expression(&format!("{id}-when"), ahead);
            format!(
                "<{element} id=\"{id}\" score=\"9\"><rule id=\"{id}-rule\" score=\"0\">{when}</rule>\
                 <nvpair id=\"{id}-value\" name=\"{name}\" value=\"{value}\"/></{element}>"
            )
        };
        let setting = set("instance_attributes", "setting", "timed");
        setting + &set("meta_attributes", "resource-stickiness", "200")
    }

    /// `<op>`s.
    fn operations(&self) -> String {
        let Policies {
            on_fail,
            on_stop_fail,
            delays,
            ..
        } = self.policies;
        let id = &self.name;
        let mut text = String::new();
        let mut add = |suffix: &str, name: &str, interval: &str, on_fail: Option<OnFail>| {
            let role = if suffix == "promoted" {
                " role=\"Promoted\""
            } else {
                ""
            };
            let on_fail = on_fail.map(|value| format!(" on-fail=\"{}\"", value.as_str()));
            let on_fail = on_fail.unwrap_or_default();
            let delay = delays.attribute(name);
            let _ = write!(
                text,
                "<op id=\"{id}-{suffix}\" name=\"{name}\" interval=\"{interval}\" timeout=\"8s\"{role}{on_fail}{delay}/>"
            );
        };
        let not_demoted = on_fail.filter(|value| *value != OnFail::Demote);
        add("start", "start", "0", not_demoted);
        add("stop", "stop", "0", on_stop_fail);
        let demoted = on_fail.filter(|value| *value == OnFail::Demote);
        add("promote", "promote", "0", demoted);
        for name in ["demote", "migrate_to", "migrate_from"] {
            add(name, name, "0", None);
        }
        add("monitor", "monitor", "4s", not_demoted);
        if matches!(self.form, Form::Promotable(_)) {
            add("promoted", "monitor", "3s", on_fail);
        }
        text
    }

    /// The options of the clone that it is in.
    fn clone_meta(&self) -> Option<String> {
        let id = &self.name;
        let meta = match self.form {
            Form::Promotable(promoted) => vec![
                ("promotable", "true".to_owned()),
                ("promoted-max", promoted.to_string()),
                ("interleave", "true".to_owned()),
                ("notify", id.ends_with('2').to_string()),
            ],
            Form::Unique(count, most) => vec![
                ("globally-unique", "true".to_owned()),
                ("clone-max", count.to_string()),
                ("clone-node-max", most.to_string()),
            ],
            Form::Once | Form::Migrates | Form::Everywhere => return None,
        };
        let set = format!("{id}-clone-meta");
        Some(options("meta_attributes", &set, &meta))
    }
}

fn options(element: &str, id: &str, pairs: &[(&str, String)]) -> String {
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
