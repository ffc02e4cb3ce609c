//! What was typed ([`args`], [`heap_args`]), and what is to be done about it ([`job`]); what we say beside the report
//! ([`log`]); and which build this is (`version`).

pub mod args;
pub(crate) mod heap;
pub(crate) mod heap_args;
pub mod job;
pub mod log;
pub(crate) mod output;
pub(crate) mod values;
mod version;
