//! What each process and isolate did, in bounded memory.
