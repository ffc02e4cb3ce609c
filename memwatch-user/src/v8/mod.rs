//! What is known of V8, as data: symbols, reasons, versions, the heap limit's code.
