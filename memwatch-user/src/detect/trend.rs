//! How fast a series grows, and whether it does: Theil–Sen and Kendall.
