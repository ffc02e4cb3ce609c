//! Bytes of the ring buffer to events.
