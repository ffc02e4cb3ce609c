//! Verdicts on whole programs: modelled ones and recorded ones.

mod heaps;
mod properties;
mod replay;
mod verdicts;
