//! Levels of a verdict.

words! {
    /// How sure we are that something leaks, in rising order of alarm.
    pub enum Level {
        /// Not watched long enough, or too much was lost.
        Inconclusive = "inconclusive",
        /// It does not grow.
        Stable = "stable",
        /// It grows, and may well stop: a cache that fills, a warm-up.
        Growing = "growing",
        /// It grows the way leaks do; more evidence is needed.
        Suspect = "suspect",
        /// It leaks.
        Leak = "leak",
    }
}
