//! Kinds of memory.

words! {
    /// Which memory, or what else, a verdict is about. In the order in which causes are sought: a worker brings threads,
    /// descriptors and memory of every kind; a socket brings memory; a buffer brings a wrapper in the heap.
    pub enum Kind {
        /// Isolates or threads.
        Isolates = "isolates",
        /// File descriptors.
        Fds = "fds",
        /// Handles.
        Handles = "handles",
        /// Array buffers and other memory that V8 accounts for but does not hold.
        External = "external",
        /// malloc, and what is mapped past it.
        Native = "native",
        /// Objects in V8's heap.
        JsHeap = "js-heap",
        /// Freed, and held by the allocator.
        Fragmentation = "fragmentation",
        /// What grows with the load.
        Load = "load",
        /// Nothing to name.
        None = "none",
    }
}
