//! How a target ended.

use serde::{Deserialize, Serialize};

/// The target is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum End {
    /// It exited.
    Exit {
        /// Its exit code.
        code: i32,
    },
    /// A signal killed it.
    Signal {
        /// The signal's number.
        signal: i32,
        /// The signal's name, for example `SIGKILL`.
        name: String,
    },
    /// The kernel's OOM killer killed it.
    OomKill {
        /// `cgroup` or `host`; null if it could not be told.
        scope: Option<String>,
    },
    /// V8 ran out of memory and aborted.
    V8OutOfMemory {
        /// Which isolate, if we knew it.
        isolate: Option<u32>,
        /// V8's words.
        location: Option<String>,
    },
    /// It executed another program.
    Exec,
    /// It is gone, and how could not be learned.
    Unknown,
}
