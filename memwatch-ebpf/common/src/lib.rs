//! The one definition of everything that crosses the boundary between the eBPF programs and the collector.
//!
//! * [`event`]: what the ring buffer carries, one struct a kind;
//! * [`target`]: what the collector tells the kernel side about a process and about an attached binary;
//! * [`stack`]: how a stack of JavaScript is walked, and what a walk brings back;
//! * [`loss`]: why something was not reported, one counter a reason;
//! * [`collection`]: how probes on one thread make up one collection (the kernel side's logic, pure);
//! * [`outside`]: the way to an isolate's books of what it holds outside of its heap;
//! * [`survivors`]: objects that are followed until they die;
//! * [`native`]: blocks of `malloc`, sampled or followed;
//! * [`mapping`]: memory that is taken from the kernel past the allocator;
//! * [`times`]: how long our programs take, for the bench;
//! * [`names`]: programs, maps and globals by name.
//!
//! Rules: `#[repr(C)]`, fixed-width integers, padding spelt out, no `bool`, `usize` or `enum` in a struct (codes are
//! integers, decoded with `TryFrom`), and a size assertion beside every struct.
#![no_std]

pub mod collection;
pub mod event;
pub mod loss;
pub mod mapping;
pub mod names;
pub mod native;
pub mod outside;
#[cfg(feature = "user")]
mod pod;
pub mod stack;
pub mod strides;
pub mod survivors;
pub mod target;
pub mod times;
