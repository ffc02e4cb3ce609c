//! Units of a series.

use crate::units;

words! {
    /// What the values of a series count.
    #[derive(Default)]
    pub enum Unit {
        /// Bytes.
        #[default]
        Bytes = "bytes",
        /// Whole things: descriptors, threads, isolates.
        Count = "count",
    }
}

impl Unit {
    /// `48.2 MB`, `312`.
    #[must_use]
    pub fn amount(self, value: f64) -> String {
        match self {
            Self::Bytes => units::size(value),
            Self::Count => units::count(value),
        }
    }

    /// `+11.7 MB/h`, `+28800/h`, from an amount an hour.
    #[must_use]
    pub fn rate(self, per_hour: f64) -> String {
        match self {
            Self::Bytes => units::rate(per_hour),
            Self::Count => units::count_rate(per_hour),
        }
    }
}
