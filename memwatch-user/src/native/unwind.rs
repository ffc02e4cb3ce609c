//! A copied stack to return addresses, by `.eh_frame` where a file has it and by frame pointers where not.
//!
//! Addons and libc are built without frame pointers. Tables in the kernel would cost a search at every frame of every
//! trap; a copy costs two tenths of a microsecond at the few blocks that are sampled, and is walked here at leisure.
//! JavaScript's frames have frame pointers and no tables.

use std::{
    borrow::Cow,
    collections::HashMap,
    ops::Range,
    time::{Duration, Instant},
};

use framehop::{
    CacheNative, ExplicitModuleSectionInfo, FrameAddress, MayAllocateDuringUnwind, Module, UnwindRegsNative,
    Unwinder as _, UnwinderNative,
};
use memwatch_common::native::{BlockSample, StackCopy};

use super::tables::{self, Bytes};
use crate::{
    plan::malloc::Frame,
    target::{
        elf::{Section, Unwind},
        library,
        maps::{self, Mapping},
    },
};

/// Frames of a stack that are kept.
const MOST_FRAMES: usize = 24;
/// How often the mappings are looked at while stacks are walked: addons are loaded late, and taken away with their workers, so
/// that others come to lie where they were.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Parts of one file that are farther apart are mapped for themselves: V8 maps its embedded code a second time, near to
/// the code that it compiles.
const NEAR: u64 = 1 << 30;
/// Frames that tell a site from others: a wrapper of the allocator is called from many places.
const KEY_FRAMES: usize = 4;

/// Walks copied stacks of one process.
pub(super) struct Stacks<'a> {
    pid: u32,
    /// Where the caller is, from addresses in code without tables.
    bare: Cow<'a, HashMap<u64, Frame>>,
    files: Vec<File>,
    /// As of the last look; in the order of addresses. Those of one file may lie on both sides of another's.
    mappings: Vec<Mapping>,
    unwinder: UnwinderNative<Bytes, MayAllocateDuringUnwind>,
    cache: CacheNative<MayAllocateDuringUnwind>,
    looked: Option<Instant>,
}

/// Mappings of one file that lie together.
struct File {
    range: Range<u64>,
    first: Mapping,
    loaded: bool,
}

/// Where the walk of a stack begins, or a frame of it.
#[derive(Clone, Copy)]
struct At {
    ip: u64,
    sp: u64,
    bp: u64,
}

impl<'a> Stacks<'a> {
    /// Of the process `pid`, whose code at the addresses `bare` has no tables.
    pub(super) fn of(pid: u32, bare: &'a HashMap<u64, Frame>) -> Self {
        Self::over(pid, Cow::Borrowed(bare))
    }

    /// Likewise.
    pub(super) fn over(pid: u32, bare: Cow<'a, HashMap<u64, Frame>>) -> Self {
        Self {
            pid,
            bare,
            files: Vec::new(),
            mappings: Vec::new(),
            unwinder: UnwinderNative::new(),
            cache: CacheNative::new(),
            looked: None,
        }
    }

    /// Addresses inside of the calls that led to a sample, innermost first, the allocator's own frame left out. They end where
    /// JavaScript called; where that is not known, there may be frames of it, or none.
    pub(super) fn walk(&mut self, sample: &BlockSample) -> Vec<u64> {
        Self::without_allocator(&self.unwind(&sample.copy), sample.call_site)
    }

    /// The same with the frame that the copy was made in, and whatever called it.
    pub(super) fn unwind(&mut self, copy: &StackCopy) -> Vec<u64> {
        if self.looked.is_none_or(|at| at.elapsed() > LOOK_AGAIN) {
            self.look();
        }
        loop {
            let frames = self.walk_once(copy);
            if !self.load_for(&frames) {
                return frames;
            }
        }
    }

    /// The mapping that the code at `address` is in, if it is of a file that is known.
    pub(super) fn mapping(&self, address: u64) -> Option<&Mapping> {
        let after = self.mappings.partition_point(|mapping| mapping.end <= address);
        self.mappings.get(after).filter(|mapping| mapping.start <= address)
    }

    /// A frame's look-up address lies inside of the call, hence before the address that is returned to.
    fn walk_once(&mut self, copy: &StackCopy) -> Vec<u64> {
        let mut read = |address: u64| word(copy, address).ok_or(());
        let start = self.beyond_bare(copy);
        let mut registers = registers(start);
        let mut frame = if start.ip == copy.ip {
            Some(FrameAddress::from_instruction_pointer(start.ip))
        } else {
            FrameAddress::from_return_address(start.ip)
        };
        let mut walked = Vec::new();
        while let Some(address) = frame.filter(|_| walked.len() < MOST_FRAMES) {
            let next = self.unwinder.unwind_frame(address, &mut registers, &mut self.cache, &mut read);
            let next = next.ok().flatten();
            // The stack pointer is by now where the frame ends: that of V8's stub between the two ends beyond the exit frame's
            // pointer.
            if next.is_some() && copy.exit_fp != 0 && registers.sp() > copy.exit_fp {
                break;
            }
            walked.push(address.address_for_lookup());
            frame = next.and_then(FrameAddress::from_return_address);
        }
        walked
    }

    /// The innermost frame of code that has tables.
    fn beyond_bare(&self, copy: &StackCopy) -> At {
        let mut at = At { ip: copy.ip, sp: copy.sp, bp: copy.bp };
        let caller = |at: At| {
            let frame = self.bare.get(&at.ip)?;
            let sp = at.sp.checked_add(frame.size)?;
            let bp = match frame.saved_frame_pointer {
                Some(saved) => word(copy, at.sp.checked_add(saved)?)?,
                None => at.bp,
            };
            Some(At { ip: word(copy, sp.checked_sub(8)?)?, sp, bp })
        };
        // Each frame is above the one before, and the copy ends.
        while let Some(outer) = caller(at) {
            at = outer;
        }
        at
    }

    /// From the caller that the kernel side named on: what is before it passes allocations on.
    fn without_allocator(frames: &[u64], call_site: u64) -> Vec<u64> {
        let caller = call_site.wrapping_sub(1);
        match frames.iter().position(|frame| *frame == caller || *frame == call_site) {
            Some(at) => frames[at..].to_vec(),
            None => vec![caller],
        }
    }

    /// Loads the files of frames that were not loaded. Whether there were any.
    fn load_for(&mut self, frames: &[u64]) -> bool {
        let mut any = false;
        for file in &mut self.files {
            if !file.loaded && frames.iter().any(|frame| file.range.contains(frame)) {
                file.loaded = true;
                any = true;
                if let Some(module) = module(self.pid, file) {
                    self.unwinder.add_module(module);
                }
            }
        }
        any
    }

    /// Those of the innermost `frames` that tell a site from others. An addon's function is the same site whichever way V8
    /// took to it, so what is in the program itself counts only where there is nothing else.
    pub(super) fn key<'f>(&self, frames: &'f [u64]) -> &'f [u64] {
        let program = self.files.iter().min_by_key(|file| file.range.start).map(|file| &file.range);
        let is_program = |frame: &u64| program.is_some_and(|range| range.contains(frame));
        let outside = frames.iter().position(is_program).filter(|count| *count > 0).unwrap_or(frames.len());
        &frames[..outside.min(KEY_FRAMES)]
    }

    /// What was loaded of files that are where they were stays so.
    fn look(&mut self) {
        self.looked = Some(Instant::now());
        let Ok(mappings) = maps::of(self.pid) else { return };
        let mut files = files(&mappings);
        for start in gone(&self.files, &mut files) {
            self.unwinder.remove_module(start);
        }
        (self.mappings, self.files) = (mappings, files);
    }
}

/// Marks as loaded those of `files` that were `before`; where others begin that were loaded, and are no more.
fn gone(before: &[File], files: &mut [File]) -> Vec<u64> {
    let is_gone = |file: &&File| match files.iter_mut().find(|now| now.is(file)) {
        Some(same) => {
            same.loaded = true;
            false
        }
        None => true,
    };
    before.iter().filter(|file| file.loaded).filter(is_gone).map(|file| file.range.start).collect()
}

fn files(mappings: &[Mapping]) -> Vec<File> {
    let mut files: Vec<File> = Vec::new();
    for mapping in mappings {
        if let Some(file) = files.iter_mut().find(|file| file.is_continued_by(mapping)) {
            file.range.start = file.range.start.min(mapping.start);
            file.range.end = file.range.end.max(mapping.end);
        } else {
            let range = mapping.start..mapping.end;
            files.push(File { range, first: mapping.clone(), loaded: false });
        }
    }
    files
}

impl File {
    fn is_continued_by(&self, mapping: &Mapping) -> bool {
        let Range { start, end } = self.range;
        let is_near = mapping.start < end.saturating_add(NEAR) && start < mapping.end.saturating_add(NEAR);
        is_near && (mapping.inode, &mapping.path) == (self.first.inode, &self.first.path)
    }

    /// Whether it is the same one in the same place, under whatever name.
    fn is(&self, other: &Self) -> bool {
        let place = |file: &Self| (file.range.clone(), file.first.inode, file.first.offset);
        place(self) == place(other)
    }
}

/// A word of a copied stack.
fn word(copy: &StackCopy, address: u64) -> Option<u64> {
    let at = usize::try_from(address.checked_sub(copy.sp)?).ok()?;
    let copied = copy.stack.get(..usize::try_from(copy.stack_len).ok()?)?;
    let word = copied.get(at..at.checked_add(8)?)?;
    word.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(target_arch = "x86_64")]
fn registers(at: At) -> UnwindRegsNative {
    UnwindRegsNative::new(at.ip, at.sp, at.bp)
}

#[cfg(target_arch = "aarch64")]
fn registers(at: At) -> UnwindRegsNative {
    UnwindRegsNative::new(0, at.sp, at.bp)
}

fn module(pid: u32, file: &File) -> Option<Module<Bytes>> {
    let library = library::open(pid, &file.first)?;
    let tables = tables::of(&library.elf)?;
    let Unwind { eh_frame, eh_frame_hdr, text, got } = &*tables;
    let span = |section: &Section| {
        (section.size > 0).then(|| section.address..section.address.saturating_add(section.size))
    };
    let sections = ExplicitModuleSectionInfo {
        base_svma: 0,
        text_svma: span(text),
        got_svma: span(got),
        eh_frame_svma: span(eh_frame),
        eh_frame_hdr_svma: span(eh_frame_hdr),
        eh_frame: Bytes::new(&tables, |tables| &tables.eh_frame.bytes),
        eh_frame_hdr: Bytes::new(&tables, |tables| &tables.eh_frame_hdr.bytes),
        ..ExplicitModuleSectionInfo::default()
    };
    Some(Module::new(library.path, file.range.clone(), library.bias, sections))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping((start, inode, name): (u64, u64, &str)) -> Mapping {
        Mapping { start, end: start + 0x10, offset: 0, inode, path: name.into() }
    }

    fn seen(mappings: &[(u64, u64, &str)]) -> Vec<File> {
        files(&mappings.iter().copied().map(mapping).collect::<Vec<_>>())
    }

    #[test]
    fn parts_of_one_file_that_lie_together_are_one() {
        let files = seen(&[
            (0x10, 1, "/a"),
            (0x20, 2, "/b"),
            (0x30, 1, "/a"),
            (2 * NEAR, 1, "/a"),
            (2 * NEAR + 0x20, 3, "/a"),
        ]);
        let ranges: Vec<_> = files.iter().map(|file| (file.range.start, file.range.end)).collect();
        let far = 2 * NEAR;
        assert_eq!(ranges, [(0x10, 0x40), (0x20, 0x30), (far, far + 0x10), (far + 0x20, far + 0x30)]);
    }

    /// An addon goes with its worker, and comes elsewhere, or another one in its place; a file's name changes when it is deleted.
    #[test]
    fn what_is_unloaded_or_moved_is_loaded_anew() {
        let mut before =
            seen(&[(0x100, 1, "/node"), (0x200, 2, "/addon"), (0x300, 3, "/other"), (0x400, 4, "/idle")]);
        before[..3].iter_mut().for_each(|file| file.loaded = true);
        for (now, expected_gone, expected_loaded) in [
            (
                &[
                    (0x100, 1, "/node (deleted)"),
                    (0x200, 2, "/addon"),
                    (0x300, 3, "/other"),
                    (0x400, 4, "/idle"),
                ][..],
                &[][..],
                &[true, true, true, false][..],
            ),
            (
                &[(0x100, 1, "/node"), (0x300, 3, "/other"), (0x500, 2, "/addon")],
                &[0x200],
                &[true, true, false],
            ),
            (&[(0x100, 1, "/node"), (0x200, 5, "/third")], &[0x200, 0x300], &[true, false]),
        ] {
            let mut files = seen(now);
            assert_eq!(gone(&before, &mut files), expected_gone, "{now:?}");
            assert_eq!(files.iter().map(|file| file.loaded).collect::<Vec<_>>(), expected_loaded, "{now:?}");
        }
    }
}
