//! One deployment's brain: a deterministic state machine, inputs in, effects out. Pure.
