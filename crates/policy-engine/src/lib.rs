//! The scheduler: cluster configuration and state in, transition graph out. Pure.
