//! The orders, and how they are written.

use serde::{Deserialize, Serialize};

use crate::fields::put;
use crate::records::MAX_OUTPUT;
use crate::{Error, Fields, Result};

/// Longest order as text, in bytes.
const MAX_ORDER: usize = 16 * 1024;
/// Longest name, in bytes.
const MAX_NAME: usize = 255;
/// The orders about services.
const VERBS: [&str; 8] = [
    "move", "ban", "clear", "disable", "enable", "unmanage", "manage", "restart",
];

/// What something is called: not empty, without control characters, at most 255 bytes in UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "schema",
    schema(
        min_length = 1,
        max_length = 255,
        pattern = r"^[^\u0000-\u001F\u007F-\u009F]+$"
    )
)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// The value of an attribute: at most 4096 bytes in UTF-8, none of them zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "schema",
    schema(max_length = 4096, pattern = r"^[^\u0000]*$")
)]
#[serde(try_from = "String", into = "String")]
pub struct AttributeValue(String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Name, String> {
        if text.is_empty() || text.len() > MAX_NAME || text.contains(char::is_control) {
            return Err(format!(
                "expected a name of 1 to {MAX_NAME} bytes without control characters, found one of {} bytes",
                text.len()
            ));
        }
        Ok(Name(text))
    }
}

impl TryFrom<String> for AttributeValue {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<AttributeValue, String> {
        if text.len() > MAX_OUTPUT || text.contains('\0') {
            return Err(format!(
                "expected a value of at most {MAX_OUTPUT} bytes without zero bytes, found one of {} bytes",
                text.len()
            ));
        }
        Ok(AttributeValue(text))
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl From<AttributeValue> for String {
    fn from(value: AttributeValue) -> String {
        value.0
    }
}

/// How long a move or a ban lasts that has no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// Until the service is there and would stay by itself.
    Placed,
    /// Until it is cleared.
    Cleared,
}

/// How long an attribute or an option lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum AttributeLifetime {
    /// Over all boots.
    Forever,
    /// Until the next boot of the guest.
    Reboot,
}

/// What is to be done with the power of an assembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Power {
    /// It is switched off, and stays off.
    Off,
    /// It is switched on.
    On,
    /// It is switched off and on again.
    Reboot,
}

/// What a resource agent is to do once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DebugVerb {
    /// Look, and change nothing.
    Monitor,
    /// Start what is left alone.
    Start,
    /// Stop what is left alone.
    Stop,
}

// Fields that several have are written out in each: beside `flatten`, unknown ones pass.
/// An order. Each does what that method of the bus does which its description names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "operation", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ordered {
    /// Forgets failures (`Cleanup`, `CleanupOperation`).
    Cleanup {
        /// The service, or the group, clone or bundle with all its services; absent: all.
        service: Option<Name>,
        /// The assembly; absent: all.
        assembly: Option<Name>,
        /// Only of this operation of the service: `start`, `monitor` …
        action: Option<Name>,
        /// Only of the operation with that interval; 0: of what is done once.
        #[cfg_attr(feature = "schema", schema(minimum = 0, maximum = 4294967295_u64))]
        interval_ms: Option<u64>,
        /// Also what would not hold.
        #[serde(default)]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        fingerprint: Option<Name>,
    },
    /// Forgets failures and looks at everything again (`Refresh`).
    Refresh {
        /// The service, or the group, clone or bundle with all its services; absent: all.
        service: Option<Name>,
        /// The assembly; absent: all.
        assembly: Option<Name>,
        /// Also what would not hold.
        #[serde(default)]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        fingerprint: Option<Name>,
    },
    /// Switches the power of an assembly (`Fence`).
    Fence {
        /// The assembly.
        assembly: Name,
        /// What is to be done.
        power: Power,
    },
    /// Vouches that a lost assembly is down (`ConfirmFenced`). If it is not, services may run
    /// twice.
    ConfirmFenced {
        /// The assembly.
        assembly: Name,
        /// Which loss of it: `fencing_attempt` of its status.
        attempt: Name,
    },
    /// Has a resource agent do something once (`Debug`).
    Debug {
        /// What it is to do.
        verb: DebugVerb,
        /// The service, or an instance of one.
        service: Name,
        /// The assembly.
        assembly: Name,
    },
    /// Leaves services alone, or ends that (`SetMaintenance`).
    Maintenance {
        /// The assembly; absent: the whole deployment.
        assembly: Option<Name>,
        /// Whether they are left alone.
        on: bool,
        /// Also what would not hold.
        #[serde(default)]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        fingerprint: Option<Name>,
    },
    /// Has assemblies keep no services, or ends that (`SetStandby`, `SetStandbyOfAll`).
    Standby {
        /// The assembly; absent: all.
        assembly: Option<Name>,
        /// Whether they keep none.
        on: bool,
        /// Also what would not hold.
        #[serde(default)]
        force: bool,
    },
    /// This site holds a ticket from now on (`GrantTicket`). If another one holds it, services may
    /// run twice.
    GrantTicket {
        /// The ticket.
        ticket: Name,
    },
    /// This site does not hold a ticket any more (`RevokeTicket`).
    RevokeTicket {
        /// The ticket.
        ticket: Name,
    },
    /// Stops in order what needs a ticket (`SetTicketStandby`).
    StandbyTicket {
        /// The ticket.
        ticket: Name,
    },
    /// Ends that (`SetTicketStandby`).
    ActivateTicket {
        /// The ticket.
        ticket: Name,
    },
    /// Gives an assembly an attribute, or the deployment an option (`SetAttribute`).
    SetAttribute {
        /// The assembly; absent: the deployment.
        assembly: Option<Name>,
        /// How long it lasts.
        lifetime: AttributeLifetime,
        /// The attribute or the option.
        name: Name,
        /// Its value.
        value: AttributeValue,
    },
    /// Takes it away (`DeleteAttribute`).
    DeleteAttribute {
        /// The assembly; absent: the deployment.
        assembly: Option<Name>,
        /// How long it lasts.
        lifetime: AttributeLifetime,
        /// The attribute or the option.
        name: Name,
    },
    /// Moves a service, as the other verbs about services by `OrderService`.
    Move {
        /// The service, group, clone or bundle.
        service: Name,
        /// Where to; absent: away.
        assembly: Option<Name>,
        /// Only the promoted role.
        #[serde(default)]
        promoted: bool,
        /// Until when, if it has no time.
        lifetime: Option<Lifetime>,
        /// It ends after so many milliseconds.
        #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 31536000000_u64))]
        for_ms: Option<u64>,
        /// Also what would not hold.
        #[serde(default)]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        fingerprint: Option<Name>,
    },
    /// Bans a service from an assembly.
    Ban {
        /// The service, group, clone or bundle.
        service: Name,
        /// From where.
        assembly: Name,
        /// Only the promoted role.
        #[serde(default)]
        promoted: bool,
        /// Until when, if it has no time.
        lifetime: Option<Lifetime>,
        /// It ends after so many milliseconds.
        #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 31536000000_u64))]
        for_ms: Option<u64>,
        /// Also what would not hold.
        #[serde(default)]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        fingerprint: Option<Name>,
    },
    /// Ends moves, bans and restarts of a service.
    Clear {
        /// The service, group, clone or bundle.
        service: Name,
        /// Only what concerns it.
        assembly: Option<Name>,
        /// Also what would not hold.
        #[serde(default)]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        fingerprint: Option<Name>,
    },
    /// Stops a service, and keeps it stopped.
    Disable {
        /// The service, group, clone or bundle.
        service: Name,
        /// Also what would not hold.
        #[serde(default)]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        fingerprint: Option<Name>,
    },
    /// Ends that.
    Enable {
        /// The service, group, clone or bundle.
        service: Name,
        /// Also what would not hold.
        #[serde(default)]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        fingerprint: Option<Name>,
    },
    /// Leaves a service alone.
    Unmanage {
        /// The service, group, clone or bundle.
        service: Name,
        /// Also what would not hold.
        #[serde(default)]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        fingerprint: Option<Name>,
    },
    /// Ends that.
    Manage {
        /// The service, group, clone or bundle.
        service: Name,
        /// Also what would not hold.
        #[serde(default)]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        fingerprint: Option<Name>,
    },
    /// Stops a service, and starts it again.
    Restart {
        /// The service, group, clone or bundle.
        service: Name,
        /// Also what would not hold.
        #[serde(default)]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        fingerprint: Option<Name>,
    },
}

impl Ordered {
    /// Reads an order.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; [`Error::InvalidArgument`] with what is possible.
    pub fn read(text: &str) -> Result<Ordered> {
        if text.len() > MAX_ORDER {
            return Err(Error::TooLarge(format!(
                "an order has {MAX_ORDER} bytes at most, this one has {}",
                text.len()
            )));
        }
        serde_json::from_str(text)
            .map_err(|error| Error::InvalidArgument(format!("the order: {error}")))
    }

    /// As text: the same order is always the same text.
    pub fn text(&self) -> String {
        serde_json::Value::Object(self.said()).to_string()
    }

    /// What it says, by key, in the order of keys.
    fn said(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut fields = match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        // What is not so is not said, but where somebody has to say so.
        fields.retain(|key, value| !value.is_null() && (*value != false || key == "on"));
        fields
    }

    /// The service and the assembly that it names; empty: all.
    pub fn place(&self) -> (String, String) {
        let said = self.said();
        let text = |key: &str| {
            let text = said.get(key).and_then(serde_json::Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        (text("service"), text("assembly"))
    }

    /// How upkeep is to be done, as `OrderUpkeep` takes it: `force`, `fingerprint`.
    pub fn how(&self) -> Fields {
        let mut how = Fields::new();
        match self {
            Ordered::Cleanup {
                force, fingerprint, ..
            }
            | Ordered::Refresh {
                force, fingerprint, ..
            }
            | Ordered::Maintenance {
                force, fingerprint, ..
            } => {
                if *force {
                    put(&mut how, "force", true);
                }
                if let Some(Name(fingerprint)) = fingerprint {
                    put(&mut how, "fingerprint", fingerprint.as_str());
                }
            }
            Ordered::Standby { force: true, .. } => put(&mut how, "force", true),
            _ => {}
        }
        how
    }

    /// An order about a service as `OrderService` takes it: verb and options.
    pub fn about_service(&self) -> Option<(&'static str, Fields)> {
        let said = self.said();
        let operation = said.get("operation")?.as_str()?;
        let verb = VERBS.into_iter().find(|verb| *verb == operation)?;
        let mut options = Fields::new();
        for (key, value) in &said {
            match value {
                _ if key == "operation" || key == "service" => {}
                serde_json::Value::String(text) => put(&mut options, key, text.as_str()),
                serde_json::Value::Bool(is_so) => put(&mut options, key, *is_so),
                value => put(&mut options, key, value.as_u64().unwrap_or(0)),
            }
        }
        Some((verb, options))
    }
}

impl AttributeLifetime {
    /// As `SetAttribute` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            AttributeLifetime::Forever => "forever",
            AttributeLifetime::Reboot => "reboot",
        }
    }
}

impl Power {
    /// As `Fence` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Power::Off => "off",
            Power::On => "on",
            Power::Reboot => "reboot",
        }
    }
}

impl DebugVerb {
    /// As `Debug` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            DebugVerb::Monitor => "monitor",
            DebugVerb::Start => "start",
            DebugVerb::Stop => "stop",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_possible_is_told_with_what_is() {
        let error = |text: &str| Ordered::read(text).unwrap_err().message();
        let unknown = error(r#"{"operation": "explode"}"#);
        assert!(
            unknown.contains("`cleanup`") && unknown.contains("`confirm-fenced`"),
            "{unknown}"
        );
        let field = error(r#"{"operation": "refresh", "colour": "red"}"#);
        assert!(
            field.contains("colour") && field.contains("`assembly`"),
            "{field}"
        );
        let missing = error(r#"{"operation": "fence", "power": "off"}"#);
        assert!(missing.contains("`assembly`"), "{missing}");
        for text in [
            r#"{"operation": "refresh", "service": ""}"#,
            r#"{"operation": "refresh", "service": "a\u0000b"}"#,
            r#"{"operation": "fence", "assembly": "a", "power": "up"}"#,
            "[]",
            "",
        ] {
            let refused = Ordered::read(text);
            assert!(
                matches!(refused, Err(Error::InvalidArgument(_))),
                "{text}: {refused:?}"
            );
        }
        let long = format!(
            r#"{{"operation": "refresh", "service": "{}"}}"#,
            "x".repeat(MAX_ORDER)
        );
        assert!(matches!(Ordered::read(&long), Err(Error::TooLarge(_))));
    }

    #[test]
    fn the_same_order_is_the_same_text_however_it_is_written() {
        let one = Ordered::read(r#"{"operation":"move","service":"db","force":false}"#).unwrap();
        let two = Ordered::read(r#"{ "service": "db", "operation": "move" }"#).unwrap();
        assert_eq!(one.text(), two.text());
        let (verb, options) = one.about_service().unwrap();
        assert_eq!((verb, options.len()), ("move", 0));
        assert_eq!(one.place(), ("db".to_owned(), String::new()));
        let order = r#"{"operation":"ban","service":"db","assembly":"a","lifetime":"cleared","for_ms":5,"promoted":true}"#;
        let order = Ordered::read(order).unwrap();
        let (verb, options) = order.about_service().unwrap();
        let keys: Vec<&str> = options.keys().map(String::as_str).collect();
        assert_eq!(
            (verb, &keys[..]),
            ("ban", &["assembly", "for_ms", "lifetime", "promoted"][..])
        );
        let off = Ordered::read(r#"{"operation":"standby","on":false}"#).unwrap();
        assert_eq!(off.text(), r#"{"on":false,"operation":"standby"}"#);
        assert!(off.about_service().is_none());
    }
}
