//! `memwatch-bpf`: see README.md.

fn main() {}
