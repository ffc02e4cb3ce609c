//! What is known of V8, as data: symbols, reasons, versions, the heap limit's code, the
//! headers of the heap's pages. No other module knows versions.

pub mod heap_limit;
pub(crate) mod page;
pub mod reasons;
pub mod symbols;
pub mod version;
