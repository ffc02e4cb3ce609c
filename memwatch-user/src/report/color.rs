//! Colour of plain text: when, and which.

use std::{ffi::OsStr, fmt};

/// What `--color` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set to anything but nothing.
    #[default]
    Auto,
    /// Also into a pipe or a file, and whatever NO_COLOR says.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// Whether to use colour on an output that is or is not a terminal; `no_color` is the variable `NO_COLOR`
    /// (<https://no-color.org>: set and not empty means none).
    #[must_use]
    pub(crate) fn enabled(self, is_terminal: bool, no_color: Option<&OsStr>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && no_color.is_none_or(OsStr::is_empty),
        }
    }
}

/// What a piece of text means to its reader; colour follows from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// There if you look for it.
    Dim,
    /// Read this first.
    Strong,
    /// All is well.
    Good,
    /// Worth an eye.
    Warn,
    /// Something is wrong.
    Bad,
}

impl Tone {
    /// Parameters of the escape sequence "select graphic rendition" (ECMA-48, 8.3.117); empty for none.
    const fn sgr(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "2",
            Self::Strong => "1",
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "1;31",
        }
    }

    /// `text` in this tone; as it is when there is no colour.
    pub(crate) const fn paint<T: fmt::Display>(self, text: T, color: bool) -> Painted<T> {
        Painted { text, sgr: if color { self.sgr() } else { "" } }
    }
}

/// Text with its colour; see [`Tone::paint`].
pub(crate) struct Painted<T> {
    text: T,
    sgr: &'static str,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sgr {
            "" => self.text.fmt(f),
            sgr => write!(f, "\x1b[{sgr}m{}\x1b[0m", self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn color_when() {
        use ColorChoice::{Always, Auto, Never};
        for (choice, terminal, no_color, expected) in [
            (Auto, true, None, true),
            (Auto, true, Some(""), true),
            (Auto, true, Some("1"), false),
            (Auto, false, None, false),
            (Always, false, Some("1"), true),
            (Never, true, None, false),
        ] {
            let got = choice.enabled(terminal, no_color.map(OsStr::new));
            assert_eq!(got, expected, "{choice:?} {terminal} {no_color:?}");
        }
    }

    #[test]
    fn paint_leaves_no_trace_without_color() {
        assert_eq!(Tone::Bad.paint("leak", true).to_string(), "\x1b[1;31mleak\x1b[0m");
        assert_eq!(Tone::Bad.paint("leak", false).to_string(), "leak");
        assert_eq!(Tone::Plain.paint("leak", true).to_string(), "leak");
    }
}
