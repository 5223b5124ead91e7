//! Deployment documents: model, reader, validation, lowering to policy-engine configuration
