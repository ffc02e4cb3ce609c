//! What each isolate and each process did, in bounded memory. Pure: time comes in with the events.

pub(crate) mod buckets;
pub(crate) mod budget;
pub(crate) mod climb;
pub(crate) mod epochs;
pub(crate) mod isolate;
pub(crate) mod memwatch;
pub(crate) mod pauses;
pub(crate) mod process;
mod sizes;
pub(crate) mod valleys;

pub use buckets::Buckets;
pub use budget::Budget;
pub use climb::Climb;
pub use epochs::Epochs;
pub use isolate::Isolate;
pub use memwatch::{Memwatch, MemwatchLeak, MemwatchStats};
pub use pauses::Pauses;
pub use process::{Isolates, ProcessSeries, Series};
pub use sizes::Sizes;
pub use valleys::{Valley, Valleys};
