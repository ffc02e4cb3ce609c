//! Verdicts on whole programs: modelled ones and recorded ones.

mod heaps;
mod replay;
mod verdicts;
