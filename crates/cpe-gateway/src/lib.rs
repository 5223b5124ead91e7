//! `cpe-gateway`: REST for the Cloud Policy Engine, by a daemon of its own without privileges.
//!
//! It is a client of cpe's bus, like `cpectl`. cpe decides who may do what; the gateway says who
//! calls, on a connection per caller, and shows what it mirrors.
//!
//! ```text
//! serve      accepts connections, with bounds on how many and how slow
//! page/      the same for people ─▶ rest/
//! rest/      the resources ─▶ guard: whose request it is, whether it may come at all
//! app        what all requests share
//! metrics/   numbers of what is known, for Prometheus
//! mirror/    status of all deployments, and the newest events
//! bus/       one connection that only looks, one for each caller
//! identity/  users, certificates, tokens
//! ```
//!
//! Pages and metrics belong beside `rest`: they read [`mirror::Mirror::snapshot`] and
//! [`mirror::Mirror::with_ring`], and call nobody.

#![warn(missing_docs)]

pub mod app;
pub mod bus;
mod files;
mod guard;
mod http;
pub mod identity;
pub mod limits;
pub mod metrics;
pub mod mirror;
pub mod page;
mod plans;
pub mod problem;
pub mod rest;
pub mod rights;
pub mod serve;
pub mod settings;
pub mod sockets;
pub mod tls;

pub use app::App;
pub use settings::Settings;
