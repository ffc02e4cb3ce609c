//! What the running kernel and our own rights allow.
