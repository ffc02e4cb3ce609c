//! Which probe goes where in a binary.
