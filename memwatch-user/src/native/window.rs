//! A window on the allocator: which blocks were sampled in it, and what each of them stands for.

use std::{collections::HashSet, thread, time::Duration};

use memwatch_common::{
    native::{BlockSample, Window},
    strides,
};

use super::sites::{Seen, Sites};
use crate::bpf::{error::LoadError, malloc::Tap};

/// About so many samples a call site, CPU and window: enough to see every site, few enough for the ring buffer.
const SAMPLES: u8 = 6;
/// Time after a window in which its last samples arrive.
const ARRIVAL: Duration = Duration::from_millis(2);

/// A sampled block.
#[derive(Debug)]
pub struct Caught {
    /// The block, and the stack.
    pub sample: Box<BlockSample>,
    /// Bytes that were handed out in the window and for which it stands: each stride of its call site's blocks is stood for
    /// by one of them, so this is right on average, whatever their sizes and whatever their order.
    pub bytes: f64,
    /// It was handed out again in the same window.
    pub reused: bool,
}

/// Serial number of a window, by how many there were before and what it sees.
#[must_use]
pub fn serial(before: u64, seen: Seen) -> u64 {
    strides::serial(before + 1, seen == Seen::All)
}

/// Has the probes that are armed see, for as long as `during` takes. What is handed out while probes come and go is not
/// counted, or rates would be wrong.
pub fn open(tap: &mut Tap, serial: u64, during: impl FnOnce(&mut Tap)) -> Result<(), LoadError> {
    tap.set_window(Window::open(serial, SAMPLES))?;
    during(tap);
    tap.set_window(Window::CLOSED)
}

/// What the window `serial` caught; it has ended.
pub fn caught(tap: &mut Tap, serial: u64) -> Vec<Caught> {
    thread::sleep(ARRIVAL);
    let mut samples = Vec::new();
    tap.drain(|sample| samples.push(sample));
    let addresses: HashSet<u64> = samples.iter().map(|sample| sample.address).collect();
    let reused: HashSet<u64> = addresses.into_iter().filter(|address| tap.was_reused(*address)).collect();
    samples.retain(|sample| sample.window == serial);
    let caught = samples.into_iter().map(|sample| Caught {
        bytes: sample.stands_for as f64 * sample.size as f64,
        reused: reused.contains(&sample.address),
        sample,
    });
    caught.collect()
}

/// Tells `sites` what each of their call sites handed out in the window `serial`, which has ended.
pub fn count(tap: &Tap, serial: u64, seen: Seen, sites: &mut Sites) {
    for call_site in sites.call_sites() {
        let books = tap.call_site(call_site, serial).unwrap_or_default();
        sites.counted(call_site, seen, books.allocated_bytes as f64);
    }
}
