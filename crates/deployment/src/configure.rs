//! How the configure executable of a service is written in a document.

/// The parameter by which the policy engine sees another configure executable as another definition
/// of the service. No resource agent gets it.
pub const CONFIGURE_PARAMETER: &str = "cpe.configure";

/// What runs content that does not begin with `#!`.
pub(crate) const SHELL: &str = "/bin/sh";
