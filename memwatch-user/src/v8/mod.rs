//! What is known of V8, as data: symbols, reasons, versions, the code that tells the heap limit and the books of what is
//! outside of the heap, the headers of the heap's pages. No other module knows versions.

mod code;
pub(crate) mod handles;
pub mod heap_layout;
pub(crate) mod heap_limit;
pub(crate) mod marks;
pub(crate) mod objects;
pub(crate) mod outside_heap;
pub(crate) mod page;
pub(crate) mod reasons;
mod sum;
pub(crate) mod symbols;
pub(crate) mod version;
