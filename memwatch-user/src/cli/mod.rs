//! What was typed ([`args`]), and what is to be done about it ([`job`]); what we say beside the report ([`log`]); and which
//! build this is ([`version`]).

pub mod args;
pub mod heap;
pub mod job;
pub mod log;
mod version;
