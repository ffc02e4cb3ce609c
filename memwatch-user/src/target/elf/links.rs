//! What links a file to others: what it exports, and where the dynamic loader puts the addresses of what it imports.

use std::io;

use object::{
    LittleEndian as LE,
    elf::{R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT, Rela64},
    pod,
    read::elf::Sym as _,
};

use super::{Elf, Machine, limits, symbols::is_defined};

impl Elf {
    /// Whether other files can call its function `name`. In a program it goes before that of any library.
    pub fn exports(&self, name: &str) -> io::Result<bool> {
        Ok(!self.dynamic(name, is_defined)?.is_empty())
    }

    /// Where, as linked, a process has the address of the `name` that the file imports.
    pub fn slots(&self, name: &str) -> io::Result<Vec<u64>> {
        if self.machine != Machine::X86_64 {
            return Ok(Vec::new());
        }
        let imports: Vec<u32> =
            self.dynamic(name, |symbol| symbol.st_shndx(LE) == 0)?.iter().map(|at| at.index).collect();
        let is_slot = |one: &Rela64<LE>| {
            [R_X86_64_JUMP_SLOT, R_X86_64_GLOB_DAT].contains(&one.r_type(LE, false))
                && imports.contains(&one.r_sym(LE, false))
        };
        let mut slots = Vec::new();
        let bytes = self.relocations.iter().map(|range| range.end - range.start).sum();
        limits::check(&(0..bytes), limits::MAX_RELOCATIONS, "table of relocations")?;
        for range in self.relocations.iter().filter(|_| !imports.is_empty()) {
            self.in_chunks(range, 0, |_, bytes| {
                let count = bytes.len() / size_of::<Rela64<LE>>();
                let Ok((all, _)) = pod::slice_from_bytes::<Rela64<LE>>(bytes, count) else { return false };
                slots.extend(all.iter().filter(|one| is_slot(one)).map(|one| one.r_offset.get(LE)));
                true
            })?;
        }
        Ok(slots)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn our_own_program_imports_malloc_and_exports_none() {
        let us = Elf::open(Path::new("/proc/self/exe")).unwrap();
        assert!(!us.exports("malloc").unwrap());
        assert!(!us.slots("malloc").unwrap().is_empty());
        assert!(us.slots("no such function").unwrap().is_empty());
    }
}
