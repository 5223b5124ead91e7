//! Replicated databases with Debian's own servers and resource agents, as the examples have them:
//! what was acknowledged survives the loss of a guest.

mod postgresql;
