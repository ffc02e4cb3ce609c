//! Live processes: the programs of `tests/corpus`, watched once by the tool itself and kept as traces ([`trace`]), so
//! that what it said can be counted and what it saw can be shown to other detectors; and asked about once what holds their
//! heaps ([`holders`]).

mod bars;
pub mod case;
pub mod columns;
mod fields;
pub mod holders;
pub mod page;
pub mod replay;
pub mod score;
pub mod settings;
mod tables;
pub mod trace;
