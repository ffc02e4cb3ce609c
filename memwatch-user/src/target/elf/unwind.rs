//! The sections that say how to walk up the stack: `.eh_frame` and what is needed to read it.

use gimli::{BaseAddresses, CfaRule, EhFrame, LittleEndian, UnwindContext, UnwindSection, X86_64};
use object::{
    LittleEndian as LE, ReadCache,
    elf::FileHeader64,
    read::elf::{FileHeader, SectionHeader},
};

use super::{Elf, ElfError};

/// A section's bytes and where they are linked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Address as linked.
    pub address: u64,
    /// Its bytes; none if the file has no such section.
    pub bytes: Vec<u8>,
    /// How many there are in memory.
    pub size: u64,
}

/// What unwinding needs of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unwind {
    /// `.eh_frame`.
    pub eh_frame: Section,
    /// `.eh_frame_hdr`.
    pub eh_frame_hdr: Section,
    /// `.text`, without its bytes.
    pub text: Section,
    /// `.got`, without its bytes.
    pub got: Section,
}

impl Elf {
    /// Reads what unwinding needs, at most `most` bytes of each section: a larger one is taken for absent.
    pub fn unwind(&self, most: u64) -> Result<Unwind, ElfError> {
        let cache = ReadCache::new(self.file());
        let header = FileHeader64::<LE>::parse(&cache)?;
        let sections = header.sections(LE, &cache)?;
        let mut found = Unwind::default();
        for section in sections.iter() {
            let (place, wants_bytes) = match sections.section_name(LE, section)? {
                b".eh_frame" => (&mut found.eh_frame, true),
                b".eh_frame_hdr" => (&mut found.eh_frame_hdr, true),
                b".text" => (&mut found.text, false),
                b".got" => (&mut found.got, false),
                _ => continue,
            };
            // A second one of that name is none that a linker makes.
            if place.size > 0 {
                continue;
            }
            let size = section.sh_size(LE);
            let bytes =
                if wants_bytes && size <= most { section.data(LE, &cache)?.to_vec() } else { Vec::new() };
            *place = Section { address: section.sh_addr(LE), bytes, size };
        }
        Ok(found)
    }
}

impl Unwind {
    /// How far above the stack pointer the caller's frame begins at the instruction at `address`, as linked; the return
    /// address is right below it. `None` where the tables do not say so in these terms.
    #[must_use]
    pub fn frame_offset(&self, address: u64) -> Option<u64> {
        let mut frames = EhFrame::new(&self.eh_frame.bytes, LittleEndian);
        frames.set_address_size(8);
        let bases = BaseAddresses::default()
            .set_eh_frame(self.eh_frame.address)
            .set_eh_frame_hdr(self.eh_frame_hdr.address)
            .set_text(self.text.address)
            .set_got(self.got.address);
        let mut context = UnwindContext::new();
        let row = frames.unwind_info_for_address(&bases, &mut context, address, EhFrame::cie_from_offset);
        match row.ok()?.cfa() {
            CfaRule::RegisterAndOffset { register, offset } if *register == X86_64::RSP => {
                u64::try_from(*offset).ok()
            }
            _ => None,
        }
    }
}
