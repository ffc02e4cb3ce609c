//! An ELF file's code as a whole, and its data by address.

use std::io;

use super::{Elf, limits};

/// What is read at once.
const CHUNK: u64 = 256 * 1024;

impl Elf {
    /// Hands all executable segments to `visit`, in chunks that overlap by `overlap` bytes.
    pub fn code_chunks(&self, overlap: u64, mut visit: impl FnMut(&[u8])) -> io::Result<()> {
        let executable = || self.segments.iter().filter(|segment| segment.executable);
        let bytes = executable().fold(0, |sum: u64, segment| sum.saturating_add(segment.file_size));
        limits::check(&(0..bytes), limits::MAX_CODE, "code")?;
        let mut buffer = Vec::new();
        for segment in executable() {
            let end = segment.offset.saturating_add(segment.file_size);
            for start in (segment.offset..end).step_by(usize::try_from(CHUNK).unwrap_or(usize::MAX)) {
                let len = (end - start).min(CHUNK + overlap);
                buffer.resize(usize::try_from(len).unwrap_or_default(), 0);
                self.read(start, &mut buffer)?;
                visit(&buffer);
            }
        }
        Ok(())
    }

    /// Where in the file what is linked at `address` is; `None` if it is not in the file.
    #[must_use]
    pub fn data_offset(&self, address: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let inside = address.checked_sub(segment.address)?;
            (inside < segment.file_size).then(|| segment.offset + inside)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn our_own_code_and_data_are_read() {
        let us = Elf::open(Path::new("/proc/self/exe")).unwrap();
        let mut bytes = 0;
        us.code_chunks(8, |chunk| bytes += chunk.len()).unwrap();
        let segments = us.segments.iter().filter(|segment| segment.executable);
        assert!(bytes as u64 >= segments.map(|segment| segment.file_size).sum());
        let first = us.segments[0];
        assert_eq!(us.data_offset(first.address), Some(first.offset));
        assert_eq!(us.data_offset(u64::MAX), None);
    }
}
