//! Which process, and what it is made of.
