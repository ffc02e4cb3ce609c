//! Which kernel is running.

use std::fmt;

/// Version of a kernel: what its release string begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelVersion {
    /// Major version.
    pub major: u32,
    /// Minor version.
    pub minor: u32,
    /// Patch level; 0 where the release does not say, as on Debian (`6.1.0-42-amd64`).
    pub patch: u32,
}

impl KernelVersion {
    /// A version of the kernel's documentation, such as 5.15.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor, patch: 0 }
    }

    /// The version that a release string begins with; parts that are missing or no number count as 0, so that an
    /// unreadable release passes for an old kernel, never for a new one.
    #[must_use]
    pub fn from_release(release: &str) -> Self {
        let mut parts = release.splitn(3, '.').map(leading_number);
        let mut next = || parts.next().unwrap_or(0);
        Self { major: next(), minor: next(), patch: next() }
    }

    /// Whether this kernel is `major.minor` or newer.
    #[must_use]
    pub fn at_least(self, major: u32, minor: u32) -> bool {
        self >= Self::new(major, minor)
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

fn leading_number(text: &str) -> u32 {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().unwrap_or(0)
}

/// The running kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Release as `uname -r` prints it.
    pub release: String,
    /// The version it begins with.
    pub version: KernelVersion,
}

impl Kernel {
    /// Asks the kernel.
    #[must_use]
    pub fn running() -> Self {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        Self { version: KernelVersion::from_release(&release), release }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_releases() {
        let cases = [
            ("6.18.3-cloud", (6, 18, 3)),
            ("6.1.0-42-amd64", (6, 1, 0)),
            ("5.10.200", (5, 10, 200)),
            ("7.2-rc1+", (7, 2, 0)),
            ("4", (4, 0, 0)),
            ("", (0, 0, 0)),
            ("99999999999.1.1", (0, 1, 1)),
            ("lab.kernel", (0, 0, 0)),
        ];
        for (release, (major, minor, patch)) in cases {
            assert_eq!(
                KernelVersion::from_release(release),
                KernelVersion { major, minor, patch },
                "{release}"
            );
        }
    }

    #[test]
    fn order_is_by_number() {
        assert!(KernelVersion::from_release("5.10.3").at_least(5, 8));
        assert!(!KernelVersion::from_release("5.4.300").at_least(5, 8));
        assert!(Kernel::running().version.at_least(3, 0));
    }
}
