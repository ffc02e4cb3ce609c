//! The code that tells where the books are, as the releases have it, byte for byte.
