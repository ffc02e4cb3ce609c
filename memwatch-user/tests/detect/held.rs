//! A process for tests: what it holds at one moment, as a reading shows it.

use memwatch_user::{
    model::{Descriptors, Limits, MallocBooks, OutsideHeap, Reading, Resident},
    series::Isolates,
};

use crate::heaps::{MIB, mono, noise};

/// What a process holds at one moment: bytes but for the counts, and seconds between mark-compacts.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    pub(crate) files: f64,
    pub(crate) sockets: f64,
    pub(crate) workers: f64,
    pub(crate) buffers: f64,
    pub(crate) native: f64,
    /// What the allocator holds beside what is in use.
    pub(crate) slack: f64,
    /// Of an allocator that nobody keeps books of.
    pub(crate) unseen: f64,
    /// What mark-compacts leave in the heap.
    pub(crate) heap: f64,
    /// So far.
    pub(crate) allocated: f64,
    pub(crate) collect_every: f64,
    pub(crate) suspended: bool,
}

impl Held {
    /// A server of ten minutes' age that does the same all the time.
    pub(crate) fn steady(t: f64) -> Self {
        Self {
            files: 20.0,
            sockets: 30.0,
            workers: 0.0,
            buffers: 4.0 * MIB + MIB * noise(t).abs(),
            native: 20.0 * MIB + MIB * noise(t + 0.5).abs(),
            slack: 5.0 * MIB,
            unseen: 0.0,
            heap: 30.0 * MIB,
            allocated: 3.0 * MIB * t,
            collect_every: 30.0,
            suspended: false,
        }
    }

    pub(crate) fn reading(&self, t: f64, books: bool) -> Reading {
        let whole = |x: f64| whole(x);
        let malloc = self.native + self.buffers + self.slack;
        let anonymous = malloc + self.unseen + self.heap + 5.0 * MIB;
        let open = self.files + self.sockets + 4.0 * self.workers;
        Reading {
            at: mono(t),
            rss: Some(whole(anonymous + 40.0 * MIB)),
            rss_anon: Some(whole(anonymous)),
            swap: Some(0),
            resident: Some(Resident {
                v8_heap: whole(self.heap + 4.0 * MIB),
                malloc: whole(malloc),
                stacks: whole(MIB),
                ..Resident::default()
            }),
            malloc: books.then(|| MallocBooks {
                in_use: whole(self.native + self.buffers),
                free: whole(self.slack),
                ..MallocBooks::default()
            }),
            outside: OutsideHeap {
                array_buffers: Some(whole(self.buffers)),
                external: Some(whole(self.buffers + MIB)),
            },
            descriptors: Some(Descriptors {
                total: whole(open),
                sockets: Some(whole(self.sockets)),
                ..Descriptors::default()
            }),
            threads: Some(whole(11.0 + self.workers)),
            limits: Limits {
                cgroup_current: Some(whole(anonymous)),
                cgroup_max: Some(4 << 30),
                host_available: Some(64 << 30),
                descriptors: Some(65_536),
            },
            suspended: self.suspended,
        }
    }

    pub(crate) fn isolates(&self) -> Isolates {
        Isolates {
            count: whole(1.0 + self.workers),
            live: Some(whole(self.heap)),
            reachable: None,
            allocated: self.allocated,
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes of a model: above zero")]
fn whole(x: f64) -> u64 {
    x as u64
}
