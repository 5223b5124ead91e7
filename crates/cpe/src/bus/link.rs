//! From a call to the host, if the caller may: each method asks here first, and what it takes
//! stands in the table of [`crate::rights`].

use std::ops::Deref;
use std::sync::{Arc, Weak};

use cpe_bus::{Error, Result};
use zbus::message::Header;

use super::not_found;
use crate::audit;
use crate::authorisation::Caller;
use crate::host::Host;
use crate::rights::{
    self, Interface, Needs, Policy, Role, Source, Standing, Strangers, Verdict, Who,
};
use crate::visitors::Visit;

/// Largest call of those that everybody may make, in bytes: a filter of events.
const LARGEST_LOOK: u32 = 64 << 10;
/// What a call takes in memory besides its arguments, at least, in bytes.
const SMALLEST_CALL: usize = 4096;

/// Objects hang on the connection that the host holds, so they may not hold the host in turn.
pub(super) struct Link {
    host: Weak<Host>,
    interface: Interface,
}

/// What a call is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum About<'a> {
    /// A deployment, which may not exist yet.
    Deployment(&'a str),
    /// What a document is of. Whether there is such a deployment, a refusal does not say.
    Document(&'a str),
    /// Something that a right for any deployment is enough for: what it is about is read later.
    Any,
    /// All that there are.
    All,
}

/// A call that is allowed.
#[derive(Clone)]
pub(super) struct Permit {
    pub host: Arc<Host>,
    pub caller: Caller,
    pub policy: Arc<Policy>,
}

/// The host, for as long as somebody looks.
pub(super) struct Look {
    host: Arc<Host>,
    pub policy: Arc<Policy>,
    pub who: Who,
    pub role: Option<Role>,
    _visit: Visit,
}

impl Deref for Look {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Look {
    /// Whether the caller may see what values attributes, options and references have: what it may
    /// set. Agents and tools in guests set what they like, secrets among it.
    pub(super) fn sees_values(&self) -> bool {
        self.role >= Some(Role::Owner)
    }

    /// Whether the caller may know of this deployment, or of one that has had that name.
    pub(super) fn sees(&self, deployment: &str) -> bool {
        sees(&self.host, &self.policy, &self.who, deployment)
    }
}

/// Whether somebody may know of a deployment; of what is about none, who may look at all.
pub(super) fn sees(host: &Host, policy: &Policy, who: &Who, deployment: &str) -> bool {
    policy.looks(who)
        || policy
            .role(who, deployment, host.core.ownership(deployment).as_ref())
            .is_some()
}

/// Whether somebody may know of anything.
pub(super) fn sees_something(host: &Host, policy: &Policy, who: &Who) -> bool {
    policy.looks(who) || role(host, policy, who, About::Any).is_some()
}

fn role(host: &Host, policy: &Policy, who: &Who, about: About<'_>) -> Option<Role> {
    let granted = policy.highest_granted(who);
    match about {
        About::Deployment(name) | About::Document(name) => {
            let there = host.core.registry.get(name);
            policy.role(who, name, there.map(|there| there.row().owned).as_ref())
        }
        About::All => granted.filter(|role| *role == Role::Admin),
        About::Any if granted >= Some(Role::Owner) => granted,
        About::Any => {
            let all = host.core.registry.all();
            let owned = all.iter().map(|deployment| deployment.row().owned);
            granted.max(
                owned
                    .filter_map(|owned| policy.role_by_ownership(who, &owned))
                    .max(),
            )
        }
    }
}

impl Link {
    pub(super) fn new(host: &Arc<Host>, interface: Interface) -> Link {
        Link {
            host: Arc::downgrade(host),
            interface,
        }
    }

    pub(super) fn host(&self) -> Result<Arc<Host>> {
        self.host.upgrade().ok_or_else(|| {
            Error::NotReady("the daemon is losing its connection to the bus; try again".into())
        })
    }

    /// The host, for a call that is only a look: of a bounded size, and a bounded number at a time.
    /// Who exceeds that is refused at once, so that nothing waits in memory.
    pub(super) async fn look(&self, header: &Header<'_>, about: About<'_>) -> Result<Look> {
        let size = header.primary().body_len();
        if size > LARGEST_LOOK {
            return Err(Error::TooLarge(format!(
                "the call has {size} bytes, at most {LARGEST_LOOK} are taken"
            )));
        }
        let host = self.host()?;
        let visit = host.visitors.enter(sender(header)).ok_or_else(|| {
            Error::Busy("too many calls of this kind are under way; wait for replies".into())
        })?;
        let policy = host.core.policy();
        let who = match identify(&host, &policy, header).await {
            Ok(caller) => caller.who,
            Err(Error::AccessDenied(_)) => Who::unknown(),
            Err(error) => return Err(error),
        };
        let role = role(&host, &policy, &who, about);
        let needs = self.needs(header)?;
        // A list of all leaves out what is hidden.
        if let About::Deployment(name) = about
            && policy.decide(&who, needs, role) != Verdict::Allowed
        {
            return Err(not_found(name));
        }
        Ok(Look {
            host,
            policy,
            who,
            role,
            _visit: visit,
        })
    }

    /// The host, if the caller has the right that the called method takes, and who it is.
    pub(super) async fn permit(&self, header: &Header<'_>, about: About<'_>) -> Result<Permit> {
        let host = self.host()?;
        let needs = self.needs(header)?;
        let policy = host.core.policy();
        let caller = identify(&host, &policy, header).await?;
        let permit = Permit {
            host,
            caller,
            policy,
        };
        permit.check(member(header), needs, about).await?;
        Ok(permit)
    }

    /// As [`Link::permit`] to speak for others, for a connection that does so already.
    pub(super) async fn permit_again(&self, header: &Header<'_>) -> Result<Permit> {
        let host = self.host()?;
        let policy = host.core.policy();
        let caller = identify(&host, &policy, header).await?;
        if caller.who.standing != Standing::Assumed {
            let text = why(&policy, &caller, Needs::Delegation, None, About::All);
            return Err(Error::AccessDenied(text));
        }
        Ok(Permit {
            host,
            caller,
            policy,
        })
    }

    /// Refuses to show a property of a deployment to whom it is hidden. Without a header the daemon
    /// itself asks.
    pub(super) async fn property(&self, header: Option<Header<'_>>, name: &str) -> Result<()> {
        let Some(header) = header else {
            return Ok(());
        };
        let host = self.host()?;
        let policy = host.core.policy();
        let speaks_for_others = host.assumed.of(sender(&header)).is_some();
        if policy.strangers == Strangers::Look && !speaks_for_others {
            return Ok(());
        }
        let who = match identify(&host, &policy, &header).await {
            Ok(caller) => caller.who,
            Err(Error::AccessDenied(_)) => Who::unknown(),
            Err(error) => return Err(error),
        };
        match sees(&host, &policy, &who, name) {
            true => Ok(()),
            false => Err(not_found(name)),
        }
    }

    /// What the called method takes.
    fn needs(&self, header: &Header<'_>) -> Result<Needs> {
        needs(self.interface, member(header))
    }
}

fn needs(interface: Interface, method: &str) -> Result<Needs> {
    rights::needs(interface, method)
        .ok_or_else(|| Error::AccessDenied(format!("it is not known what right `{method}` takes")))
}

impl Permit {
    /// For what a document turned out to be about.
    pub(super) async fn narrow(&self, link: &Link, header: &Header<'_>, name: &str) -> Result<()> {
        let needs = link.needs(header)?;
        self.check(member(header), needs, About::Document(name))
            .await
    }

    /// Whether the caller may call another method of a deployment, too: one by which is done what
    /// is asked for in other words.
    pub(super) async fn also(&self, method: &str, name: &str) -> Result<()> {
        let needs = needs(Interface::Deployment, method)?;
        self.check(method, needs, About::Deployment(name)).await
    }

    /// Whether the caller may call that method of a deployment now. For what has waited since the
    /// call was let in: the right may have been taken away meanwhile.
    pub(super) async fn still(&self, method: &str, name: &str) -> Result<()> {
        let mut now = Permit {
            policy: self.host.core.policy(),
            ..self.clone()
        };
        let who = &mut now.caller.who;
        if who.standing == Standing::Assumed && !now.policy.delegates.contains(&now.caller.user) {
            who.standing = Standing::Revoked;
        }
        now.also(method, name).await
    }

    /// Whether the caller may see values that the deployment has, as of [`Look::sees_values`].
    pub(super) fn sees_values(&self, deployment: &str) -> bool {
        let about = About::Deployment(deployment);
        role(&self.host, &self.policy, &self.caller.who, about) >= Some(Role::Owner)
    }

    /// Whether the caller may know of a deployment.
    pub(super) fn sees(&self, deployment: &str) -> bool {
        sees(&self.host, &self.policy, &self.caller.who, deployment)
    }

    async fn check(&self, method: &str, needs: Needs, about: About<'_>) -> Result<()> {
        let Permit {
            host,
            caller,
            policy,
        } = self;
        let role = role(host, policy, &caller.who, about);
        let verdict = policy.decide(&caller.who, needs, role);
        if verdict == Verdict::Allowed {
            return Ok(());
        }
        let known = match about {
            About::Deployment(name) if host.core.registry.get(name).is_some() => name,
            _ => "",
        };
        audit::refused(host, caller, method, known).await;
        Err(match (verdict, about) {
            (Verdict::Hidden, About::Deployment(name)) => not_found(name),
            _ => Error::AccessDenied(why(policy, caller, needs, role, about)),
        })
    }
}

/// Who calls. Until that is known, the calls that wait are bounded in bytes.
async fn identify(host: &Host, policy: &Policy, header: &Header<'_>) -> Result<Caller> {
    let sender = sender(header);
    let bytes = usize::try_from(header.primary().body_len()).unwrap_or(usize::MAX);
    let _kept = match host.identities.knows(sender) {
        true => None,
        false => {
            let kept = host.visitors.keep(bytes.max(SMALLEST_CALL));
            Some(kept.ok_or_else(|| {
                Error::Busy("too many callers are waiting to be let in; try again".into())
            })?)
        }
    };
    host.identities
        .identify(&host.bus, &host.assumed, policy, sender)
        .await
}

/// The method that is called.
fn member<'a>(header: &'a Header<'_>) -> &'a str {
    header.member().map_or("", |member| member.as_str())
}

fn sender<'a>(header: &'a Header<'_>) -> &'a str {
    header.sender().map_or("", |sender| sender.as_str())
}

/// What the caller would have to be.
fn why(
    policy: &Policy,
    caller: &Caller,
    needs: Needs,
    role: Option<Role>,
    about: About<'_>,
) -> String {
    let who = match caller.delegate() {
        None => format!("user `{}`", caller.user),
        Some(delegate) => format!("`{}`, for whom `{delegate}` speaks,", caller.who.principal),
    };
    let group = &policy.group;
    let takes = match (needs, policy.source) {
        (_, Source::Refused) => "access.toml was wrong when cpe started, so only root may until it is right: see the event \
             access.refused"
            .to_owned(),
        (Needs::Delegation, _) => {
            "it takes a user that is in `delegates` of access.toml, and not root".to_owned()
        }
        (Needs::Recording, _) => format!(
            "it takes root or a member of group `{group}` or `{}`",
            policy.recorders
        ),
        (Needs::Role(needed), Source::File) => {
            let of = match about {
                About::Deployment(name) | About::Document(name) => format!(" of `{name}`"),
                About::Any => String::new(),
                About::All => " of all deployments".to_owned(),
            };
            let has = role.map_or("none".to_owned(), |role| format!("`{}`", role.as_str()));
            format!(
                "it takes role `{}`{of}, by access.toml or ownership (it has {has}), or root or a member of group `{group}`",
                needed.as_str()
            )
        }
        (Needs::Role(_) | Needs::Look, _) => {
            format!("it takes root or a member of group `{group}`")
        }
    };
    format!("{who} may not do this: {takes}")
}
