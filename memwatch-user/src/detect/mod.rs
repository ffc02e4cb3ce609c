//! Is it leaking? Pure functions over series.
