//! The engine's lines in the log: each says which deployment and assembly it is about, so that
//! `journalctl CPE_DEPLOYMENT=shop` finds it in the guest as on the host.

/// `log!(LEVEL, IDENTITY, …)`: a line, with what `tracing::LEVEL!` takes after the identity.
macro_rules! log {
    ($level:ident, $identity:expr, $($line:tt)+) => {
        tracing::$level!(
            cpe_deployment = $identity.deployment,
            cpe_assembly = $identity.assembly,
            $($line)+
        )
    };
}

pub(super) use log;
