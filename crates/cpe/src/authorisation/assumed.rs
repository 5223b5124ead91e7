//! For whom delegates speak: each connection for one principal, until it ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use cpe_bus::{Error, Result};

use crate::sync::lock;

/// Connections that speak for others, at most: a gateway has 64.
const MOST: usize = 256;

/// For whom a connection speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assumption {
    pub principal: String,
    /// Of a user: the groups of that user on this host.
    pub groups: Vec<String>,
}

/// By connection. The bus gives no name of a connection twice, so what is remembered for too long
/// is of no use to anybody.
#[derive(Debug, Default)]
pub(crate) struct Assumed(Mutex<HashMap<String, Arc<Assumption>>>);

impl Assumed {
    pub(crate) fn of(&self, sender: &str) -> Option<Arc<Assumption>> {
        lock(&self.0).get(sender).cloned()
    }

    /// Has the connection speak for the principal from now on; true if it did not yet.
    ///
    /// # Errors
    /// [`Error::AccessDenied`] if it speaks for another one, [`Error::Busy`] if too many do.
    pub(crate) fn assume(&self, sender: &str, assumption: Assumption) -> Result<bool> {
        let mut assumed = lock(&self.0);
        if let Some(known) = assumed.get(sender) {
            return match known.principal == assumption.principal {
                true => Ok(false),
                false => Err(Error::AccessDenied(format!(
                    "this connection speaks for `{}` until it ends; open another one for `{}`",
                    known.principal, assumption.principal
                ))),
            };
        }
        if assumed.len() >= MOST {
            return Err(Error::Busy(format!(
                "{MOST} connections speak for others already; close one that is idle"
            )));
        }
        assumed.insert(sender.to_owned(), Arc::new(assumption));
        Ok(true)
    }

    /// The connection has ended.
    pub(crate) fn ended(&self, sender: &str) {
        lock(&self.0).remove(sender);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assumption(principal: &str) -> Assumption {
        Assumption {
            principal: principal.to_owned(),
            groups: Vec::new(),
        }
    }

    #[test]
    fn a_connection_speaks_for_one_principal_until_it_ends_and_their_number_is_bounded() {
        let assumed = Assumed::default();
        assert!(assumed.assume(":1.7", assumption("token:a")).unwrap());
        assert!(!assumed.assume(":1.7", assumption("token:a")).unwrap());
        let other = assumed.assume(":1.7", assumption("token:b"));
        assert!(matches!(other, Err(Error::AccessDenied(_))), "{other:?}");
        assert_eq!(assumed.of(":1.7").unwrap().principal, "token:a");
        for n in 1..MOST {
            assumed
                .assume(&format!(":2.{n}"), assumption("token:a"))
                .unwrap();
        }
        let more = assumed.assume(":3.1", assumption("token:a"));
        assert!(matches!(more, Err(Error::Busy(_))), "{more:?}");
        assumed.ended(":1.7");
        assert_eq!(assumed.of(":1.7"), None);
        assert!(assumed.assume(":3.1", assumption("token:a")).unwrap());
    }
}
