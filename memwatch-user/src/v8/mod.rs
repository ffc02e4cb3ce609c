//! What is known of V8, as data: symbols, reasons, versions, the heap limit's code. No other module knows versions.

pub mod heap_limit;
pub mod objects;
pub mod reasons;
pub mod symbols;
pub mod version;
