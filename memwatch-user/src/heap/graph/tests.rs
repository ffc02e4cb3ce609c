//! Graphs of heaps made by hand, sound and hostile.

use std::time::Duration;

use super::*;
use crate::{
    heap::take::{Copied, How, Page, RootWords, Take},
    v8::heap_layout::{Kind, tests::layout_24},
};

const PAGE: u64 = 0x14_7c70_0000;
const PAGE_BYTES: u64 = 64 << 10;
/// Instance types of Node 24.
const MAP: u64 = 272;
const FIXED_ARRAY: u64 = 205;
const EPHEMERON_TABLE: u64 = 209;
const JS_OBJECT: u64 = 2057;
const JS_WEAK_MAP: u64 = 2116;
const JS_WEAK_REF: u64 = 2157;
const SCOPE_INFO: u64 = 280;

/// A heap of one or more pages.
struct Heap {
    copied: Copied,
    roots: Vec<u64>,
    stack: Vec<u64>,
    /// Where the next object goes.
    next: u64,
    meta: u64,
}

fn page(number: u64) -> Page {
    let address = PAGE + (number << 18);
    let (start, end) = (address + 16, address + PAGE_BYTES);
    Page { address, start, end, heap: 0x7000, is_code: false, is_young: false, is_from_space: false }
}

fn smi(value: u64) -> u64 {
    value << 32
}

impl Heap {
    fn new(pages: u64) -> Self {
        let pages: Vec<_> = (0..pages).map(page).collect();
        let copied = Copied::new(&pages, 0).unwrap();
        let mut heap = Self { copied, roots: Vec::new(), stack: Vec::new(), next: PAGE + 16, meta: 0 };
        // The map of maps is its own map.
        heap.meta = heap.next + 1;
        heap.meta = heap.map(MAP, 10);
        heap
    }

    fn put(&mut self, address: u64, word: u64) {
        for (page, room) in self.copied.room(|_, _| true) {
            if let Some(at) = address.checked_sub(page).filter(|at| *at < PAGE_BYTES) {
                let at = usize::try_from(at).unwrap();
                room[at..at + 8].copy_from_slice(&word.to_le_bytes());
            }
        }
    }

    /// An object with a map and what follows; a reference to it.
    fn object(&mut self, map: u64, words: &[u64]) -> u64 {
        let address = self.next;
        for (at, word) in (address..).step_by(8).zip([map].iter().chain(words)) {
            self.put(at, *word);
        }
        self.next += 8 + words.len() as u64 * 8;
        address + 1
    }

    fn map(&mut self, instance_type: u64, words: u64) -> u64 {
        self.object(self.meta, &[words | instance_type << 32, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    fn take(self) -> Take {
        let root = |kind, words| RootWords { kind, isolate: None, words };
        let roots = vec![root(RootKind::Isolate, self.roots), root(RootKind::Stack, self.stack)];
        let (how, pause) = (How::Stopped, Duration::ZERO);
        Take { pid: 1, layout: layout_24(), how, pause, isolates: Vec::new(), roots, copied: self.copied }
    }

    fn graph(self) -> Graph {
        Graph::new(self.take()).unwrap()
    }
}

fn edges(graph: &Graph, word: u64) -> Vec<(u32, NodeId, EdgeKind)> {
    let mut edges = Vec::new();
    graph.edges(graph.node_at(word).unwrap(), &mut |edge| edges.push((edge.slot, edge.child, edge.kind)));
    edges
}

/// What lies in the area that V8 fills next is of earlier objects, cut anywhere: no garbage, and nothing to be explained.
#[test]
fn the_area_that_is_being_filled_is_left_out() {
    let mut heap = Heap::new(1);
    let object = heap.map(JS_OBJECT, 3);
    let kept = heap.object(object, &[smi(1), smi(2)]);
    let top = heap.next;
    for _ in 0..100 {
        heap.object(object, &[smi(1), smi(2)]);
        heap.put(heap.next, 0xdead_0008);
        heap.next += 8;
    }
    heap.roots = vec![kept, PAGE + 16, top, heap.next, 7, 8];
    let checks = heap.graph().checks();
    assert_eq!((checks.garbage_bytes, checks.walked_bytes), (0, checks.explained_bytes));
}

#[test]
fn parents_come_before_their_children_and_slots_say_where() {
    let mut heap = Heap::new(1);
    let (array, object) = (heap.map(FIXED_ARRAY, 0), heap.map(JS_OBJECT, 3));
    let leaf = heap.object(object, &[smi(1), smi(2)]);
    let middle = heap.object(object, &[leaf, smi(0)]);
    let list = heap.object(array, &[smi(3), middle, leaf + 2, smi(9)]);
    let only_stack = heap.object(object, &[list, 0]);
    heap.object(object, &[list, 0]);
    heap.roots = vec![smi(4), list];
    heap.stack = vec![list, only_stack, 0x1234_5671];
    let graph = heap.graph();
    let node = |word| graph.node_at(word).unwrap();
    assert_eq!(graph.roots().iter().map(|root| root.edges).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        (graph.parent(NodeId(0)), graph.parent(node(list)), graph.slot(node(list))),
        (None, Some(NodeId(0)), 1)
    );
    assert_eq!((graph.parent(node(middle)), graph.slot(node(middle))), (Some(node(list)), 2));
    assert_eq!((graph.parent(node(leaf)), graph.slot(node(leaf))), (Some(node(middle)), 1));
    assert_eq!(graph.parent(node(only_stack)), Some(NodeId(1)));
    let of_list = edges(&graph, list);
    assert_eq!(of_list[1..], [(2, node(middle), EdgeKind::Strong), (3, node(leaf), EdgeKind::Weak)]);
    assert_eq!((graph.shallow_bytes(node(list)), graph.kind(node(list))), (40, Kind::FixedArray));
    assert_eq!(graph.address(node(list)), list - 1);
    assert_eq!(graph.checks().garbage_bytes, 24);
    assert_eq!(graph.checks().walked_bytes, graph.checks().explained_bytes);
}

#[test]
fn values_of_weak_collections_live_as_long_as_their_keys() {
    let mut heap = Heap::new(1);
    let (table, object) = (heap.map(EPHEMERON_TABLE, 0), heap.map(JS_OBJECT, 3));
    let (weak_map, weak_ref) = (heap.map(JS_WEAK_MAP, 4), heap.map(JS_WEAK_REF, 4));
    let any: Vec<u64> = (0..6).map(|_| heap.object(object, &[0, 0])).collect();
    // The second key is the first one's value; the third is dead.
    let entries = [any[1], any[2], any[0], any[1], any[3], any[4]];
    let words = [&[smi(9), smi(3), 0, smi(3)][..], &entries].concat();
    let table = heap.object(table, &words);
    let weak_map = heap.object(weak_map, &[0, 0, table]);
    let weak_ref = heap.object(weak_ref, &[0, 0, any[5]]);
    heap.roots = vec![weak_map, weak_ref];
    heap.stack = vec![any[0]];
    let graph = heap.graph();
    let is_there: Vec<bool> = any.iter().map(|word| graph.node_at(*word).is_some()).collect();
    assert_eq!(is_there, [true, true, true, false, false, false]);
    let value = graph.node_at(any[2]).unwrap();
    assert_eq!((graph.parent(value), graph.slot(value)), (graph.node_at(table), 6));
    assert!(graph.parent(value).unwrap() < value);
    let kinds: Vec<_> = edges(&graph, table)[1..].iter().map(|edge| (edge.0, edge.2)).collect();
    let weak_and_not =
        [(5, EdgeKind::Weak), (6, EdgeKind::Ephemeron), (7, EdgeKind::Weak), (8, EdgeKind::Ephemeron)];
    assert_eq!(kinds, weak_and_not);
}

#[test]
fn what_a_collection_moved_is_followed_and_too_much_of_it_is_refused() {
    for moved in [3, 30] {
        let mut heap = Heap::new(1);
        let (array, object) = (heap.map(FIXED_ARRAY, 0), heap.map(JS_OBJECT, 2));
        let new: Vec<u64> = (0..moved).map(|n| heap.object(object, &[smi(n)])).collect();
        let old: Vec<u64> = new.iter().map(|new| heap.object(new - 1, &[0])).collect();
        let list = heap.object(array, &[&[smi(moved)][..], &old].concat());
        heap.roots = vec![list];
        match Graph::new(heap.take()) {
            Ok(graph) => {
                assert_eq!((moved, graph.checks().forwarded), (3, 3));
                assert!(old.iter().zip(&new).all(|(old, new)| graph.node_at(*old) == graph.node_at(*new)));
                assert_eq!(graph.object(old[1]).unwrap()[1], smi(1));
            }
            Err(error) => assert_eq!((moved, error), (30, GraphError::Torn { bad_slots: 0, forwarded: 30 })),
        }
    }
}

#[test]
fn references_that_lead_nowhere_are_a_torn_copy() {
    let mut heap = Heap::new(1);
    let array = heap.map(FIXED_ARRAY, 0);
    let nowhere = [0x5555_0000_0001; 21];
    let list = heap.object(array, &[&[smi(21)][..], &nowhere].concat());
    heap.roots = vec![list];
    let error = Graph::new(heap.take()).unwrap_err();
    assert_eq!(error, GraphError::Torn { bad_slots: 21, forwarded: 0 });
    assert_eq!(Graph::new(Heap::new(1).take()).unwrap_err(), GraphError::Empty);
}

/// Every word is the map of an array that is as long as the rest of its page: a walk over all of each would take 10^9 steps
/// for each page.
#[test]
fn objects_that_overlap_end() {
    let mut heap = Heap::new(8);
    let array = heap.map(FIXED_ARRAY, 0);
    let first = heap.next;
    for address in (0..8).flat_map(|number| (page(number).start.max(first)..page(number).end).step_by(8)) {
        heap.put(address, array);
    }
    heap.roots = (0..8)
        .flat_map(|number| (page(number).start..page(number).end).step_by(8))
        .map(|at| at + 1)
        .collect();
    assert_eq!(Graph::new(heap.take()).unwrap_err(), GraphError::Overlapping);
}

/// Numbers that are the same in every run (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % end
    }
}

/// A heap of which nothing is true but that its maps are maps.
fn nonsense(random: &mut Random) -> Heap {
    let pages = 1 + random.below(4);
    let mut heap = Heap::new(pages);
    let types = [
        FIXED_ARRAY,
        EPHEMERON_TABLE,
        JS_OBJECT,
        JS_WEAK_MAP,
        SCOPE_INFO,
        40,
        42,
        186,
        252,
        265,
        266,
        268,
        276,
        277,
        2062,
    ];
    let maps: Vec<u64> = (0..40)
        .map(|_| {
            let size = random.below(3) * random.below(90);
            let kind = if random.below(4) == 0 {
                random.below(3000)
            } else {
                types[usize::try_from(random.below(15)).unwrap()]
            };
            heap.map(kind, size)
        })
        .collect();
    let place = |random: &mut Random| page(random.below(pages)).address + random.below(PAGE_BYTES / 8) * 8;
    let word = |random: &mut Random| match random.below(8) {
        0..3 => maps[usize::try_from(random.below(40)).unwrap()],
        3 | 4 => place(random) + 1,
        5 => place(random) + [0, 2, 3, 5][usize::try_from(random.below(4)).unwrap()],
        6 => smi(random.below(1 << 32)),
        _ => random.below(u64::MAX),
    };
    let first = heap.next;
    for (address, room) in heap.copied.room(|_, _| true) {
        for (at, bytes) in (address..).step_by(8).zip(room.chunks_exact_mut(8)) {
            if at >= first {
                bytes.copy_from_slice(&word(random).to_le_bytes());
            }
        }
    }
    heap.roots = (0..500).map(|_| word(random)).collect();
    heap.stack = (0..500).map(|_| word(random)).collect();
    heap
}

#[test]
fn nonsense_is_walked_in_bounds_and_every_question_has_an_answer() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..60 {
        let take = nonsense(&mut random).take();
        let words = take.copied.all().len();
        let (graph, _) = Graph::unchecked(take);
        assert!(graph.len() as usize <= words + graph.roots().len());
        for node in (0..graph.len()).map(NodeId) {
            assert!(graph.parent(node).is_none_or(|parent| parent < node));
            assert!(graph.shallow_bytes(node) <= PAGE_BYTES && graph.shape(node).0 < graph.shapes());
            let address = graph.address(node);
            assert!(address == 0 || graph.node_at(address + 1).is_some());
        }
        // Objects overlap here, so that all edges of all would be too many.
        for node in (0..graph.len()).step_by(97).map(NodeId) {
            graph.edges(node, &mut |edge| assert!(edge.child.0 < graph.len()));
            std::hint::black_box((graph.external_bytes(node), graph.isolate(node)));
        }
    }
}
