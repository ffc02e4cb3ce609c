//! What the running kernel and our own rights allow, and what the kernel says of a process from outside.
//!
//! Each file answers one question and knows no other stage:
//!
//! * [`kernel`], [`features`], [`rights`]: may we, and can this kernel;
//! * [`btf`]: where the kernel's structs hold what the eBPF programs read;
//! * [`clock`], [`own`], [`malloc`]: our clock, our own cost, and our allocator;
//! * [`cgroup`], [`freezer`], [`exit`]: a process's limits, whether its cgroup stands still, and how it ended.

pub mod btf;
pub(crate) mod cgroup;
pub mod clock;
pub(crate) mod errors;
pub(crate) mod exit;
pub mod features;
pub(crate) mod freezer;
pub mod kernel;
pub mod malloc;
pub(crate) mod own;
pub(crate) mod rights;
