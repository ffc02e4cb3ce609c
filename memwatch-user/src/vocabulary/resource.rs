//! What a leak uses up.

words! {
    /// What growth can use up.
    pub enum Resource {
        /// V8's limit of one heap.
        HeapLimit = "heap-limit",
        /// The limit of the process's memory cgroup.
        Cgroup = "cgroup",
        /// The host's memory.
        Host = "host",
        /// The limit of open files, `RLIMIT_NOFILE`.
        FdLimit = "fd-limit",
    }
}
