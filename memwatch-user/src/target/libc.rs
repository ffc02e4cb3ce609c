//! Which C library serves a process, by the names of the files it has mapped.

use super::maps::Mapping;

/// A C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Libc {
    /// GNU.
    Glibc,
    /// musl.
    Musl,
}

impl Libc {
    /// Name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
        }
    }
}

/// The C library among `maps`; `None` in a static program.
#[must_use]
pub(crate) fn libc(maps: &[Mapping]) -> Option<Libc> {
    maps.iter().find_map(|mapping| of_file(mapping.file_name()))
}

/// The one that a file of that name is.
#[must_use]
pub(crate) fn of_file(name: &[u8]) -> Option<Libc> {
    match name {
        // musl is its own dynamic loader. A glibc program may have musl's compatibility file of the same prefix, but
        // never mapped.
        name if name.starts_with(b"ld-musl-") || name.starts_with(b"libc.musl-") => Some(Libc::Musl),
        // Debian's musl: the loader's name is a link to it. glibc's file of that name is a linker script.
        b"libc.so" => Some(Libc::Musl),
        _ if name.starts_with(b"libc.so.6") || name.starts_with(b"libc-2.") => Some(Libc::Glibc),
        _ => None,
    }
}

/// Whether a file of that name is a C library.
#[must_use]
pub(crate) fn is_libc(name: &[u8]) -> bool {
    of_file(name).is_some()
}

/// Whether glibc's file of that name is mapped here.
#[must_use]
pub(crate) fn is_glibc(mapping: &Mapping) -> bool {
    of_file(mapping.file_name()) == Some(Libc::Glibc)
}

#[cfg(test)]
mod tests {
    use super::{super::maps::tests::named, *};

    #[test]
    fn libraries_are_told_by_their_names() {
        for (paths, expected) in [
            (&["/usr/bin/node", "/lib/x86_64-linux-gnu/libc.so.6"][..], Some("glibc")),
            (&["/lib64/libc-2.31.so"], Some("glibc")),
            (&["/lib/ld-musl-x86_64.so.1"], Some("musl")),
            (&["/usr/lib/libmimalloc.so.2.0", "/usr/lib/musl/lib/libc.so"], Some("musl")),
            (&["/static/node"], None),
        ] {
            assert_eq!(libc(&named(paths)).map(Libc::name), expected, "{paths:?}");
        }
    }
}
