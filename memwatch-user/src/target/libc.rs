//! Which C library and which allocator serve a process, by the names of the files it has mapped.

use super::maps::Mapping;

/// A C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Libc {
    /// GNU.
    Glibc,
    /// musl.
    Musl,
}

/// What serves `malloc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocator {
    /// glibc's own.
    Glibc,
    /// musl's own.
    Musl,
    /// jemalloc.
    Jemalloc,
    /// mimalloc.
    Mimalloc,
    /// tcmalloc.
    Tcmalloc,
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

impl Allocator {
    /// Name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
            Self::Jemalloc => "jemalloc",
            Self::Mimalloc => "mimalloc",
            Self::Tcmalloc => "tcmalloc",
        }
    }
}

impl Allocator {
    /// Whether a mapped file of this name holds it.
    #[must_use]
    pub fn is_file(self, name: &[u8]) -> bool {
        match self {
            Self::Glibc => libc_in(name) == Some(Libc::Glibc),
            Self::Musl => libc_in(name) == Some(Libc::Musl),
            Self::Jemalloc => name.starts_with(b"libjemalloc"),
            Self::Mimalloc => name.starts_with(b"libmimalloc"),
            Self::Tcmalloc => name.starts_with(b"libtcmalloc"),
        }
    }
}

/// The C library among `maps`; `None` in a static program.
#[must_use]
pub fn libc(maps: &[Mapping]) -> Option<Libc> {
    maps.iter().find_map(|mapping| libc_in(mapping.file_name()))
}

fn libc_in(name: &[u8]) -> Option<Libc> {
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
pub fn is_libc(name: &[u8]) -> bool {
    libc_in(name).is_some()
}

/// Whether glibc's file of that name is mapped here.
#[must_use]
pub fn is_glibc(mapping: &Mapping) -> bool {
    Allocator::Glibc.is_file(mapping.file_name())
}

/// What serves `malloc` in a process with `maps`: a preloaded or linked library goes before the C library.
#[must_use]
pub fn allocator(maps: &[Mapping]) -> Option<Allocator> {
    let others = [Allocator::Jemalloc, Allocator::Mimalloc, Allocator::Tcmalloc];
    let other =
        maps.iter().find_map(|mapping| others.into_iter().find(|one| one.is_file(mapping.file_name())));
    other.or_else(|| {
        libc(maps).map(|libc| match libc {
            Libc::Glibc => Allocator::Glibc,
            Libc::Musl => Allocator::Musl,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(paths: &[&str]) -> Vec<Mapping> {
        let mapping = |path: &&str| Mapping { start: 0, end: 1, offset: 0, inode: 1, path: path.into() };
        paths.iter().map(mapping).collect()
    }

    #[test]
    fn libraries_are_told_by_their_names() {
        for (paths, expected_libc, expected_allocator) in [
            (&["/usr/bin/node", "/lib/x86_64-linux-gnu/libc.so.6"][..], Some("glibc"), Some("glibc")),
            (&["/lib64/libc-2.31.so"], Some("glibc"), Some("glibc")),
            (&["/lib/ld-musl-x86_64.so.1"], Some("musl"), Some("musl")),
            (&["/lib/libc.so.6", "/usr/lib/libjemalloc.so.2 (deleted)"], Some("glibc"), Some("jemalloc")),
            (&["/usr/lib/libmimalloc.so.2.0", "/lib/ld-musl-x86_64.so.1"], Some("musl"), Some("mimalloc")),
            (&["/lib/libc.so.6", "/usr/lib/libtcmalloc_minimal.so.4"], Some("glibc"), Some("tcmalloc")),
            (&["/static/node"], None, None),
        ] {
            let maps = maps(paths);
            let found = (libc(&maps).map(Libc::name), allocator(&maps).map(Allocator::name));
            assert_eq!(found, (expected_libc, expected_allocator), "{paths:?}");
        }
    }
}
