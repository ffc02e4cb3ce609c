//! Questions about a heap: what is in it, who holds it, what grew, what is unusual. They know a graph and the names of its
//! nodes, and not where either came from.

mod causes;
mod find;
mod growth;
mod handles;
mod held;
mod histogram;
mod holders;
mod place;
mod spots;

pub use causes::{Cause, causes, full_path, instances};
pub use find::{Finding, FindingKind, find};
pub use growth::{Census, Change, Detail, GrownCause, GrownHolder, Trend, census, compare, holdings, trend};
pub use held::Held;
pub use histogram::{Histogram, Row, histogram};
pub use holders::{Holder, Holders, Known, MANY_HANDLES, holders};
pub use place::{Anchor, Code, Place, place};

#[cfg(test)]
mod tests;
