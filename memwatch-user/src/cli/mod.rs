//! What was typed, and what is to be done about it.
