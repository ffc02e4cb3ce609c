//! What is known of V8, as data: symbols, reasons, versions, the code that tells the heap limit and the books of what is
//! outside of the heap, the headers of the heap's pages. No other module knows versions.

mod code;
pub mod handles;
pub mod heap_layout;
pub mod heap_limit;
pub mod objects;
pub mod outside_heap;
pub(crate) mod page;
pub mod reasons;
mod sum;
pub mod symbols;
pub mod version;
