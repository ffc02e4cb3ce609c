//! Records and what is made of them. A sink knows records and nothing else of this program.
//!
//! ```text
//!                                      ┌─► json    one object a line
//!  record ─┬─► fanout ── a queue each ─┼─► lines   plain text, one line a record, then the summary
//!          │                           └─► live    the terminal
//!          └─► exit_status
//! ```
//!
//! A sink is a file with an implementation of [`sink::Sink`], and a line where a watch opens its outputs.
//! `lines`, `live` and `summary` share [`state`] (what is known so far) and `describe` (a record in words).

pub(crate) mod check;
pub(crate) mod color;
pub mod describe;
pub mod exit_status;
pub(crate) mod fanout;
pub mod heap;
pub mod json;
pub mod lines;
pub mod live;
pub mod record;
pub mod sink;
pub mod state;
pub(crate) mod summary;
pub(crate) mod text;
pub mod time;

pub use sink::Sink;
