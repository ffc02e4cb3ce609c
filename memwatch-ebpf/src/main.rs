//! The kernel side: eBPF programs that turn hits of probes into events.
//!
//! Read in this order: [`scope`] (is this thread ours?), [`probes`] (one file a subject), [`threads`] (where their hits
//! meet), [`walk`] (the stack of JavaScript), [`survivors`] (objects that
//! are followed), [`emit`] (the way out), [`losses`] (what did not get out), [`maps`] (what is shared), [`raw`] (the only
//! unsafe code). What crosses to the collector is defined in `memwatch-common`.
#![no_std]
#![no_main]
#![deny(unsafe_code)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "aya's attribute macros call programs with their context by value"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "halves and low bytes of registers are what is wanted; a checked conversion is instructions at every hit"
)]

mod blocks;
mod copies;
mod emit;
mod frames;
mod losses;
mod maps;
mod probes;
mod raw;
mod scope;
mod survivors;
mod threads;
mod times;
mod walk;
