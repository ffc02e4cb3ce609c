//! What was typed ([`args`]), and what is to be done about it ([`job`]).

pub mod args;
pub mod job;
