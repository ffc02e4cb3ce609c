//! The tests that need a kernel and a real Node. Each module is one promise.
//!
//! - [`core`]: attaching, reporting, detaching; also run on every kernel of the support matrix.
//! - [`exactness`]: on every release, what we report is what V8 itself says.
//! - [`gc_starts`]: which line of JavaScript a collection starts in, or that it is none.
//! - [`isolates`]: main thread and workers are told apart, each with its own limit.
//! - [`js_profiler`]: where JavaScript allocates is where V8's own profiler says.
//! - [`js_stacks`]: functions and lines of what JavaScript allocates are true, in every tier.
//! - [`js_storms`]: a million stacks are walked while V8 compacts and deoptimizes, and nobody is harmed.
//! - [`losses`]: what one process loses is nothing to the others.
//! - [`verdict`]: a leak is called one, a cache is not, and the exit status says so.
//! - [`memwatch_event`]: node-memwatch's `leak` event and its eight statistics, in its words.
//! - [`endings`]: how the target died is the last thing that is said of it.
//! - [`bad_input`]: one clear line, exit status 2, nothing attached.
//! - [`selection`]: every way to say whom to watch, and nobody else.
//! - [`unharmed`]: whatever happens to us, the target goes on and nothing stays in the kernel.
//! - [`containers`]: namespaces, overlays that share a file, a binary that was replaced.
//! - [`builds`]: binaries without symbols, musl, V8 in a shared library.
//! - [`outside_heap`]: array buffers and external bytes are what the process says itself.
//! - [`neighbours`]: what one target does delays no other one.
//! - [`output`]: help, JSON Lines and plain lines.
//! - [`doctor`]: what is allowed here, each line with its fix.
//! - [`heap_take`]: a heap is read at any moment, or refused with the reason.
//! - [`heap_truth`]: the heap read from outside is the one that V8 describes.
//! - [`demo`]: a leak is caught before a newcomer's eyes.
//! - [`direct_calls`]: the callers of native code that compiled JavaScript calls without an exit frame.
//! - [`malloc_books`]: the allocator's books read from outside are what it says itself.
//! - [`native_memory`]: who holds the memory of malloc, exactly or within a budget.
//! - [`heap_ask`]: each class of a heap has its holder, and nothing is printed of values.
//! - [`heap_diff`]: what is kept between two takes is counted to the object.
//! - [`native_windows`]: whatever happens while its probes are armed, they go.
//! - [`plan_cache`]: a plan that is wrong is not used.
//! - [`pprof`]: profiles open in the standard viewer.
//! - [`sinks`]: several outputs at once; one that is slow, or fails, holds up nobody.
//! - [`survivors`]: what is said to be alive of what JavaScript made is.
//! - [`readings`]: what a process holds, read from outside, is what it says itself.
//!
//! `MEMWATCH_FULL=1` runs on all nine releases and does everything a hundred times that is done less often otherwise;
//! `MEMWATCH_BLESS=1` writes the golden files anew.

mod bad_input;
mod builds;
mod compare;
mod containers;
mod core;
mod demo;
mod direct_calls;
mod direct_mappings;
mod doctor;
mod endings;
mod exactness;
mod gc_starts;
mod golden;
mod heap_ask;
mod heap_diff;
mod heap_graph;
mod heap_holders;
mod heap_judged;
mod heap_take;
mod heap_truth;
mod isolates;
mod js_profiler;
mod js_stacks;
mod js_storms;
mod losses;
mod malloc_books;
mod memwatch_event;
mod native_allocators;
mod native_callers;
mod native_memory;
mod native_musl;
mod native_truth;
mod native_windows;
mod neighbours;
mod output;
mod outside_heap;
mod plan_cache;
mod pprof;
mod readings;
mod rights;
mod selection;
mod sinks;
mod survivors;
mod unharmed;
mod verdict;
