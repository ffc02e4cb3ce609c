//! One target and its isolates: what is known of them, and what is made of it. No I/O.

pub(crate) mod isolate;
pub(crate) mod process;
