//! Programs and maps in the kernel, behind types: names of programs and maps appear here and nowhere else.
//!
//! * [`object`]: the object that the build embedded;
//! * [`load`]: the object, loaded: [`load::Kernel`];
//! * [`targets`]: whom its programs look at;
//! * [`error`]: why the kernel's side cannot be loaded or spoken to;
//! * [`losses`]: its counters of losses, by process and reason;
//! * [`attach`]: a plan's probes, live on one binary;
//! * [`stacks`]: what was allocated where;
//! * [`survivors`]: objects that are followed until they die;
//! * [`malloc`]: an instance of the object that follows one process's allocator: [`malloc::Tap`];
//! * [`mappings`]: an instance that sees what processes map themselves;
//! * [`armed`]: its probes while they are live;
//! * [`relocated`]: programs of the object that aya does not load;
//! * [`walker`]: the one that walks stacks;
//! * [`multi`]: uprobes of many places in one link, where the kernel has them;
//! * [`ids`]: what the kernel has, by number;
//! * [`parting`]: letting go of everything without waiting for it;
//! * [`times`]: how long programs take, for the bench;
//! * [`ring`]: records, as they arrive;
//! * [`raw`]: the unsafe code.

pub(crate) mod armed;
pub mod attach;
pub(crate) mod error;
pub mod ids;
pub mod load;
pub(crate) mod losses;
pub mod malloc;
pub(crate) mod mappings;
pub mod multi;
pub mod object;
pub(crate) mod parting;
pub(crate) mod raw;
mod relocated;
pub mod ring;
pub mod stacks;
pub mod survivors;
pub mod targets;
pub mod times;
pub(crate) mod trial;
pub mod walker;
