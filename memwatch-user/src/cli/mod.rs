//! What was typed ([`args`]), and what is to be done about it ([`job`]); and what we say beside the report ([`log`]).

pub mod args;
pub mod heap;
pub mod job;
pub mod log;
