//! What an administrator can have done by an order with an id (`GiveOrder`): the order, and what
//! became of it. Both cross the bus as JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fields::put;
use crate::{Error, Fields, Result};

/// Longest order as text, in bytes.
pub const MAX_ORDER: usize = 16 * 1024;
/// Longest text in an order but the value of an attribute, in bytes.
const MAX_TEXT: usize = 255;

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
pub enum Duration {
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
    /// It begins anew.
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

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

/// An order: each as the method of the bus does it that its description names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "operation", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ordered {
    /// Forgets failures (`Cleanup`, `CleanupOperation`).
    Cleanup {
        /// The service, or the group, clone or bundle with all its services; absent: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        service: Option<String>,
        /// The assembly; absent: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        assembly: Option<String>,
        /// Only of this operation of the service: `start`, `monitor` …
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        action: Option<String>,
        /// Only of the operation with that interval; 0: of what is done once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(nullable = false, minimum = 0, maximum = 4294967295_u64)
        )]
        interval_ms: Option<u64>,
    },
    /// Forgets failures and looks at everything again (`Refresh`).
    Refresh {
        /// The service, or the group, clone or bundle with all its services; absent: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        service: Option<String>,
        /// The assembly; absent: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        assembly: Option<String>,
    },
    /// Switches the power of an assembly (`Fence`).
    Fence {
        /// The assembly.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        assembly: String,
        /// What is to be done.
        power: Power,
    },
    /// Vouches that a lost assembly is down (`ConfirmFenced`). If it is not, services may run twice.
    ConfirmFenced {
        /// The assembly.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        assembly: String,
        /// Which loss of it: `fencing_attempt` of its status.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        attempt: String,
    },
    /// Has a resource agent do something once (`Debug`).
    Debug {
        /// What it is to do.
        verb: DebugVerb,
        /// The service, or an instance of one.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        service: String,
        /// The assembly.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        assembly: String,
    },
    /// Leaves services alone, or ends that (`SetMaintenance`).
    Maintenance {
        /// The assembly; absent: the whole deployment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        assembly: Option<String>,
        /// Whether they are left alone.
        on: bool,
    },
    /// Has assemblies keep no services, or ends that (`SetStandby`, `SetStandbyOfAll`).
    Standby {
        /// The assembly; absent: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        assembly: Option<String>,
        /// Whether they keep none.
        on: bool,
    },
    /// This site holds a ticket from now on (`GrantTicket`). If another one holds it, services may run twice.
    GrantTicket {
        /// The ticket.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        ticket: String,
    },
    /// This site does not hold a ticket any more (`RevokeTicket`).
    RevokeTicket {
        /// The ticket.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        ticket: String,
    },
    /// Stops in order what needs a ticket (`SetTicketStandby`).
    StandbyTicket {
        /// The ticket.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        ticket: String,
    },
    /// Ends that (`SetTicketStandby`).
    ActivateTicket {
        /// The ticket.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        ticket: String,
    },
    /// Gives an assembly an attribute, or the deployment an option (`SetAttribute`).
    SetAttribute {
        /// The assembly; absent: the deployment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        assembly: Option<String>,
        /// How long it lasts.
        lifetime: Duration,
        /// The attribute or the option.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        name: String,
        /// Its value.
        #[cfg_attr(
            feature = "schema",
            schema(max_length = 1024, pattern = "^[^\\u0000]*$")
        )]
        value: String,
    },
    /// Takes it away (`DeleteAttribute`).
    DeleteAttribute {
        /// The assembly; absent: the deployment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        assembly: Option<String>,
        /// How long it lasts.
        lifetime: Duration,
        /// The attribute or the option.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        name: String,
    },
    /// Moves a service, as the other verbs about services by `OrderService`.
    Move {
        /// The service, group, clone or bundle.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        service: String,
        /// Where to; absent: away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        assembly: Option<String>,
        /// Only the promoted role.
        #[serde(default, skip_serializing_if = "is_false")]
        promoted: bool,
        /// Until when, if it has no time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schema(nullable = false))]
        lifetime: Option<Lifetime>,
        /// It ends after so many milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(nullable = false, minimum = 1, maximum = 31536000000_u64)
        )]
        for_ms: Option<u64>,
        /// Also what would not hold.
        #[serde(default, skip_serializing_if = "is_false")]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        fingerprint: Option<String>,
    },
    /// Bans a service from an assembly.
    Ban {
        /// The service, group, clone or bundle.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        service: String,
        /// From where.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        assembly: String,
        /// Only the promoted role.
        #[serde(default, skip_serializing_if = "is_false")]
        promoted: bool,
        /// Until when, if it has no time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schema(nullable = false))]
        lifetime: Option<Lifetime>,
        /// It ends after so many milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(nullable = false, minimum = 1, maximum = 31536000000_u64)
        )]
        for_ms: Option<u64>,
        /// Also what would not hold.
        #[serde(default, skip_serializing_if = "is_false")]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        fingerprint: Option<String>,
    },
    /// Ends moves, bans and restarts of a service.
    Clear {
        /// The service, group, clone or bundle.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        service: String,
        /// Only what concerns it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        assembly: Option<String>,
        /// Also what would not hold.
        #[serde(default, skip_serializing_if = "is_false")]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        fingerprint: Option<String>,
    },
    /// Stops a service, and keeps it stopped.
    Disable {
        /// The service, group, clone or bundle.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        service: String,
        /// Also what would not hold.
        #[serde(default, skip_serializing_if = "is_false")]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        fingerprint: Option<String>,
    },
    /// Ends that.
    Enable {
        /// The service, group, clone or bundle.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        service: String,
        /// Also what would not hold.
        #[serde(default, skip_serializing_if = "is_false")]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        fingerprint: Option<String>,
    },
    /// Leaves a service alone.
    Unmanage {
        /// The service, group, clone or bundle.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        service: String,
        /// Also what would not hold.
        #[serde(default, skip_serializing_if = "is_false")]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        fingerprint: Option<String>,
    },
    /// Ends that.
    Manage {
        /// The service, group, clone or bundle.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        service: String,
        /// Also what would not hold.
        #[serde(default, skip_serializing_if = "is_false")]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        fingerprint: Option<String>,
    },
    /// Stops a service, and starts it again.
    Restart {
        /// The service, group, clone or bundle.
        #[cfg_attr(
            feature = "schema",
            schema(
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        service: String,
        /// Also what would not hold.
        #[serde(default, skip_serializing_if = "is_false")]
        force: bool,
        /// Of a plan: nothing is done if something else would be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schema(
                nullable = false,
                min_length = 1,
                max_length = 255,
                pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
            )
        )]
        fingerprint: Option<String>,
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
        let order: Ordered = serde_json::from_str(text)
            .map_err(|error| Error::InvalidArgument(format!("the order: {error}")))?;
        order.check()?;
        Ok(order)
    }

    /// As text: the same order is always the same text.
    ///
    /// # Errors
    /// None; writing JSON could have some.
    pub fn text(&self) -> Result<String> {
        crate::json::to_json(self)
    }

    /// Refuses texts that nothing can be called, before anybody is asked.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn check(&self) -> Result<()> {
        let Ok(Value::Object(fields)) = serde_json::to_value(self) else {
            return Ok(());
        };
        for (key, value) in &fields {
            let Value::String(text) = value else { continue };
            let most = match key.as_str() {
                "value" => crate::records::MAX_OUTPUT,
                _ => MAX_TEXT,
            };
            if text.len() > most {
                return Err(Error::InvalidArgument(format!(
                    "`{key}` has {} bytes, at most {most} are taken",
                    text.len()
                )));
            }
            if (text.is_empty() || text.contains(char::is_control)) && key != "value" {
                return Err(Error::InvalidArgument(format!(
                    "`{key}` is empty or has control characters: name what is meant, or leave it out"
                )));
            }
            if text.contains('\0') {
                return Err(Error::InvalidArgument(format!("`{key}` has a zero byte")));
            }
        }
        Ok(())
    }

    /// An order about a service as `OrderService` takes it: verb, service and options.
    pub fn about_service(&self) -> Option<(&'static str, &str, Fields)> {
        let mut options = Fields::new();
        let mut place = |key: &str, value: &Option<String>| {
            if let Some(value) = value {
                put(&mut options, key, value.as_str());
            }
        };
        let (verb, service, force) = match self {
            Ordered::Move {
                service,
                assembly,
                fingerprint,
                force,
                ..
            } => {
                place("assembly", assembly);
                place("fingerprint", fingerprint);
                ("move", service, *force)
            }
            Ordered::Ban {
                service,
                assembly,
                fingerprint,
                force,
                ..
            } => {
                place("assembly", &Some(assembly.clone()));
                place("fingerprint", fingerprint);
                ("ban", service, *force)
            }
            Ordered::Clear {
                service,
                assembly,
                fingerprint,
                force,
            } => {
                place("assembly", assembly);
                place("fingerprint", fingerprint);
                ("clear", service, *force)
            }
            Ordered::Disable {
                service,
                fingerprint,
                force,
            } => {
                place("fingerprint", fingerprint);
                ("disable", service, *force)
            }
            Ordered::Enable {
                service,
                fingerprint,
                force,
            } => {
                place("fingerprint", fingerprint);
                ("enable", service, *force)
            }
            Ordered::Unmanage {
                service,
                fingerprint,
                force,
            } => {
                place("fingerprint", fingerprint);
                ("unmanage", service, *force)
            }
            Ordered::Manage {
                service,
                fingerprint,
                force,
            } => {
                place("fingerprint", fingerprint);
                ("manage", service, *force)
            }
            Ordered::Restart {
                service,
                fingerprint,
                force,
            } => {
                place("fingerprint", fingerprint);
                ("restart", service, *force)
            }
            _ => return None,
        };
        if force {
            put(&mut options, "force", true);
        }
        if let Ordered::Move {
            promoted,
            lifetime,
            for_ms,
            ..
        }
        | Ordered::Ban {
            promoted,
            lifetime,
            for_ms,
            ..
        } = self
        {
            if *promoted {
                put(&mut options, "promoted", true);
            }
            if let Some(lifetime) = lifetime {
                put(&mut options, "lifetime", lifetime.as_str());
            }
            if let Some(for_ms) = for_ms {
                put(&mut options, "for_ms", *for_ms);
            }
        }
        Some((verb, service, options))
    }
}

impl Lifetime {
    fn as_str(self) -> &'static str {
        match self {
            Lifetime::Placed => "placed",
            Lifetime::Cleared => "cleared",
        }
    }
}

impl Duration {
    /// As `SetAttribute` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Duration::Forever => "forever",
            Duration::Reboot => "reboot",
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

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum OrderState {
    /// It is being done.
    Running,
    /// It is done; what follows from it, events tell.
    Done,
    /// It was refused, or could not be done; nothing was changed.
    Failed,
    /// It was begun, and nobody knows whether it was done: it is not done again by itself.
    Unknown,
}

/// What has become of an order, as `GiveOrder` and `GetOrder` tell it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderReport {
    /// Its id: a UUID of the caller's choice.
    pub id: String,
    /// The deployment that it is about.
    pub deployment: String,
    /// The order.
    pub order: Value,
    /// How far it is.
    pub state: OrderState,
    /// When it was taken, microseconds since the Unix epoch.
    pub begun: u64,
    /// When it ended; 0: it has not.
    pub ended: u64,
    /// The newest event before it.
    pub cursor: u64,
    /// What came of it: a report of `Debug`, the plan of an order about a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Why it is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<OrderError>,
    /// The same order with the same id is tried again.
    #[serde(default)]
    pub may_repeat: bool,
}

/// Why an order is not done: an error of the bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderError {
    /// Its name, without `org.cloudpolicy.Error.`.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl OrderError {
    /// Of an error.
    pub fn of(error: &Error) -> OrderError {
        OrderError {
            name: error.short_name().to_owned(),
            text: error.message(),
        }
    }

    /// The error again.
    pub fn error(&self) -> Error {
        Error::of_short_name(&self.name, self.text.clone())
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
        assert_eq!(one.text().unwrap(), two.text().unwrap());
        let (verb, service, options) = one.about_service().unwrap();
        assert_eq!((verb, service, options.len()), ("move", "db", 0));
    }

    #[test]
    fn errors_travel_by_their_names() {
        for error in [
            Error::NotFound("a".into()),
            Error::Refused("b".into()),
            Error::NotReady("c".into()),
            Error::InvalidArgument("d".into()),
            Error::Busy("e".into()),
            Error::Failed("f".into()),
        ] {
            let same = OrderError::of(&error).error();
            assert_eq!(format!("{same:?}"), format!("{error:?}"));
        }
    }
}
