//! The engine of a watch: which targets there are, what of them is followed, and what comes of it.

pub(crate) mod attribution;
pub(crate) mod cost;
pub(crate) mod ending;
pub(crate) mod features;
pub(crate) mod fleet;
pub(crate) mod judged;
pub(crate) mod losses;
pub(crate) mod probes;
pub(crate) mod scrape;
pub(crate) mod selection;
