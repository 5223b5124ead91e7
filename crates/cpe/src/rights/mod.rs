//! Who may do what: decided from what is given, without asking anybody.
//!
//! A caller is *who* it is (a user with its groups, or a principal that a delegate speaks for). For
//! a deployment it has the highest *role* that a grant of `access.toml` gives it, or its ownership.
//! Root, our own user and members of `access.group` have all, in person only: nobody speaks for
//! them.

mod file;
mod methods;
mod pattern;

use std::collections::BTreeSet;

use cpe_store::Ownership;
use serde::Deserialize;

pub(crate) use file::parse;
pub(crate) use methods::{Interface, Needs, needs};
pub(crate) use pattern::Pattern;

/// Longest name of a principal, in bytes.
pub(crate) const LONGEST_PRINCIPAL: usize = 255;

/// What somebody is to a deployment; each includes those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Viewer,
    Operator,
    Owner,
    Admin,
}

impl Role {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Owner => "owner",
            Role::Admin => "admin",
        }
    }
}

/// What those see who have no role, in person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Strangers {
    /// Which deployments there are, their state and their events.
    #[default]
    Look,
    /// Nothing.
    Hidden,
}

/// Where the rights come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// There is no `access.toml`.
    Absent,
    File,
    /// It was wrong when the daemon started: only root has rights.
    Refused,
}

/// A role, for some principals and some deployments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub principals: Vec<String>,
    pub role: Role,
    pub deployments: Vec<Pattern>,
}

/// All rights that are in force.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Policy {
    pub source: Source,
    pub strangers: Strangers,
    pub delegates: BTreeSet<String>,
    pub grants: Vec<Grant>,
    /// Members administer everything.
    pub group: String,
    /// Members record events.
    pub recorders: String,
}

/// How a caller came to be who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The bus does not say who it is.
    Unknown,
    /// A user, in person.
    Person,
    /// A delegate who has not said yet for whom it speaks: it may look at everything.
    Delegate,
    /// A principal for whom a delegate speaks.
    Assumed,
    /// As before, but the delegate is none any more: it is nobody.
    Revoked,
}

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who {
    pub standing: Standing,
    /// Root, or the daemon's own user, in person.
    pub root: bool,
    /// `user:alice`, or what was assumed.
    pub principal: String,
    /// The groups that it is in, without `group:`.
    pub groups: Vec<String>,
}

/// May it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    Denied,
    /// The caller is not to know that there is such a deployment.
    Hidden,
}

impl Policy {
    /// As it is without an `access.toml`.
    pub(crate) fn without_file(group: &str, recorders: &str) -> Policy {
        Policy {
            source: Source::Absent,
            strangers: Strangers::Look,
            delegates: BTreeSet::new(),
            grants: Vec::new(),
            group: group.to_owned(),
            recorders: recorders.to_owned(),
        }
    }

    /// As it is with a file that was wrong from the start.
    pub(crate) fn closed(group: &str, recorders: &str) -> Policy {
        Policy {
            source: Source::Refused,
            strangers: Strangers::Hidden,
            ..Policy::without_file(group, recorders)
        }
    }

    /// The highest role for a deployment of that name; `owned`: whose it is, if there is one.
    pub(crate) fn role(&self, who: &Who, name: &str, owned: Option<&Ownership>) -> Option<Role> {
        if self.administers(who) {
            return Some(Role::Admin);
        }
        let granted = self.grants_of(who).filter(|grant| {
            let mut patterns = grant.deployments.iter();
            patterns.any(|pattern| pattern.fits(name))
        });
        let granted = granted.map(|grant| grant.role).max();
        granted.max(owned.and_then(|owned| self.role_by_ownership(who, owned)))
    }

    /// The highest role for any deployment at all, by grants alone.
    pub(crate) fn highest_granted(&self, who: &Who) -> Option<Role> {
        if self.administers(who) {
            return Some(Role::Admin);
        }
        self.grants_of(who).map(|grant| grant.role).max()
    }

    /// What its owner and the members of its group are. Without a file nobody is anything.
    pub(crate) fn role_by_ownership(&self, who: &Who, owned: &Ownership) -> Option<Role> {
        if self.source != Source::File || !can_have_roles(who) {
            return None;
        }
        // Nobody speaks for root, but where a grant says so.
        let roots = who.standing == Standing::Assumed && owned.owner == "user:root";
        if !owned.owner.is_empty() && owned.owner == who.principal && !roots {
            return Some(Role::Owner);
        }
        (!owned.group.is_empty() && who.groups.contains(&owned.group)).then_some(Role::Operator)
    }

    /// May the caller do what takes this role, for a deployment for which it has that one?
    pub(crate) fn decide(&self, who: &Who, needs: Needs, role: Option<Role>) -> Verdict {
        let sees = role.is_some() || self.looks(who);
        let allowed = match needs {
            Needs::Look => sees,
            Needs::Role(needed) => role >= Some(needed),
            Needs::Recording => self.records(who),
            Needs::Delegation => who.standing == Standing::Delegate,
        };
        match (allowed, sees) {
            (true, _) => Verdict::Allowed,
            (false, true) => Verdict::Denied,
            (false, false) => Verdict::Hidden,
        }
    }

    /// May look at deployments for which it has no role.
    pub(crate) fn looks(&self, who: &Who) -> bool {
        match who.standing {
            Standing::Delegate => true,
            Standing::Assumed | Standing::Revoked => false,
            Standing::Person | Standing::Unknown => {
                self.strangers == Strangers::Look || self.administers(who)
            }
        }
    }

    /// Roles and patterns by which it has something: for a delegate, who shows no more.
    pub(crate) fn roles<'a>(
        &self,
        who: &Who,
        owned: impl Iterator<Item = (&'a str, Ownership)>,
    ) -> Vec<(Role, String)> {
        let mut roles = Vec::new();
        for grant in self.grants_of(who) {
            for pattern in &grant.deployments {
                roles.push((grant.role, pattern.as_str().to_owned()));
            }
        }
        for (name, owned) in owned {
            if let Some(role) = self.role_by_ownership(who, &owned) {
                roles.push((role, name.to_owned()));
            }
        }
        roles
    }

    /// May it do everything? Members of the group are not asked while the file is wrong.
    fn administers(&self, who: &Who) -> bool {
        let member = || {
            self.source != Source::Refused
                && who.standing == Standing::Person
                && who.groups.contains(&self.group)
        };
        who.root || member()
    }

    fn records(&self, who: &Who) -> bool {
        let recorder =
            || matches!(who.standing, Standing::Person) && who.groups.contains(&self.recorders);
        self.administers(who) || recorder()
    }

    fn grants_of<'a>(&'a self, who: &'a Who) -> impl Iterator<Item = &'a Grant> {
        let applies = |principal: &String| match principal.strip_prefix("group:") {
            Some(group) => who.groups.iter().any(|own| own == group),
            None => *principal == who.principal,
        };
        self.grants
            .iter()
            .filter(|_| can_have_roles(who))
            .filter(move |grant| grant.principals.iter().any(applies))
    }
}

/// Delegates only look in their own name, whatever the file grants to their user.
fn can_have_roles(who: &Who) -> bool {
    matches!(who.standing, Standing::Person | Standing::Assumed)
}

/// `user:NAME`, `group:NAME`, `token:ID` or `cert:…`.
pub(crate) fn is_principal(text: &str) -> bool {
    is_single(text) || text.strip_prefix("group:").is_some_and(is_name)
}

/// A principal that is one, and no group.
pub(crate) fn is_single(text: &str) -> bool {
    let kinds = ["user:", "token:", "cert:"];
    text.len() <= LONGEST_PRINCIPAL
        && kinds
            .iter()
            .any(|kind| text.strip_prefix(kind).is_some_and(is_name))
}

/// What a user, a group or the like can be called.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_PRINCIPAL && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests;
