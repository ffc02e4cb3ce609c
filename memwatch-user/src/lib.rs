//! The collector of memwatch-bpf. Data flows one way, and the modules are listed in its order:
//!
//! ```text
//!  target ──► plan ──► bpf ─────► ingest ──► series ──► detect ──► attribute
//!  which      which    programs   bytes to   what an    is it      whose memory
//!  process    probe    and maps   events     isolate    leaking?   it is
//!             where                          did
//!                        sample ──────────────┘
//!                        what /proc says of a process
//!
//!  engine: all of these for many processes ──► outcomes ──► translate ──► records ──► report
//! ```
//!
//! Beside them [`native`] follows the allocator of a process, from its own probes to the call sites that hold memory, and
//! the JavaScript that called.
//!
//! A stage knows the stages before it, never those after it. `doctor` examines what a host and a process allow; [`commands`] connects them; [`cli`] says which command;
//! [`host`] knows what the running kernel allows; [`v8`] holds what is known of V8, as data; [`units`] puts figures into
//! words; [`vocabulary`] defines the words that records and verdicts share.

pub mod cli;
pub mod commands;

pub mod host;
pub mod model;
pub(crate) mod units;
pub mod v8;
pub mod vocabulary;

pub mod target;

pub mod plan;

pub mod bpf;

pub mod ingest;

pub mod symbols;

pub mod sample;

pub mod heap;

pub mod native;

pub mod series;

pub(crate) mod attribute;

pub mod detect;

mod engine;

pub mod report;

mod translate;

mod doctor;
