//! The kernel side: eBPF programs that turn hits of probes into events.
//!
//! Read in this order: [`scope`] (is this thread ours?), [`probes`] (one file a subject), [`threads`] (where their hits
//! meet), [`emit`] (the way out), [`losses`] (what did not get out), [`maps`] (what is shared), [`raw`] (the only
//! unsafe code). What crosses to the collector is defined in `memwatch-common`.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod emit;
mod losses;
mod maps;
mod probes;
mod raw;
mod scope;
mod threads;
