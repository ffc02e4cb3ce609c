//! What holds what a heap grows by, as records have it.

use crate::{
    engine::outcome::HeapHolder,
    heap::names::Function,
    report::record::{Holder, HowTaken},
};

pub(super) fn holders(holders: Vec<HeapHolder>) -> Vec<Holder> {
    holders.into_iter().map(holder).collect()
}

fn holder(holder: HeapHolder) -> Holder {
    let HeapHolder { share, grown } = holder;
    let place = grown.place.to_string();
    let of = |field: fn(&Function) -> Option<String>| grown.place.function.as_ref().and_then(field);
    Holder {
        share,
        bytes: u64::try_from(grown.grown_bytes).unwrap_or(0),
        count: grown.grown_count,
        class: grown.class.full_name(),
        place,
        function: of(|function| function.name.clone()),
        file: of(|function| function.file.clone()),
        line: grown.place.function.as_ref().and_then(|function| function.line),
        taken: HowTaken::Running,
    }
}
