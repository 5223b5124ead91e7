//! Who calls.
//!
//! The bus vouches for a caller's user and groups (`GetConnectionCredentials`); what a caller says
//! of itself counts nothing, but what a delegate says for whom it speaks. What a caller may do then
//! [`crate::rights`] decides.

mod assumed;
mod users;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cpe_bus::{Error, Result};
use tokio::sync::{OnceCell, Semaphore};
use zbus::fdo::DBusProxy;

pub(crate) use assumed::{Assumed, Assumption};

use crate::rights::{Policy, Standing, Who};
use crate::sync::{lock, turn};

/// What the bus and the user database say of a connection is asked again after that time.
const FRESH: Duration = Duration::from_secs(60);
/// Connections that are remembered.
const MOST_KNOWN: usize = 4096;
/// Look-ups of users and groups at a time: they may wait for a directory service.
const LOOKUPS: usize = 2;

/// Who calls.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Caller {
    pub uid: u32,
    /// The user's name, or the number where it has none.
    pub user: String,
    /// The process that has the connection; 0 if the bus does not know.
    pub pid: u32,
    /// The connection's unique name.
    pub sender: String,
    /// Who that is to the rights: the user, or for whom it speaks.
    pub who: Who,
}

/// A user at the other end of a connection.
#[derive(Debug, PartialEq)]
struct Person {
    uid: u32,
    pid: u32,
    /// Root, or the daemon's own user.
    root: bool,
    user: String,
    groups: Vec<String>,
}

/// Whose connections are known. What is known of one is shared by its calls, so that a stranger who
/// calls often is refused without asking anybody.
pub(crate) struct Identities {
    known: Mutex<HashMap<String, Known>>,
    lookups: Semaphore,
}

struct Known {
    since: Instant,
    person: Arc<OnceCell<Person>>,
}

impl Default for Identities {
    fn default() -> Self {
        Identities {
            known: Mutex::default(),
            lookups: Semaphore::new(LOOKUPS),
        }
    }
}

impl Identities {
    /// Whether the connection's user is known, so that nobody is asked.
    pub(crate) fn knows(&self, sender: &str) -> bool {
        let known = lock(&self.known);
        known
            .get(sender)
            .is_some_and(|known| known.since.elapsed() < FRESH && known.person.initialized())
    }

    /// Who has the connection, and who that is by these rights.
    ///
    /// # Errors
    /// [`Error::AccessDenied`] if the bus does not say.
    pub(crate) async fn identify(
        &self,
        bus: &DBusProxy<'_>,
        assumed: &Assumed,
        policy: &Policy,
        sender: &str,
    ) -> Result<Caller> {
        let person = self.person(sender);
        let person = person
            .get_or_try_init(|| ask(bus, &self.lookups, sender))
            .await?;
        Ok(Caller {
            uid: person.uid,
            user: person.user.clone(),
            pid: person.pid,
            sender: sender.to_owned(),
            who: who(person, assumed.of(sender).as_deref(), policy),
        })
    }

    /// The groups of a user of this host.
    pub(crate) async fn groups_of_user(&self, name: &str) -> Result<Vec<String>> {
        let name = name.to_owned();
        let _turn = turn(&self.lookups).await;
        let found = tokio::task::spawn_blocking(move || users::groups_of_user(&name));
        found
            .await
            .map_err(|error| Error::Failed(error.to_string()))
    }

    fn person(&self, sender: &str) -> Arc<OnceCell<Person>> {
        let mut known = lock(&self.known);
        if let Some(known) = known.get(sender)
            && known.since.elapsed() < FRESH
        {
            return Arc::clone(&known.person);
        }
        if known.len() >= MOST_KNOWN {
            known.retain(|_, known| known.since.elapsed() < FRESH);
        }
        if known.len() >= MOST_KNOWN {
            // Asking again is all that it costs.
            known.clear();
        }
        let person = Arc::new(OnceCell::new());
        let entry = Known {
            since: Instant::now(),
            person: Arc::clone(&person),
        };
        known.insert(sender.to_owned(), entry);
        person
    }
}

async fn ask(bus: &DBusProxy<'_>, lookups: &Semaphore, sender: &str) -> Result<Person> {
    let name = zbus::names::UniqueName::try_from(sender).map_err(|_| {
        Error::AccessDenied("the call has no sender, so nobody can vouch for it".into())
    })?;
    let credentials = bus
        .get_connection_credentials(name.into())
        .await
        .map_err(|error| Error::AccessDenied(format!("the bus does not say who calls: {error}")))?;
    let uid = credentials
        .unix_user_id()
        .ok_or_else(|| Error::AccessDenied("the bus does not know the caller's user".into()))?;
    let gids = credentials.unix_group_ids().cloned();
    let pid = credentials.process_id().unwrap_or(0);
    let _turn = turn(lookups).await;
    let looked_up = tokio::task::spawn_blocking(move || Person {
        uid,
        pid,
        root: users::is_root(uid),
        user: users::name(uid),
        groups: users::groups(uid, gids),
    });
    looked_up
        .await
        .map_err(|error| Error::Failed(error.to_string()))
}

fn who(person: &Person, assumed: Option<&Assumption>, policy: &Policy) -> Who {
    let own = format!("user:{}", person.user);
    if person.root {
        return Who {
            standing: Standing::Person,
            root: true,
            principal: own,
            groups: person.groups.clone(),
        };
    }
    // Of a user that has ceased to be a delegate, the connection is nobody's: what comes over it is
    // what others asked for.
    if let Some(assumed) = assumed {
        let trusted = policy.delegates.contains(&person.user);
        return Who {
            standing: if trusted {
                Standing::Assumed
            } else {
                Standing::Revoked
            },
            root: false,
            principal: assumed.principal.clone(),
            groups: assumed.groups.clone(),
        };
    }
    Who {
        standing: match policy.delegates.contains(&person.user) {
            true => Standing::Delegate,
            false => Standing::Person,
        },
        root: false,
        principal: own,
        groups: person.groups.clone(),
    }
}

impl Caller {
    /// The delegate, if somebody speaks for another.
    pub(crate) fn delegate(&self) -> Option<&str> {
        match self.who.standing {
            Standing::Assumed | Standing::Revoked => Some(&self.user),
            _ => None,
        }
    }
}

impl Who {
    /// Somebody for whom the bus does not vouch.
    pub(crate) fn unknown() -> Who {
        Who {
            standing: Standing::Unknown,
            root: false,
            principal: String::new(),
            groups: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(uid: u32, root: bool) -> Person {
        Person {
            uid,
            pid: 1,
            root,
            user: if root { "root" } else { "gateway" }.to_owned(),
            groups: vec!["cpe".to_owned()],
        }
    }

    #[test]
    fn a_delegate_is_whom_it_speaks_for_and_nobody_when_it_is_no_delegate_any_more() {
        let with = crate::rights::parse("delegates = [\"gateway\"]", "cpe", "dpe").unwrap();
        let without = Policy::without_file("cpe", "dpe");
        let assumption = Assumption {
            principal: "token:ci".to_owned(),
            groups: Vec::new(),
        };
        let gateway = person(990, false);
        let plain = who(&gateway, None, &with);
        assert_eq!(plain.standing, Standing::Delegate);
        let ci = who(&gateway, Some(&assumption), &with);
        assert_eq!(
            (ci.standing, ci.principal.as_str()),
            (Standing::Assumed, "token:ci")
        );
        assert!(
            ci.groups.is_empty(),
            "the delegate's own groups do not count"
        );
        let revoked = who(&gateway, Some(&assumption), &without);
        assert_eq!(revoked.standing, Standing::Revoked);
        assert_eq!(who(&gateway, None, &without).standing, Standing::Person);
        let root = who(&person(0, true), Some(&assumption), &with);
        assert!(root.root && root.principal == "user:root");
    }

    #[test]
    fn connections_are_forgotten_before_they_fill_the_memory() {
        let identities = Identities::default();
        for n in 0..3 * MOST_KNOWN {
            identities.person(&format!(":1.{n}"));
        }
        assert!(lock(&identities.known).len() <= MOST_KNOWN);
        let same = identities.person(":1.0");
        assert!(Arc::ptr_eq(&same, &identities.person(":1.0")));
        assert!(!identities.knows(":1.0"), "nobody was asked yet");
    }
}
