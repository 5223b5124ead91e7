//! What a principal may do, as cpe has told it.
//!
//! cpe decides about every call; what is known here only says which parts of the mirror somebody is
//! shown.

use cpe_bus::events::kind_matches;
use serde::Serialize;
use utoipa::ToSchema;

/// A role; each includes the former.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees status and events, has things explained and planned.
    Viewer,
    /// Gives orders about services and assemblies.
    Operator,
    /// Reads and changes documents.
    Owner,
    /// All of it, of all deployments.
    Admin,
}

impl Role {
    fn from_word(word: &str) -> Option<Role> {
        match word {
            "viewer" => Some(Role::Viewer),
            "operator" => Some(Role::Operator),
            "owner" => Some(Role::Owner),
            "admin" => Some(Role::Admin),
            _ => None,
        }
    }
}

/// A role for the deployments whose names match a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// The pattern, in which `*` stands for any text.
    pub deployments: String,
}

/// All that a principal has been granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights(pub Vec<Grant>);

impl Rights {
    /// Reads what cpe answers; roles of a later version are left out, since nobody knows here what
    /// they include.
    pub fn of(pairs: Vec<(String, String)>) -> Rights {
        let grants = pairs.into_iter().filter_map(|(role, deployments)| {
            Some(Grant {
                role: Role::from_word(&role)?,
                deployments,
            })
        });
        Rights(grants.collect())
    }

    /// Whoever may look at everything and change nothing.
    pub fn viewer_of_all() -> Rights {
        Rights(vec![Grant {
            role: Role::Viewer,
            deployments: "*".to_owned(),
        }])
    }

    /// The highest role for a deployment.
    pub fn role(&self, deployment: &str) -> Option<Role> {
        let fits = |grant: &&Grant| kind_matches(&grant.deployments, deployment);
        self.0.iter().filter(fits).map(|grant| grant.role).max()
    }

    /// Whether the caller may know of a deployment. What concerns none is for those who see all.
    pub fn sees(&self, deployment: &str) -> bool {
        match deployment {
            "" => self.0.iter().any(|grant| grant.deployments == "*"),
            name => self.role(name).is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_role_of_all_patterns_counts() {
        let pair = |role: &str, pattern: &str| (role.to_owned(), pattern.to_owned());
        let rights = Rights::of(vec![
            pair("viewer", "shop-*"),
            pair("owner", "shop-1"),
            pair("emperor", "*"),
        ]);
        assert_eq!(rights.role("shop-1"), Some(Role::Owner));
        assert_eq!(rights.role("shop-2"), Some(Role::Viewer));
        assert_eq!(rights.role("mail"), None);
        assert!(!rights.sees("mail") && !rights.sees(""));
        assert!(Rights::viewer_of_all().sees("") && Rights::viewer_of_all().sees("mail"));
    }
}
