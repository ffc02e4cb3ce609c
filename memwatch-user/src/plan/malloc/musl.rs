//! musl's allocator (`mallocng`, since 1.2.1): one place in `malloc` that every block passes, found by following all ways
//! through it, as neither its functions nor its unwinding tables are exported.
//!
//! `malloc` begins with a jump to what `calloc`, `realloc`, `memalign` and `aligned_alloc` call as well
//! (`__libc_malloc_impl`, `src/malloc/mallocng/glue.h`), so all blocks are seen there; whose they are is said by where
//! those functions call it. Debian's builds of 1.2.2, 1.2.3 and 1.2.5, and 1.2.6 with -O2, -O3 and -Os, with and without frame
//! pointers, all have one such place, in `enframe`: `set_size` asks whether all of a slot was asked for.

use std::collections::{BTreeMap, HashMap};

use iced_x86::Register;
use memwatch_common::native::Spot;

use super::{
    MallocPlan, MallocProbe, Marks, Point,
    decode::{self, instructions},
    flow::{Flow, Frame, Place},
    named, probes,
    wrappers::{self, Passes, WRAPPERS, Wrapper},
};
use crate::target::{Allocator, elf::Elf, library::Library};

/// Functions that get their block from `malloc`, and when it is their caller's. `aligned_alloc` moves the block's beginning;
/// `posix_memalign` and `memalign` get theirs from it.
const CALLERS: [(&str, Passes); 4] = [
    ("calloc", Passes::Always),
    ("realloc", Passes::Sampled),
    ("aligned_alloc", Passes::Never),
    ("posix_memalign", Passes::Always),
];
/// Functions with probes of their own, beside `malloc`.
const PROBED: [&str; 3] = ["realloc", "aligned_alloc", "free"];
/// Functions that `malloc` calls, and those call.
const MOST_INNER: usize = 64;

/// What is found in musl's code.
pub(super) struct Musl {
    probes: Vec<MallocProbe>,
    place: Place,
    /// By address as linked: who gets blocks from `malloc`, and whose those are.
    returns: BTreeMap<u64, (Frame, Passes)>,
}

impl Musl {
    /// Looks for it. The error says in words why blocks cannot be sampled.
    pub(super) fn of(library: &Library) -> Result<Self, &'static str> {
        const UNKNOWN: &str = "the code of this malloc cannot be followed";
        let elf = &library.elf;
        let address = |name| Some(named(elf, &[name]).ok()?.first()?.address);
        let flow = |name| Flow::of(elf, address(name)?);
        let size = flow("malloc_usable_size").ok_or(UNKNOWN)?;
        // `get_meta` reads a block's index and its offset; before 1.2.1 there was a word with its size.
        if !(size.reads_before(3, 1) && size.reads_before(2, 2)) {
            return Err(
                "this is the allocator of musl before 1.2.1, whose freed blocks cannot be recognised from outside",
            );
        }
        let malloc = flow("malloc").ok_or(UNKNOWN)?;
        let place = malloc.place(Register::RDI).ok_or(UNKNOWN)?;
        let at = place.instruction.ip();
        let callers = CALLERS.into_iter().chain(WRAPPERS.map(|name| (name, Passes::Always)));
        let flows = callers.filter_map(|(name, passes)| Some((flow(name)?, passes)));
        // Groups of small blocks are made in blocks of their own.
        let inner = malloc.callees(elf, MOST_INNER).into_iter().map(|callee| (callee, Passes::Never));
        let returns = flows.chain(inner).flat_map(|(flow, passes)| {
            flow.returns(elf, at).into_iter().map(move |(to, frame)| (to, (frame, passes)))
        });
        let returns: BTreeMap<u64, (Frame, Passes)> = returns.collect();
        let probes = probes(elf, &place).filter(|_| returns.len() <= wrappers::MOST).ok_or(UNKNOWN)?;
        Ok(Self { probes, place, returns })
    }

    /// The plan, for a process that has it mapped as `library`.
    pub(super) fn plan(self, library: Library, mut wrappers: Vec<Wrapper>) -> MallocPlan {
        let bias = library.bias;
        wrappers.extend(self.returns.iter().map(|(at, (frame, passes))| Wrapper {
            address: at.wrapping_add(bias),
            frame: frame.size,
            passes: *passes,
        }));
        let places = [(self.place.instruction.ip(), self.place.frame)];
        let frames = self.returns.iter().map(|(at, (frame, _))| (*at, *frame)).chain(places);
        let frames: HashMap<u64, Frame> = frames.map(|(at, frame)| (at.wrapping_add(bias), frame)).collect();
        MallocPlan {
            allocator: Allocator::Musl,
            library,
            probes: self.probes,
            wrappers,
            frames,
            marks: Ok(Marks::Musl),
            has_own_new: false,
        }
    }
}

fn probes(elf: &Elf, place: &Place) -> Option<Vec<MallocProbe>> {
    let spot = Spot {
        frame: u16::try_from(place.frame.size).ok()?,
        result: Some(place_of(place.result)?),
        asked: Some(place_of(place.argument)?),
    };
    let mut all = vec![probes::at(elf, "malloc", Point::Result, &place.instruction, spot)?];
    for function in PROBED {
        let symbol = named(elf, &[function]).ok()?.into_iter().next()?;
        let mut code = vec![0; decode::CODE_BYTES];
        elf.read(elf.code_offset(symbol.address)?, &mut code).ok()?;
        let code = instructions(&code, symbol.address);
        let ends = [(Point::Entry, decode::entry(&code)), (Point::Return, code.first())];
        all.extend(
            ends.into_iter().filter_map(|(point, at)| probes::at(elf, function, point, at?, Spot::default())),
        );
    }
    Some(all)
}

/// Where a register is in the kernel's `pt_regs` (`arch/x86/include/asm/ptrace.h`), bytes.
fn place_of(register: Register) -> Option<u8> {
    const ORDER: [Register; 15] = [
        Register::R15,
        Register::R14,
        Register::R13,
        Register::R12,
        Register::RBP,
        Register::RBX,
        Register::R11,
        Register::R10,
        Register::R9,
        Register::R8,
        Register::RAX,
        Register::RCX,
        Register::RDX,
        Register::RSI,
        Register::RDI,
    ];
    let at = ORDER.iter().position(|one| *one == register)?;
    u8::try_from(8 * at).ok()
}
