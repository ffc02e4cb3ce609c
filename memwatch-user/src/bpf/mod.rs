//! Programs and maps in the kernel: the only module with unsafe code.
