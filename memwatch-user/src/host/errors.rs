//! Errors as one line.

use std::{error::Error, iter};

/// An error with what caused it. Some errors say that themselves: it is said once.
#[must_use]
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    with_causes(&**error)
}

/// The same of an error with a type.
#[must_use]
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    for cause in iter::successors(error.source(), |cause| (**cause).source()).map(ToString::to_string) {
        if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn nothing_is_said_twice() {
        let cause = || anyhow!("too many open files");
        let says_it = anyhow::Error::from(io::Error::other("cannot read x: too many open files"));
        assert_eq!(one_line(&cause().context("cannot read x")), "cannot read x: too many open files");
        let twice = Err::<(), _>(says_it).context("cannot watch").unwrap_err();
        assert_eq!(one_line(&twice), "cannot watch: cannot read x: too many open files");
        let twice = cause().context("cannot read x: too many open files; try less");
        assert_eq!(one_line(&twice), "cannot read x: too many open files; try less");
    }
}
