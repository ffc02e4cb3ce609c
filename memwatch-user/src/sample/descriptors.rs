//! Open file descriptors: how many, and of which kind.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

use super::proc;
use crate::model::Descriptors;

/// Their number alone: the size of the directory, from kernel 6.2 on. Before, it is 0 and tells nothing.
pub(super) fn counted(pid: u32) -> Option<Descriptors> {
    let total = fs::metadata(proc::path(pid, "fd")).ok()?.len();
    (total > 0).then(|| Descriptors { total, ..Descriptors::default() })
}

/// All of them by kind: two system calls each, about 3 µs.
pub(super) fn by_kind(pid: u32) -> Option<Descriptors> {
    let mut counts = [0_u64; 4];
    for entry in fs::read_dir(proc::path(pid, "fd")).ok()?.flatten() {
        // It may be closed meanwhile.
        let Ok(name) = fs::read_link(entry.path()) else { continue };
        counts[kind(name.as_os_str()) as usize] += 1;
    }
    let [sockets, files, pipes, other] = counts.map(Some);
    Some(Descriptors { total: counts.iter().sum(), sockets, files, pipes, other })
}

/// In the order of [`Descriptors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Socket,
    File,
    Pipe,
    Other,
}

/// By the name that the kernel gives; the file itself is not asked, as one on a dead network mount would not answer.
fn kind(name: &OsStr) -> Kind {
    let name = name.as_bytes();
    let is = |prefix: &str| name.starts_with(prefix.as_bytes());
    match name {
        _ if is("socket:[") => Kind::Socket,
        _ if is("pipe:[") => Kind::Pipe,
        _ if is("/dev/") && !is("/dev/shm/") => Kind::Other,
        _ if is("/") => Kind::File,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_name() {
        for (name, expected) in [
            ("socket:[123]", Kind::Socket),
            ("pipe:[123]", Kind::Pipe),
            ("/srv/socket:[1]", Kind::File),
            ("/srv/a\nb (deleted)", Kind::File),
            ("/dev/shm/x", Kind::File),
            ("/dev/null", Kind::Other),
            ("anon_inode:[eventpoll]", Kind::Other),
            ("net:[4026531840]", Kind::Other),
            ("", Kind::Other),
        ] {
            assert_eq!(kind(OsStr::new(name)), expected, "{name:?}");
        }
    }
}
