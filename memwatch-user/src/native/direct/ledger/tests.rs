//! Calls in the order in which they come, and beside an array of pages.

use super::*;

const PAGE: u64 = 4096;

/// Changes, one after another, by the number of the first page and of pages.
struct Calls {
    ledger: Ledger,
    now: u64,
}

impl Calls {
    fn new() -> Self {
        Self { ledger: Ledger::new(PAGE), now: 0 }
    }

    fn call(
        &mut self,
        kind: u32,
        [address, length]: [u64; 2],
        [old_address, old_length]: [u64; 2],
    ) -> MappingChange {
        self.now += 10;
        let [address, length, old_address, old_length] =
            [address, length, old_address, old_length].map(|pages| pages * PAGE);
        let (entered_ns, returned_ns) = (self.now, self.now + 5);
        MappingChange { kind, tgid: 1, entered_ns, returned_ns, address, length, old_address, old_length }
    }

    fn apply(&mut self, kind: u32, place: [u64; 2], old: [u64; 2], site: Option<usize>) {
        let change = self.call(kind, place, old);
        self.ledger.apply(&change, site);
    }

    fn map(&mut self, at: u64, pages: u64, site: usize) {
        self.apply(mapping_kind::TAKEN, [at, pages], [0; 2], Some(site));
    }

    fn unmap(&mut self, at: u64, pages: u64) {
        self.apply(mapping_kind::GIVEN_BACK, [at, pages], [0; 2], None);
    }

    fn remap(&mut self, old: [u64; 2], new: [u64; 2], site: usize) {
        self.apply(mapping_kind::REMAPPED, new, old, Some(site));
    }

    /// Sites by page, of the first so many.
    fn pages(&self, count: u64) -> Vec<Option<usize>> {
        (0..count).map(|page| self.ledger.pieces.get(&(page * PAGE)).map(|piece| piece.site)).collect()
    }

    /// Likewise as a word: a letter a page.
    fn shown(&self, count: u64) -> String {
        let letter =
            |site: Option<usize>| site.map_or('.', |site| char::from(b'a' + u8::try_from(site).unwrap()));
        self.pages(count).into_iter().map(letter).collect()
    }
}

#[test]
fn what_is_given_back_is_cut_out() {
    let mut calls = Calls::new();
    calls.map(1, 3, 0);
    calls.map(5, 2, 1);
    assert_eq!(calls.shown(8), ".aaa.bb.");
    calls.unmap(2, 1);
    assert_eq!(calls.shown(8), ".a.a.bb.");
    calls.unmap(3, 3);
    assert_eq!(calls.shown(8), ".a....b.");
    calls.apply(mapping_kind::COVERED, [0, 2], [0; 2], None);
    calls.map(6, 2, 2);
    assert_eq!(calls.shown(8), "......cc");
}

#[test]
fn lengths_are_rounded_up_to_pages() {
    let mut calls = Calls::new();
    let change = MappingChange { length: 2 * PAGE + 1, ..calls.call(mapping_kind::TAKEN, [0, 0], [0; 2]) };
    calls.ledger.apply(&change, Some(0));
    assert_eq!(calls.shown(4), "aaa.");
}

#[test]
fn a_mapping_that_moves_grows_or_shrinks_keeps_its_owner() {
    for (old, new, expected) in [
        ([1, 2], [1, 1], ".a.b......"),
        ([1, 2], [6, 2], "...b..aa.."),
        ([1, 2], [6, 3], "...b..aac."),
        ([3, 1], [3, 3], ".aabcc...."),
        ([1, 3], [6, 3], "......aab."),
        ([1, 2], [3, 2], "...aa....."),
        ([8, 1], [9, 1], ".aab......"),
        ([8, 1], [8, 2], ".aab.....c"),
    ] {
        let mut calls = Calls::new();
        calls.map(1, 2, 0);
        calls.map(3, 1, 1);
        calls.remap(old, new, 2);
        assert_eq!(calls.shown(10), expected, "{old:?} to {new:?}");
    }
}

#[test]
fn what_is_left_behind_stays_mapped() {
    let mut calls = Calls::new();
    calls.map(1, 2, 0);
    calls.apply(mapping_kind::LEFT_BEHIND, [5, 2], [1, 2], Some(1));
    assert_eq!(calls.shown(8), ".aa..aa.");
}

#[test]
fn pages_keep_their_age_when_they_move() {
    let mut calls = Calls::new();
    calls.map(1, 2, 0);
    let taken = calls.ledger.pieces().next().unwrap().1.taken;
    calls.remap([1, 2], [4, 2], 1);
    assert_eq!(calls.ledger.pieces().next().unwrap().1.taken, taken);
}

/// One thread is giving back what another is given before the first call has returned.
#[test]
fn what_came_after_a_call_was_entered_is_not_what_it_took() {
    for kind in [mapping_kind::GIVEN_BACK, mapping_kind::REMAPPED] {
        let mut calls = Calls::new();
        calls.map(1, 2, 0);
        let taking = calls.call(kind, if kind == mapping_kind::REMAPPED { [6, 2] } else { [1, 2] }, [1, 2]);
        calls.map(1, 1, 1);
        calls.ledger.apply(&taking, Some(2));
        assert!(calls.shown(4).starts_with(".b.."), "{}", calls.shown(8));
    }
}

#[test]
fn after_a_loss_only_what_is_mapped_is_kept() {
    let mut calls = Calls::new();
    calls.map(0, 8, 0);
    calls.ledger.keep(&[PAGE..2 * PAGE, 4 * PAGE..6 * PAGE]);
    assert_eq!(calls.shown(8), ".a..aa..");
    calls.ledger.keep(&[]);
    assert_eq!(calls.shown(8), "........");
}

#[test]
fn what_does_not_fit_is_counted_and_forgotten() {
    let mut calls = Calls::new();
    for at in 0..MOST as u64 + 2 {
        calls.map(2 * at, 1, 0);
    }
    assert_eq!((calls.ledger.pieces().count(), calls.ledger.left_out), (MOST, 2));
}

fn index(page: u64) -> usize {
    usize::try_from(page).unwrap()
}

/// A thousand calls at random beside an array with a site a page.
#[test]
fn it_is_what_an_array_of_pages_would_be() {
    const PAGES: u64 = 64;
    let (mut calls, mut state) = (Calls::new(), 1_u64);
    let mut array: Vec<Option<usize>> = vec![None; index(2 * PAGES)];
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for round in 0..1000 {
        let [at, to] = [random(PAGES), random(PAGES)];
        let [pages, after] = [1 + random(8), 1 + random(8)];
        let [start, end, target] = [at, at + pages, to].map(index);
        match random(3) {
            0 => {
                calls.map(at, pages, round % 26);
                array[start..end].fill(Some(round % 26));
            }
            1 => {
                calls.unmap(at, pages);
                array[start..end].fill(None);
            }
            _ => {
                calls.remap([at, pages], [to, after], 26);
                let mut moved: Vec<_> = array[start..end].to_vec();
                moved.resize(index(after), Some(26));
                array[start..end].fill(None);
                array[target..target + moved.len()].copy_from_slice(&moved);
            }
        }
        assert_eq!(calls.pages(2 * PAGES), array, "round {round}");
    }
}
