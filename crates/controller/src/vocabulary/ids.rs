//! Names of things, as types that cannot be taken for one another.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use policy_engine::model::base_name;
use serde::{Deserialize, Serialize};

/// Declares an id: a shared text, cheap to clone, that sorts and looks as its text does.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Its text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> $name {
                $name(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> $name {
                $name(text.into())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.as_str().to_owned()
            }
        }

        /// So that a map by ids can be asked for a text.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, text: &str) -> bool {
                *self.0 == *text
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, text: &&str) -> bool {
                *self.0 == **text
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

id! {
    /// The name of an assembly: to the policy engine, of a node.
    AssemblyId
}

id! {
    /// The id of a service. All its instances (`web:0`, `web:1`: resources, to the policy engine
    /// and to agents) are one service (`web`).
    ServiceId
}

id! {
    /// The name of a ticket, which is granted to one of several sites at a time.
    TicketId
}

/// Between the name of an assembly and the number of a former incarnation; no name in a document
/// has it.
const FORMER: char = '~';

impl AssemblyId {
    /// The name that the document gives, or gave: `web1` for `web1` and for `web1~2`.
    pub fn in_document(&self) -> &str {
        self.as_str()
            .split_once(FORMER)
            .map_or(self.as_str(), |(name, _)| name)
    }

    /// The name of a former incarnation: the guest that this assembly was before the document gave
    /// it another address, or another guest answered there.
    pub(crate) fn former(&self, number: u32) -> AssemblyId {
        format!("{}{FORMER}{number}", self.in_document()).into()
    }
}

impl ServiceId {
    /// The service that a resource belongs to: its id without an instance's number.
    pub fn of_resource(resource: &str) -> ServiceId {
        base_name(resource).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_of_the_service_without_their_number() {
        assert_eq!(ServiceId::of_resource("web:12"), "web");
        assert_eq!(ServiceId::of_resource("web"), "web");
        assert_eq!(ServiceId::of_resource("web:"), "web:");
        assert_eq!(ServiceId::of_resource("a:b"), "a:b");
    }

    #[test]
    fn a_former_incarnation_has_the_documents_name_and_a_number() {
        let former = AssemblyId::from("web1").former(2);
        assert_eq!(former, "web1~2");
        assert_eq!(former.in_document(), "web1");
        assert_eq!(former.former(3), "web1~3");
    }

    #[test]
    fn an_id_is_saved_as_its_text() {
        let id = AssemblyId::from("web1");
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, "\"web1\"");
        assert_eq!(serde_json::from_str::<AssemblyId>(&json).unwrap(), id);
    }
}
