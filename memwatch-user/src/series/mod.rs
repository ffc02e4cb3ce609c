//! What each isolate did, in bounded memory. Pure: time comes in with the events.

pub mod budget;
pub mod isolate;
pub mod memwatch;
pub mod pauses;
pub mod valleys;

pub use budget::Budget;
pub use isolate::Isolate;
pub use memwatch::{Memwatch, MemwatchLeak, MemwatchStats};
pub use pauses::Pauses;
pub use valleys::{Valley, Valleys};
