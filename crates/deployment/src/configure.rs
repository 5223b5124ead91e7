//! How the configure executable of a service is written in a document.

/// The parameter by which the policy engine sees another configure executable as another definition
/// of the service. No resource agent gets it.
pub const CONFIGURE_PARAMETER: &str = "cpe.configure";

/// The longest content, in bytes: it goes to the guest with each start.
pub const MAX_CONFIGURE: usize = 64 * 1024;

/// What runs content that does not begin with `#!`.
pub(crate) const SHELL: &str = "/bin/sh";
