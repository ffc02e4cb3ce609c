//! Kinds of collection.

words! {
    /// Which of V8's collectors ran.
    pub enum GcKind {
        /// Young generation, copying.
        Scavenge = "scavenge",
        /// Young generation, marking (`--minor-ms`; not V8's default).
        MinorMark = "minor-mark",
        /// Whole heap: a full collection.
        MarkCompact = "mark-compact",
    }
}

impl GcKind {
    /// Whether it collects the whole heap: what it leaves is alive.
    #[must_use]
    pub const fn is_full(self) -> bool {
        matches!(self, Self::MarkCompact)
    }
}
