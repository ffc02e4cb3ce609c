//! What each isolate and each process did, in bounded memory. Pure: time comes in with the events.

pub mod buckets;
pub mod budget;
pub mod climb;
pub mod epochs;
pub mod isolate;
pub mod memwatch;
pub mod pauses;
pub mod process;
pub mod valleys;

pub use buckets::Buckets;
pub use budget::Budget;
pub use climb::Climb;
pub use epochs::Epochs;
pub use isolate::Isolate;
pub use memwatch::{Memwatch, MemwatchLeak, MemwatchStats};
pub use pauses::Pauses;
pub use process::{Isolates, ProcessSeries, Series};
pub use valleys::{Valley, Valleys};
