//! What a call site holds, by who called it. Its books are exact; how they divide among callers is what the sampled blocks say
//! that are still there. Pure.

use std::{collections::BTreeMap, rc::Rc};

use memwatch_common::native::{BlockSample, CallSite};

use super::super::sites::{Call, Key};
use crate::model::Frame;

/// The calls behind the blocks of one site.
#[derive(Debug)]
pub(super) struct Stack {
    key: Key,
    frames: Vec<u64>,
    callers: Vec<Frame>,
}

/// A sampled block. Those of one site share its stack: there are some dozens of each of ten thousand call sites.
#[derive(Clone, Debug)]
pub(super) struct Sampled {
    pub(super) address: u64,
    /// What it stands for, bytes.
    bytes: u64,
    stack: Rc<Stack>,
}

/// What one caller of a call site holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) bytes: u64,
    pub(super) blocks: u64,
    pub(super) frames: Vec<u64>,
    pub(super) callers: Vec<Frame>,
}

impl Sampled {
    /// With the stack of one of `others`, if it is of the same site.
    pub(super) fn new(sample: &BlockSample, call: Call<'_>, others: &[Self]) -> Self {
        let key = call.site_key();
        let known = others.iter().map(|other| &other.stack).find(|stack| stack.key == key).cloned();
        let (frames, callers) = (call.frames, call.callers);
        let stack = known
            .unwrap_or_else(|| Rc::new(Stack { key, frames: frames.to_vec(), callers: callers.to_vec() }));
        Self { address: sample.address, bytes: sample.stands_for.saturating_mul(sample.size), stack }
    }
}

impl Part {
    /// All that the call site holds, of which nothing but its address is known.
    pub(super) fn alone(call_site: u64, site: &CallSite) -> Self {
        Self {
            bytes: site.allocated_bytes.wrapping_sub(site.freed_bytes),
            blocks: site.allocated_blocks.wrapping_sub(site.freed_blocks),
            frames: vec![call_site.wrapping_sub(1)],
            callers: Vec::new(),
        }
    }

    /// What is left of it once `share` is taken away, and that.
    fn take(&mut self, share: f64, of: &Sampled) -> Self {
        let [bytes, blocks] = [self.bytes, self.blocks].map(|whole| part(whole, share));
        self.bytes -= bytes;
        self.blocks -= blocks;
        Self { bytes, blocks, frames: of.stack.frames.clone(), callers: of.stack.callers.clone() }
    }
}

/// Divides `whole` among the callers whose sampled blocks `is_live`; if none are, among all that were sampled.
pub(super) fn split(mut whole: Part, samples: &[Sampled], is_live: impl Fn(&Sampled) -> bool) -> Vec<Part> {
    let live: Vec<&Sampled> = samples.iter().filter(|sampled| is_live(sampled)).collect();
    let samples = if live.is_empty() { samples.iter().collect() } else { live };
    let mut callers: BTreeMap<&Key, (&Sampled, u64)> = BTreeMap::new();
    for sampled in samples {
        callers.entry(&sampled.stack.key).or_insert((sampled, 0)).1 += sampled.bytes;
    }
    let mut left: u64 = callers.values().map(|(_, bytes)| bytes).sum();
    let mut parts = Vec::new();
    for (sampled, bytes) in callers.into_values() {
        // Of what is left, so that the parts add up to the whole.
        parts.push(whole.take(bytes as f64 / left.max(1) as f64, sampled));
        left -= bytes;
    }
    if parts.is_empty() { vec![whole] } else { parts }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a whole is neither larger than it nor negative"
)]
fn part(whole: u64, share: f64) -> u64 {
    if share < 1.0 { (whole as f64 * share) as u64 } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(address: u64, bytes: u64, function: &str) -> Sampled {
        let callers = vec![Frame { function: Some(function.to_owned()), ..Frame::unknown() }];
        let call = Call { call_site: 7, frames: &[7], key: &[7], callers: &callers };
        let stack = Stack { key: call.site_key(), frames: vec![7], callers: callers.clone() };
        Sampled { address, bytes, stack: Rc::new(stack) }
    }

    fn told(parts: &[Part]) -> Vec<(u64, u64, &str)> {
        let mut told = Vec::new();
        for Part { bytes, blocks, callers, .. } in parts {
            told.push((*bytes, *blocks, callers[0].function.as_deref().unwrap()));
        }
        told
    }

    #[test]
    fn callers_share_what_their_sampled_blocks_say() {
        let whole = Part { bytes: 1001, blocks: 11, frames: vec![9], callers: Vec::new() };
        let samples = [sampled(1, 100, "often"), sampled(2, 200, "often"), sampled(3, 100, "seldom")];
        let all = split(whole.clone(), &samples, |_| true);
        assert_eq!(told(&all), [(750, 8, "often"), (251, 3, "seldom")]);
        let one = split(whole.clone(), &samples, |sampled| sampled.address == 3);
        assert_eq!(told(&one), [(1001, 11, "seldom")]);
        assert_eq!(split(whole.clone(), &samples, |_| false), all);
        assert_eq!(split(whole.clone(), &[], |_| true), [whole]);
    }
}
