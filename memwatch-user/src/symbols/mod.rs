//! Addresses and numbers to names: which function, which file, which line.

pub mod js;
