//! The stack of JavaScript of the running thread, read from its memory while it stands still in our probe.
//!
//! Every frame of V8 has a frame pointer, and `Isolate::c_entry_fp` is that of the innermost frame that left JavaScript
//! for C++. From there the frame pointers lead outwards; where C++ has called JavaScript, the entry frame holds the
//! `c_entry_fp` from before. No frame of C++ is touched.
//!
//! Generated code calls some C functions itself, without an exit frame: those of the embedder that have a fast path for it
//! (`v8::CFunction`), and V8's own. Where it does, it notes its frame pointer and where it goes on, for V8's profiler.
//!
//! Nothing that varies by path is carried from one pass of the loop to the next in a register: the verifier would follow
//! each combination (a million instructions at 32 passes), and 5.10 has no `bpf_loop`.

use aya_ebpf::programs::ProbeContext;
use memwatch_common::{
    loss::LossReason,
    stack::{
        JsFrame, MAX_FRAMES, StackEvent, StackKey, StackLayout, StackVolume, frame_kind, mix, stack_end,
        stack_start,
    },
    target::NO_OFFSET,
};

use crate::{
    frames::{RawFrame, SharedFields},
    losses,
    maps::{STACK_COUNTS, STACK_EVENTS, STACKS, TASK_LAYOUT, WALK, WALKER},
    raw::{self, Thread},
    times,
};

/// V8's tag of pointers to heap objects.
const TAG: u64 = 1;
/// Markers of the frames by which C++ enters JavaScript: `StackFrame::ENTRY` and `CONSTRUCT_ENTRY`, shifted by one.
const ENTRY_MARKERS: [u64; 2] = [1 << 1, 2 << 1];
/// C++ that JavaScript has called is never deeper: V8 gives JavaScript and what it calls 984 kB of stack. A frame that is
/// farther from the stack pointer, or below it, is another thread's, in whose isolate a helper of V8's works.
pub(crate) const FARTHEST_FRAME: u64 = 1 << 20;
/// What of a frame is read at once: from 64 bytes below its frame pointer to 16 above.
const BELOW: u64 = 64;

/// The innermost of V8's frames.
struct Start {
    /// A [`stack_start`].
    kind: u32,
    fp: u64,
    /// Where it goes on; of an exit frame 0, as nothing is known by it.
    pc: u64,
}

/// Goes on with the program that walks the stack, and does not come back; until that is loaded nothing is walked. `began`: when
/// this program did.
#[inline(always)]
pub(crate) fn begin(ctx: &ProbeContext, began: u64) {
    times::hand_on(began);
    raw::go_on_with(&WALKER, ctx, 0);
}

/// Counts `volume` for a stack that the thread is in, and sends it if it is new.
#[inline(always)]
pub(crate) fn count(thread: Thread, layout: &StackLayout, event: &mut StackEvent, volume: StackVolume) {
    let key = event.key;
    if let Some(known) = raw::shared(&STACKS, key) {
        let StackVolume { bytes, samples } = known.get();
        known.set(StackVolume { bytes: bytes + volume.bytes, samples: samples + volume.samples });
        return;
    }
    find_code(thread, layout, event);
    // First the event: a stack that is counted is known to the collector.
    if raw::send(&STACK_EVENTS, event).is_err() || STACKS.insert(key, volume, 0).is_err() {
        losses::count(LossReason::StacksFull);
    }
}

/// Walks the running thread's stack, whose stack pointer is `sp`. `None` if the thread runs no JavaScript at all, or if another
/// walk on this CPU got in between; the latter is counted.
#[inline(always)]
pub(crate) fn walk(thread: Thread, sp: u64, layout: &StackLayout) -> Option<&'static mut StackEvent> {
    if let Some(counts) = raw::cpu_value(&STACK_COUNTS, thread.tgid()) {
        counts.walks += 1;
    }
    let isolate = isolate(layout)?;
    let event = raw::cpu_element(&WALK, 0)?;
    let number = event.first.wrapping_add(1);
    event.first = number;
    event.last = number;
    let fp = raw::read_user(isolate.wrapping_add(u64::from(layout.c_entry_fp)))?;
    let start = match fp {
        0 => direct(layout, isolate, sp)?,
        // A helper of V8's that works in the isolate of another thread, and allocates as it collects garbage (24 on).
        _ if fp.wrapping_sub(sp) >= FARTHEST_FRAME => return None,
        _ => Ok(Start { kind: stack_start::EXIT, fp, pc: 0 }),
    };
    event.end = frames(event, layout, start);
    let hash = mix(event.key.hash, u64::from(event.end));
    event.key = StackKey { thread: thread.word(), hash };
    if matches!(event.end, stack_end::UNREADABLE | stack_end::MALFORMED) {
        losses::count(LossReason::StackUnreadable);
    }
    if event.first == number && event.last == number {
        return Some(event);
    }
    losses::count(LossReason::StackDisturbed);
    None
}

/// The isolate of the running thread; `None` on threads of V8's and Node's own.
#[inline(always)]
fn isolate(layout: &StackLayout) -> Option<u64> {
    let offset = TASK_LAYOUT.load().thread_pointer;
    if offset == NO_OFFSET {
        return None;
    }
    let thread_pointer = raw::read_kernel(raw::current_task() + u64::from(offset))?;
    raw::read_user(thread_pointer.wrapping_add_signed(layout.isolate_from_thread))
        .filter(|isolate| *isolate != 0)
}

/// Where generated code has called C itself, else why there is nothing to walk; `None` if a page was not resident.
#[inline(always)]
fn direct(layout: &StackLayout, isolate: u64, sp: u64) -> Option<Result<Start, u32>> {
    if !layout.has_direct_calls() {
        return Some(Err(stack_end::OUTSIDE));
    }
    let word = |offset: u32| raw::read_user(isolate.wrapping_add(u64::from(offset)));
    // Far away is 0, too.
    let depth = word(layout.entry_fp)?.wrapping_sub(sp);
    if depth >= FARTHEST_FRAME {
        return Some(Err(stack_end::OUTSIDE));
    }
    let (fp, pc) = (word(layout.direct_fp)?, word(layout.direct_pc)?);
    let is_between = fp.wrapping_sub(sp) <= depth;
    Some(if is_between { Ok(Start { kind: stack_start::DIRECT, fp, pc }) } else { Err(stack_end::NOWHERE) })
}

/// Reads frames from `start` on; how it ended.
#[inline(always)]
fn frames(event: &mut StackEvent, layout: &StackLayout, start: Result<Start, u32>) -> u32 {
    event.key.hash = 0;
    event.depth = 0;
    event.start = stack_start::EXIT;
    event.exit_fp = 0;
    let Start { kind, mut fp, mut pc } = match start {
        Ok(start) => start,
        Err(end) => return end,
    };
    event.start = kind;
    event.exit_fp = fp;
    for at in 0..MAX_FRAMES {
        let Some(raw_frame) = raw::read_user_value::<RawFrame>(fp.wrapping_sub(BELOW)) else {
            return stack_end::UNREADABLE;
        };
        let frame = frame(layout, &raw_frame, pc);
        event.key.hash = hash(event.key.hash, &frame);
        event.frames[at] = frame;
        event.depth = at as u32 + 1;
        let is_entry = ENTRY_MARKERS.contains(&raw_frame.context_or_marker);
        let outer = if is_entry { raw_frame.outer_entry } else { raw_frame.caller };
        if is_entry && outer == 0 {
            return stack_end::COMPLETE;
        }
        if outer <= fp {
            return stack_end::MALFORMED;
        }
        fp = outer;
        pc = raw_frame.return_address;
    }
    stack_end::TRUNCATED
}

#[inline(always)]
fn frame(layout: &StackLayout, raw_frame: &RawFrame, pc: u64) -> JsFrame {
    if raw_frame.context_or_marker & TAG == 0 {
        let position = raw_frame.context_or_marker;
        return JsFrame { kind: frame_kind::TYPED, position, ..JsFrame::default() };
    }
    function_frame(layout, raw_frame, pc).unwrap_or(JsFrame {
        kind: frame_kind::UNREADABLE,
        position: pc,
        ..JsFrame::default()
    })
}

#[inline(always)]
fn function_frame(layout: &StackLayout, raw_frame: &RawFrame, pc: u64) -> Option<JsFrame> {
    let shared = raw::read_user(field(raw_frame.function, layout.function_shared))?;
    let fields = raw::read_user_value::<SharedFields>(field(shared, layout.shared_script))?;
    // Builtins have no script.
    let script = if fields.literal < 0 {
        0
    } else {
        (raw::read_user(field(fields.script, layout.script_id))? >> 32) as u32
    };
    let interpreted = is_interpreted(layout, raw_frame);
    Some(JsFrame {
        script,
        literal: fields.literal,
        position: if interpreted { raw_frame.bytecode_offset >> 32 } else { pc },
        shared,
        // The function, until the stack proves to be new.
        code: if interpreted { raw_frame.bytecode } else { raw_frame.function },
        kind: if interpreted { frame_kind::INTERPRETED } else { frame_kind::COMPILED },
        _pad: 0,
    })
}

/// Machine code has anything in these two places; the interpreter has a Smi and a `BytecodeArray`.
#[inline(always)]
fn is_interpreted(layout: &StackLayout, raw_frame: &RawFrame) -> bool {
    let is_smi = raw_frame.bytecode_offset as u32 == 0 && raw_frame.bytecode_offset != 0;
    is_smi
        && raw_frame.bytecode & TAG != 0
        && raw::read_user(field(raw_frame.bytecode, 0))
            .and_then(|map| raw::read_user_value::<u16>(field(map, layout.map_type)))
            .is_some_and(|kind| u32::from(kind) == layout.bytecode_type)
}

/// Puts the `Code` of each compiled function in the place of the function. Only a stack that is sent needs it.
#[inline(always)]
fn find_code(thread: Thread, layout: &StackLayout, event: &mut StackEvent) {
    let table = if layout.has_code_table() { code_table(layout) } else { Some(0) };
    for frame in &mut event.frames {
        if frame.kind == frame_kind::COMPILED {
            let code = table.and_then(|table| code(layout, table, frame.code));
            frame.code = code.unwrap_or(0);
        }
    }
    event.key.thread = thread.word();
}

#[inline(always)]
fn code_table(layout: &StackLayout) -> Option<u64> {
    raw::read_user(isolate(layout)?.wrapping_add(u64::from(layout.code_table)))
}

/// From Node 24 on a function holds a handle: the upper 24 bits number an entry of 16 bytes, whose second word holds the
/// tagged address above 16 bits of flags (`JSDispatchEntry`).
#[inline(always)]
fn code(layout: &StackLayout, table: u64, function: u64) -> Option<u64> {
    let word = raw::read_user(field(function, layout.function_code))?;
    if table == 0 {
        return Some(word);
    }
    let entry = u64::from(word as u32 >> 8) * 16;
    Some((raw::read_user(table.wrapping_add(entry + 8))? >> 16) | TAG)
}

#[inline(always)]
fn hash(hash: u64, frame: &JsFrame) -> u64 {
    mix(mix(hash, frame.identity()), frame.position << 2 | u64::from(frame.kind))
}

/// Address of a field of a tagged object.
#[inline(always)]
fn field(object: u64, offset: u32) -> u64 {
    object.wrapping_sub(TAG).wrapping_add(u64::from(offset))
}
