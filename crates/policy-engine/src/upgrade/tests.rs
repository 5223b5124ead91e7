//! Each kind of change.
