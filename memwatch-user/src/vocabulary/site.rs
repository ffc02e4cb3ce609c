//! Places that memory comes from.

words! {
    /// What the bytes of a site count.
    pub enum Measure {
        /// What is alive.
        Live = "live",
        /// What was handed out and not freed.
        Outstanding = "outstanding",
        /// What was allocated, whatever became of it.
        Allocated = "allocated",
    }
}

words! {
    /// How native memory was taken.
    #[derive(Default)]
    pub enum TakenBy {
        /// From the allocator: `malloc` and its kin.
        #[default]
        Malloc = "malloc",
        /// From the kernel, past the allocator: `mmap` and `mremap`.
        Mmap = "mmap",
    }
}

words! {
    /// What code a frame of a stack is.
    pub enum Code {
        /// JavaScript.
        Js = "js",
        /// Machine code of a binary.
        Native = "native",
        /// The kernel's.
        Kernel = "kernel",
    }
}
