//! Why a watch ends.

/// Why we stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Ctrl-C, SIGTERM, SIGHUP.
    Interrupted,
    /// `--duration` is over.
    Duration,
    /// Nobody is left.
    TargetsGone,
    /// `q`.
    Quit,
    /// The verdict that was waited for.
    Leak,
    /// Nobody is left who reads the report.
    OutputClosed,
}

impl Stop {
    /// The reason's name in records.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Duration => "duration",
            Self::TargetsGone => "targets-gone",
            Self::Quit => "quit",
            Self::Leak => "leak",
            Self::OutputClosed => "output-closed",
        }
    }
}
