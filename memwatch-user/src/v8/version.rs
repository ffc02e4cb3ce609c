//! Versions of Node and V8, from string literals of the file that holds them.
//!
//! Read-only data survives stripping and is the same in official, Debian and musl builds:
//! * `node.js/v20.20.2` is how the inspector names the browser;
//! * `11.3.244.8-node.38` is what `process.versions.v8` shows.

use std::{io, ops::Range};

use memchr::memmem::Finder;

const NODE: &[u8] = b"node.js/v";
const V8: &[u8] = b"-node.";
/// More than the longest version is long.
const MARGIN: usize = 48;
const CHUNK: usize = 256 * 1024;

/// What a file says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Versions {
    /// Node's version, for example `20.20.2`.
    pub node: Option<String>,
    /// V8's version, for example `11.3.244.8-node.38`.
    pub v8: Option<String>,
}

/// Searches `range` of a file, in chunks that overlap, until both versions are found. `read` fills a buffer from an
/// offset of the file.
pub(crate) fn find(
    range: Range<u64>,
    mut read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
) -> io::Result<Versions> {
    let (node, v8) = (Finder::new(NODE), Finder::new(V8));
    let mut found = Versions::default();
    let mut buffer = vec![0; CHUNK];
    let mut at = range.start;
    while at < range.end && (found.node.is_none() || found.v8.is_none()) {
        let len = usize::try_from(range.end - at).unwrap_or(CHUNK).min(CHUNK);
        let chunk = &mut buffer[..len];
        read(at, chunk)?;
        found.node = found.node.or_else(|| node.find_iter(chunk).find_map(|i| node_version(chunk, i)));
        found.v8 = found.v8.or_else(|| v8.find_iter(chunk).find_map(|i| v8_version(chunk, i)));
        at += if len == CHUNK { (CHUNK - MARGIN) as u64 } else { len as u64 };
    }
    Ok(found)
}

/// `N.N.N` and whatever pre-release follows [`NODE`] at `at`.
fn node_version(chunk: &[u8], at: usize) -> Option<String> {
    let start = at + NODE.len();
    let end = start + chunk[start..].iter().position(|byte| !is_version_byte(*byte))?;
    let text = std::str::from_utf8(&chunk[start..end]).ok()?;
    let release = text.split('-').next()?;
    is_dotted(release, 3).then(|| text.to_owned())
}

/// `N.N.N.N` before and `N` after [`V8`] at `at`.
fn v8_version(chunk: &[u8], at: usize) -> Option<String> {
    let start = chunk[..at].iter().rposition(|byte| !(byte.is_ascii_digit() || *byte == b'.'))? + 1;
    let tail = at + V8.len();
    let end = tail + chunk[tail..].iter().position(|byte| !byte.is_ascii_digit())?;
    let number = std::str::from_utf8(&chunk[start..at]).ok()?;
    let text = std::str::from_utf8(&chunk[start..end]).ok()?;
    (is_dotted(number, 4) && end > tail).then(|| text.to_owned())
}

fn is_version_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+')
}

fn is_dotted(text: &str, parts: usize) -> bool {
    let mut count = 0;
    text.split('.').all(|part| {
        count += 1;
        !part.is_empty() && part.len() <= 5 && part.bytes().all(|byte| byte.is_ascii_digit())
    }) && count == parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(file: &[u8]) -> (Option<String>, Option<String>) {
        let read = |at: u64, to: &mut [u8]| {
            let at = usize::try_from(at).unwrap();
            to.copy_from_slice(&file[at..at + to.len()]);
            Ok(())
        };
        let found = find(0..file.len() as u64, read).unwrap();
        (found.node, found.v8)
    }

    #[test]
    fn literals_of_real_builds() {
        for (file, node, v8) in [
            ("x\0node.js/v20.20.2\0y\x0011.3.244.8-node.38\0", Some("20.20.2"), Some("11.3.244.8-node.38")),
            ("\0node.js/v27.0.0-nightly20260101abc\0", Some("27.0.0-nightly20260101abc"), None),
            ("\0node.js/vX\0node.js/v1.2\0-node.\0\x001.2.3-node.4\0", None, None),
            ("\0node-v20.20.2-headers.tar.gz\0\x0014.6.202.34-electron.0\0", None, None),
        ] {
            assert_eq!(versions(file.as_bytes()), (node.map(String::from), v8.map(String::from)), "{file:?}");
        }
    }

    #[test]
    fn a_literal_across_two_chunks_is_found() {
        let literal = b"\0node.js/v18.20.8\0";
        for cut in 0..literal.len() {
            let mut file = vec![b' '; CHUNK - cut];
            file.extend_from_slice(literal);
            file.extend_from_slice(&[b' '; 100]);
            assert_eq!(versions(&file).0.as_deref(), Some("18.20.8"), "cut at {cut}");
        }
    }
}
