//! Which bus a program uses, and the connection to it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use zbus::Connection;
use zbus::connection::Builder;

use crate::{Error, Result};

/// A message bus: `system`, `user` or a D-Bus address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum BusSelection {
    /// The system bus: the daemons' place in production.
    #[default]
    System,
    /// The bus of the user's login session, for development.
    User,
    /// Any bus by its address, as `unix:path=/run/user/1000/bus`.
    Address(String),
}

impl FromStr for BusSelection {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "system" => Ok(BusSelection::System),
            "user" | "session" => Ok(BusSelection::User),
            address => match zbus::Address::try_from(address) {
                Ok(_) => Ok(BusSelection::Address(address.to_owned())),
                Err(error) => Err(Error::InvalidArgument(format!(
                    "bus must be `system`, `user` or a D-Bus address such as unix:path=/run/user/1000/bus; found `{text}` ({error})"
                ))),
            },
        }
    }
}

impl fmt::Display for BusSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BusSelection::System => f.write_str("system"),
            BusSelection::User => f.write_str("user"),
            BusSelection::Address(address) => f.write_str(address),
        }
    }
}

impl BusSelection {
    /// A builder for a connection to this bus, for programs that serve objects on it.
    pub fn builder(&self) -> Builder<'static> {
        match self {
            BusSelection::System => Builder::system(),
            BusSelection::User => Builder::session(),
            BusSelection::Address(address) => Builder::address(address.as_str()),
        }
    }
}

/// Connects to a bus, for programs that ask. A call that is not answered within `reply` is an
/// error: a daemon that hangs keeps its name.
///
/// # Errors
/// Saying which bus could not be reached and why.
pub async fn connect(bus: &BusSelection, reply: Duration) -> Result<Connection> {
    let builder = bus.builder().method_timeout(reply);
    builder.build().await.map_err(|error| {
        Error::Failed(format!(
            "cannot connect to the {bus} bus: {error}; is it running, and may this user use it?"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_a_bus_and_says_what_one_looks_like() {
        assert_eq!(
            "system".parse::<BusSelection>().unwrap(),
            BusSelection::System
        );
        assert_eq!("user".parse::<BusSelection>().unwrap(), BusSelection::User);
        let address = "unix:path=/run/bus";
        assert_eq!(
            address.parse::<BusSelection>().unwrap(),
            BusSelection::Address(address.into())
        );
        assert!(
            "nonsense"
                .parse::<BusSelection>()
                .unwrap_err()
                .message()
                .contains("unix:path=")
        );
    }
}
