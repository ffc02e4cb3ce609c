//! Words of answers about a heap.

words! {
    /// How a take of the heap was had.
    pub enum Taken {
        /// The process stood still for all of it.
        Stopped = "stopped",
        /// The process ran on.
        Running = "running",
    }
}
