//! Verdicts on whole programs: modelled ones and recorded ones.

mod heaps;
mod held;
mod processes;
mod replay;
mod verdicts;
