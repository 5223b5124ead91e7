//! Who calls: a user of this host, a certificate, or a token.

mod certificate;
mod principal;
mod tokens;
mod users;

pub use certificate::name_of;
pub use principal::{Peer, Principal};
pub use tokens::TokenFile;
pub use users::Users;
