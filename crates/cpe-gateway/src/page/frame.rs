//! What all pages have around their content.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::assets;
use super::words::{SHAPES, now, stamp};
use crate::rights::{Rights, Role};

/// Who looks, and at what.
#[derive(Debug, Clone)]
pub(super) struct Viewer {
    /// `user:NAME`, `cert:NAME` or `token:ID`.
    pub name: String,
    pub rights: Rights,
    /// Why nobody may do more than look, if so.
    pub remark: Option<String>,
    /// They have logged in, and can log out.
    pub is_logged_in: bool,
    /// cpe answered when it was asked last.
    pub is_live: bool,
    /// When cpe last answered, in microseconds since the epoch; 0: never.
    pub answered: u64,
}

impl Viewer {
    pub(super) fn may(&self, role: Role, deployment: &str) -> bool {
        self.remark.is_none() && self.rights.role(deployment) >= Some(role)
    }

    /// Whether there are documents that they may send.
    pub(super) fn may_deploy(&self) -> bool {
        let owns = |role| role >= Role::Owner;
        self.remark.is_none() && self.rights.0.iter().any(|grant| owns(grant.role))
    }

    /// The role in a word, if it is the same for all.
    fn role(&self) -> Option<&'static str> {
        let mut roles = self.rights.0.iter().map(|grant| grant.role);
        let first = roles.next()?;
        roles.all(|role| role == first).then(|| word(first))
    }
}

/// A role in a word.
pub(super) fn word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Owner => "owner",
        Role::Admin => "admin",
    }
}

/// A page.
pub(super) struct Page<'a> {
    /// What the browser's tab says.
    pub title: String,
    /// The deployment that it is about, whose events have it fetched again; empty: all.
    pub about: &'a str,
    /// `overview`, `deployment`, `explain`, `deploy`, `what-if`.
    pub kind: &'static str,
    /// It is fetched again as things happen.
    pub is_living: bool,
    /// Something is going on, of which not every step is an event.
    pub is_busy: bool,
    pub content: Markup,
}

impl Page<'_> {
    /// The whole document.
    pub(super) fn of(self, viewer: &Viewer, query: &str) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                (head(&self.title, self.is_living))
                body data-kind=(self.kind) {
                    (shapes())
                    a.skip href="#main" { "Skip to the content" }
                    (header(viewer, query))
                    p #banner role="alert" hidden {}
                    main #main tabindex="-1" data-about=(self.about) data-living[self.is_living] data-busy[self.is_busy]
                        data-live=(if viewer.is_live { "yes" } else { "no" }) data-answered=(viewer.answered / 1000)
                        data-title=(self.title) data-version=(assets::version()) {
                        @if !viewer.is_live { (away(viewer)) }
                        @if let Some(remark) = &viewer.remark {
                            p.note { "Nobody can change anything here: " (remark) }
                        }
                        (self.content)
                    }
                    (footer())
                    p #told.unseen role="status" aria-live="polite" {}
                }
            }
        }
    }
}

fn away(viewer: &Viewer) -> Markup {
    let since = match viewer.answered {
        0 => "It has not answered yet.".to_owned(),
        time => format!("What is shown is of {}.", stamp(time)),
    };
    html! { noscript { p.note.bad { "cpe does not answer (" code { "systemctl status cpe" } "). " (since) } } }
}

fn head(title: &str, is_living: bool) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " – Cloud Policy Engine" }
            link rel="icon" href=(assets::address("icon.svg")) type="image/svg+xml";
            link rel="stylesheet" href=(assets::address("style.css"));
            script type="module" src=(assets::address("main.js")) {}
            @if is_living { noscript { meta http-equiv="refresh" content="10"; } }
        }
    }
}

/// The shapes, for all that use them.
fn shapes() -> Markup {
    html! {
        svg.unseen aria-hidden="true" width="0" height="0" {
            @for (name, path) in SHAPES {
                symbol id=(name) viewBox="0 0 16 16" { path d=(path) fill-rule="evenodd" {} }
            }
        }
    }
}

fn header(viewer: &Viewer, query: &str) -> Markup {
    html! {
        header.top {
            a.home href="/" {
                (logo())
                span { "Cloud Policy Engine" }
                small.host { (host()) }
            }
            form.search role="search" action="/" {
                label.unseen for="search" { "Search deployments" }
                input #search type="search" name="q" placeholder="Search" value=(query) autocomplete="off" spellcheck="false" aria-keyshortcuts="/";
                kbd.script aria-hidden="true" { "/" }
            }
            p #live.script { "connecting" }
            p.who {
                (viewer.name)
                @if let Some(role) = viewer.role() { small { (role) } }
            }
            @if viewer.is_logged_in {
                form.leave method="post" action="/v1/session/end" { button.small { "Log out" } }
            }
            button #help.quiet.script type="button" aria-keyshortcuts="?" aria-label="Keys" { "?" }
        }
    }
}

fn logo() -> Markup {
    html! {
        svg.logo viewBox="0 0 32 32" aria-hidden="true" {
            rect x="2" y="6" width="8" height="20" rx="2.5" {}
            rect x="12" y="6" width="8" height="20" rx="2.5" {}
            rect x="22" y="6" width="8" height="20" rx="2.5" {}
            circle.a cx="6" cy="12" r="2" {}
            circle.a cx="16" cy="12" r="2" {}
            circle.a cx="16" cy="19" r="2" {}
            circle.b cx="26" cy="12" r="2" {}
        }
    }
}

fn footer() -> Markup {
    html! {
        footer {
            p { "All times are UTC. " span.printed { (host()) ", " (stamp(now())) } }
            noscript { p { "Without JavaScript this page is fetched again every 10 seconds. Changes are made with " code { "cpectl" } "." } }
        }
    }
}

/// The name of this host.
fn host() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// What was wrong, for people; of whom nothing is known, the way in.
pub(super) fn problem(status: u16, title: &str, detail: &str, path: &str) -> Markup {
    let is_stranger = status == 401;
    let title = if is_stranger { "Log in" } else { title };
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title, false))
            body data-kind="problem" {
                (shapes())
                header.top { a.home href="/" { (logo()) span { "Cloud Policy Engine" } small.host { (host()) } } }
                main #main.alone data-title=(title) {
                    @if is_stranger { (login(path)) } @else {
                        h1 { (title) }
                        p { (detail) }
                        p { a href="/" { "All deployments" } }
                    }
                }
                (footer())
            }
        }
    }
}

fn login(path: &str) -> Markup {
    html! {
        form #login method="post" action="/v1/session" data-next=(path) {
            h1 { "Log in" }
            p { "With a token that an administrator of this host has made: " code { "cpectl token new NAME" } "." }
            label for="token" { "Token" }
            input #token type="password" name="token" required autocomplete="current-password" spellcheck="false" placeholder="cpe_…";
            p #wrong.wrong role="alert" {}
            button.main { "Log in" }
        }
    }
}

/// Text in which lines count.
pub(super) fn lines(text: &str) -> Markup {
    html! { pre { (text) } }
}

/// Nothing.
pub(super) fn nothing() -> Markup {
    PreEscaped(String::new())
}
