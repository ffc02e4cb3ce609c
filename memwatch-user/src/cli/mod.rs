//! What was typed ([`args`], [`heap_args`]), and what is to be done about it ([`job`]); what we say beside the report
//! ([`log`]); and which build this is (`version`).

pub mod args;
pub mod heap;
pub mod heap_args;
pub mod job;
pub mod log;
pub mod output;
pub mod values;
mod version;
