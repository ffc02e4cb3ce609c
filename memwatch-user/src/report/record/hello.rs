//! What is known of a target when we attach.

use serde::{Deserialize, Serialize};

/// What there is to know of a target when we attach.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of memwatch-bpf.
    pub version: String,
    /// Release of the running kernel.
    pub kernel: String,
    /// What tells it from its neighbours, for example `@shop/api dist/server.js :3000`; null if that could not be read.
    pub name: Option<String>,
    /// The process's name as the kernel has it.
    pub comm: String,
    /// Its command line.
    pub cmdline: Vec<String>,
    /// Node's version, for example `20.20.2`.
    pub node_version: Option<String>,
    /// V8's version, for example `11.3.244.8-node.38`.
    pub v8_version: Option<String>,
    /// Build id of the file that holds V8, in hexadecimal.
    pub build_id: Option<String>,
    /// `glibc` or `musl`.
    pub libc: Option<String>,
    /// The allocator that serves `malloc`: `glibc`, `musl`, `jemalloc`, `mimalloc`, `tcmalloc`.
    pub allocator: Option<String>,
    /// The container's id, if it runs in one.
    pub container: Option<String>,
    /// Why it was chosen with `--name`, `--container` and so on: for example `script /srv/api.js`; null with `--pid`.
    pub matched: Option<String>,
    /// What is watched, and why the rest is not.
    pub features: Features,
}

/// What is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// Collections with kind, pause and sizes.
    pub gc: State,
    /// The heap's limit.
    pub heap_limit: State,
    /// External memory and array buffers.
    pub external: State,
    /// malloc.
    pub native: State,
    /// Stacks of JavaScript.
    pub js_stacks: State,
    /// Handles.
    pub handles: State,
}

/// Whether a feature is on: `"on"` or `{"off": reason}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It works.
    On,
    /// It does not, and why.
    Off(String),
}

impl Default for State {
    fn default() -> Self {
        Self::Off("not offered by this version".to_owned())
    }
}
