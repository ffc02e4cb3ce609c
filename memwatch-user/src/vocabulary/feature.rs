//! Whether something is watched.

words! {
    /// Whether a feature is on.
    pub enum Switch {
        /// It works.
        On = "on",
        /// It does not.
        Off = "off",
    }
}
