//! Whether a process stands still because its cgroup is frozen: by `docker pause`, or by an orchestrator.

use std::{fs, path::PathBuf};

use super::cgroup;

/// The freezers that a process was under when it was looked up; a host that mounts both versions of cgroups has two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Freezer {
    files: Vec<PathBuf>,
}

impl Freezer {
    /// Finds them through our own mounts; none if the process is gone or no mount of ours shows its cgroup.
    #[must_use]
    pub(crate) fn of(pid: u32) -> Self {
        let membership = cgroup::text(&format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let mountinfo = cgroup::text("/proc/self/mountinfo").unwrap_or_default();
        Self::locate(&membership, &mountinfo)
    }

    /// Both versions tell of a process's own cgroup whether one above it is frozen.
    fn locate(membership: &str, mountinfo: &str) -> Self {
        let own = |controller, file| {
            let levels = cgroup::directories(membership, mountinfo, controller)?;
            Some(levels.first()?.join(file))
        };
        let files = [own(Some("freezer"), "freezer.state"), own(None, "cgroup.events")];
        Self { files: files.into_iter().flatten().collect() }
    }

    /// Whether one of them is frozen now. The root of a hierarchy cannot be, and has no file.
    #[must_use]
    pub(crate) fn is_frozen(&self) -> bool {
        self.files.iter().filter_map(|file| fs::read_to_string(file).ok()).any(|text| says_frozen(&text))
    }
}

/// Version 1: one word; version 2: keys and values. A cgroup that is `FREEZING` still runs in part.
fn says_frozen(text: &str) -> bool {
    text.lines().any(|line| matches!(line, "FROZEN" | "frozen 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_both_versions() {
        let mounts = "39 31 0:36 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let found = Freezer::locate("7:freezer:/a\n0::/b/c\n", mounts);
        let files = ["/sys/fs/cgroup/freezer/a/freezer.state", "/sys/fs/cgroup/unified/b/c/cgroup.events"];
        assert_eq!(found.files, files.map(PathBuf::from));
        assert_eq!(Freezer::locate("", mounts), Freezer::default());
    }

    #[test]
    fn what_the_files_say() {
        for (text, frozen) in [
            ("FROZEN\n", true),
            ("populated 1\nfrozen 1\n", true),
            ("THAWED\n", false),
            ("FREEZING\n", false),
            ("populated 1\nfrozen 0\n", false),
            ("", false),
        ] {
            assert_eq!(says_frozen(text), frozen, "{text:?}");
        }
    }

    #[test]
    fn nobody_is_frozen() {
        assert!(!Freezer::of(u32::MAX).is_frozen());
        assert!(!Freezer::of(std::process::id()).is_frozen());
    }
}
