//! Who calls: a user of this host, a certificate, a token, or who has logged in with one.

mod certificate;
mod logins;
mod principal;
mod tokens;
mod users;

pub use certificate::{CertificateEnd, name_of};
pub use logins::{Begun, COOKIE, Login, Logins, cookie};
pub use principal::{Peer, Principal, Via};
pub use tokens::TokenFile;
pub use users::Users;
