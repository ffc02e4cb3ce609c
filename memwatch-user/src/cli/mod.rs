//! What was typed ([`args`]), and what is to be done about it ([`job`]); what we say beside the report ([`log`]); and what a
//! package of ours brings along: completions and manual pages ([`pages`]), and the [`version`].

pub mod args;
pub mod job;
pub mod log;
pub mod pages;
pub mod version;
