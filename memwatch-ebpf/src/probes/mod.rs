//! The programs, in the order in which a process meets them.

mod process;

mod isolate;

mod collection;

mod marking;

mod malloc;

mod allocation;

mod stack;

mod survivors;

mod mapping;
