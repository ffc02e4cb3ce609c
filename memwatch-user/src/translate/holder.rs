//! What holds what a heap grows by, as records have it.

use crate::{
    engine::outcome::HeapHolder,
    heap::questions::Code,
    report::record::{Holder, Taken},
};

pub(super) fn holders(holders: Vec<HeapHolder>) -> Vec<Holder> {
    holders.into_iter().map(holder).collect()
}

fn holder(holder: HeapHolder) -> Holder {
    let HeapHolder { share, grown } = holder;
    let Code { function, file, line } = grown.place.code();
    Holder {
        share,
        bytes: u64::try_from(grown.grown_bytes).unwrap_or(0),
        count: grown.grown_count,
        class: grown.class.full_name(),
        place: grown.place.to_string(),
        function,
        file,
        line,
        taken: Taken::Running,
    }
}
