//! What grew between takes: classes with node-memwatch's figures, and the places that hold more than before.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

#[cfg(test)]
use super::place::Anchor;
use super::{
    causes::{Cause, causes, instances},
    holders::{self, Known},
    place::Place,
};

use crate::heap::{
    graph::{HeapGraph, NodeId, RootKind},
    names::{Class, ClassId, ClassKind, Names, root_name},
};

/// A place counts from this part of everything on, and from so many bytes: what grows is small at first.
const LEAST_PART: u64 = 1_000;
const LEAST_BYTES: u64 = 16 * 1024;
/// Growth of a place below this part of what it held is no growth: tables are enlarged by doubling.
const LEAST_GROWTH: u64 = 4 * 1024;
/// What grew by less than this part of the largest growth, without more objects, did not grow.
const LITTLE: i64 = 10;
/// What Node and V8 hold for themselves varies by less.
const MOST_OWN: u64 = 256 * 1024;
/// Classes whose objects are asked why they live, those with most bytes first.
const CLASSES_ASKED: usize = 60;
/// A cause of less than this part of what a class grew by is not told.
const LEAST_CAUSE: u64 = 20;
/// Nor is one of less than this part of the largest.
const LARGEST_PART: u64 = 100;
/// Growth in one interval is as steady as in the other if neither is more than so many times the other.
const STEADY: f64 = 3.0;
/// Of less growth nothing is said: connections come and go, and buffers with them.
const LEAST_TREND: i64 = 128 * 1024;

/// What is kept of a take.
#[derive(Debug, Default)]
pub struct Census {
    /// Objects.
    pub nodes: u64,
    /// Their bytes, in the heap.
    pub bytes: u64,
    /// Bytes in the heap and outside.
    pub held: u64,
    classes: BTreeMap<Class, Sum>,
    places: BTreeMap<Place, Contents>,
    causes: HashMap<(Class, Vec<String>), Sum>,
}

impl Census {
    /// Whether something of note was in that place.
    #[must_use]
    pub fn knows(&self, place: &Place) -> bool {
        self.places.contains_key(place)
    }

    /// A heap in which variables of these names hold so many bytes each, in objects of a kilobyte; Node's own if they begin with `_`.
    #[cfg(test)]
    pub(crate) fn of_variables(variables: &[(&str, u64)]) -> Self {
        let class = Class { name: "Object".to_owned(), shape: None, kind: ClassKind::Object };
        let contents = |(name, bytes): &(&str, u64)| {
            let place = Place {
                class: "Map".to_owned(),
                label: (*name).to_owned(),
                anchor: Anchor::Variable,
                function: None,
                is_code: false,
            };
            let sum = Sum { count: bytes / 1024, bytes: *bytes };
            (place, Contents { class: class.clone(), sum, is_own: name.starts_with('_') })
        };
        let held = variables.iter().map(|(_, bytes)| bytes).sum();
        Self { held, bytes: held, places: variables.iter().map(contents).collect(), ..Self::default() }
    }
}

/// A number of objects and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    bytes: u64,
}

/// What a place holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Contents {
    class: Class,
    sum: Sum,
    is_own: bool,
}

/// A class that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Which.
    pub class: Class,
    /// Objects more; negative if there are fewer.
    pub count: i64,
    /// Bytes more.
    pub bytes: i64,
}

/// A place that holds more than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrownHolder {
    /// Where.
    pub place: Place,
    /// What makes up most of it.
    pub class: Class,
    /// How many of these.
    pub count: u64,
    /// What it holds now.
    pub bytes: u64,
    /// How many objects more.
    pub grown_count: i64,
    /// How many bytes more.
    pub grown_bytes: i64,
    /// Whether it is Node's or V8's own, and not most of what grew.
    pub is_own: bool,
    /// Whether it is a variable or property of the program.
    pub is_program: bool,
}

/// A cause that more objects have than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrownCause {
    /// Of what class the objects are.
    pub class: Class,
    /// The path from them to what is known by name.
    pub path: Vec<String>,
    /// How many more there are.
    pub count: u64,
    /// Bytes of these.
    pub bytes: u64,
}

/// What changed between two takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Objects more, all classes together.
    pub nodes: i64,
    /// Bytes more.
    pub bytes: i64,
    /// Classes, the largest growth first.
    pub details: Vec<Detail>,
    /// Places that hold more, the largest growth first.
    pub holders: Vec<GrownHolder>,
    /// Why there is more, the most bytes first.
    pub causes: Vec<GrownCause>,
}

/// Whether growth goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    /// About as much in the second interval as in the first.
    Steady,
    /// In one of the intervals only.
    Step,
}

/// Counts what is to be compared.
pub fn census<G: HeapGraph>(known: &Known<'_, G>, names: &mut impl Names) -> Census {
    Census { classes: classes(known, names), causes: reasons(known, names), ..holdings(known, names) }
}

/// Of that only what places hold: the rest takes longest, and most of the memory.
pub fn holdings<G: HeapGraph>(known: &Known<'_, G>, names: &mut impl Names) -> Census {
    let total = known.histogram.total;
    let (nodes, bytes, held) = (total.count, total.shallow, known.held.total());
    Census { nodes, bytes, held, places: places(known, names), ..Census::default() }
}

fn classes<G: HeapGraph>(known: &Known<'_, G>, names: &impl Names) -> BTreeMap<Class, Sum> {
    let mut classes: BTreeMap<Class, Sum> = BTreeMap::new();
    for (id, row) in known.histogram.rows() {
        let sum = classes.entry(names.class(id).clone()).or_default();
        sum.count += row.count;
        sum.bytes += row.shallow.saturating_add(row.external);
    }
    classes
}

fn places<G: HeapGraph>(known: &Known<'_, G>, names: &mut impl Names) -> BTreeMap<Place, Contents> {
    let least = (known.held.total() / LEAST_PART).max(LEAST_BYTES);
    let mut places: BTreeMap<Place, Contents> = BTreeMap::new();
    for holder in holders::of_at_least(known, names, least) {
        let class = names.class(holder.class).clone();
        let sum = Sum { count: holder.count, bytes: holder.bytes };
        let is_own = holder.is_own;
        let contents = places.entry(holder.place).or_insert(Contents { class, sum: Sum::default(), is_own });
        contents.sum.count += sum.count;
        contents.sum.bytes += sum.bytes;
    }
    places
}

fn reasons<G: HeapGraph>(known: &Known<'_, G>, names: &mut impl Names) -> HashMap<(Class, Vec<String>), Sum> {
    let is_asked = |kind| matches!(kind, ClassKind::Object | ClassKind::Closure | ClassKind::String);
    let mut rows: Vec<_> = known.histogram.rows().filter(|(id, _)| is_asked(names.class(*id).kind)).collect();
    rows.sort_by_key(|(_, row)| Reverse(row.shallow.saturating_add(row.external)));
    let asked = rows.into_iter().take(CLASSES_ASKED).map(|(id, _)| (id, Vec::new()));
    let mut nodes: HashMap<ClassId, Vec<NodeId>> = asked.collect();
    for node in instances(known.graph, |_| true) {
        if let Some(nodes) = nodes.get_mut(&known.histogram.class_of(node)) {
            nodes.push(node);
        }
    }
    let mut reasons: HashMap<_, Sum> = HashMap::new();
    for (id, nodes) in nodes {
        let class = names.class(id).clone();
        for Cause { path, count, bytes, .. } in causes(known.graph, names, &nodes) {
            let sum = reasons.entry((class.clone(), path)).or_default();
            sum.count += count;
            sum.bytes += bytes;
        }
    }
    reasons
}

/// What changed from `before` to `after`.
#[must_use]
pub fn compare(before: &Census, after: &Census) -> Change {
    let mut change = Change {
        nodes: difference(after.nodes, before.nodes),
        bytes: difference(after.bytes, before.bytes),
        details: details(before, after),
        holders: grown(before, after),
        causes: Vec::new(),
    };
    change.causes = why(before, after, &change.details);
    change.details.sort_by_key(|detail| (Reverse(detail.bytes), detail.class.clone()));
    change.holders.sort_by_key(|holder| (Reverse(holder.grown_bytes), holder.place.clone()));
    change.causes.sort_by_key(|cause| (Reverse(cause.bytes), cause.path.clone()));
    change
}

fn details(before: &Census, after: &Census) -> Vec<Detail> {
    let mut classes: Vec<&Class> = before.classes.keys().chain(after.classes.keys()).collect();
    classes.sort_unstable();
    classes.dedup();
    let of = |census: &Census, class: &Class| census.classes.get(class).copied().unwrap_or_default();
    let detail = |class: &Class| {
        let (old, new) = (of(before, class), of(after, class));
        let (count, bytes) = (difference(new.count, old.count), difference(new.bytes, old.bytes));
        Detail { class: class.clone(), count, bytes }
    };
    classes.into_iter().map(detail).filter(|detail| detail.count != 0 || detail.bytes != 0).collect()
}

fn grown(before: &Census, after: &Census) -> Vec<GrownHolder> {
    let all = difference(after.held, before.held);
    let mut grown: Vec<_> =
        after.places.iter().filter_map(|(place, now)| grown_at(before, place, now)).collect();
    let largest = grown.iter().map(|holder| holder.grown_bytes).max().unwrap_or(0);
    grown.retain(|holder| !is_moved(holder, all, largest));
    for holder in &mut grown {
        holder.is_own &= !is_most(holder, all, largest);
    }
    grown
}

/// What more there is in a place, if that is worth a word.
fn grown_at(before: &Census, place: &Place, now: &Contents) -> Option<GrownHolder> {
    let old = before.places.get(place).map(|contents| contents.sum).unwrap_or_default();
    let grown_bytes = difference(now.sum.bytes, old.bytes);
    let is_growth = grown_bytes > difference(LEAST_GROWTH.max(old.bytes / 100), 0);
    is_growth.then(|| GrownHolder {
        place: place.clone(),
        class: now.class.clone(),
        count: now.sum.count,
        bytes: now.sum.bytes,
        grown_count: difference(now.sum.count, old.count),
        grown_bytes,
        is_own: now.is_own,
        is_program: !now.is_own,
    })
}

/// Whether what the place of `holder` holds more was there, and counted for another one: it has no more objects, and grew by
/// more than everything did (a cache of V8's was cleared), or by little (another way became the shortest).
fn is_moved(holder: &GrownHolder, all: i64, largest: i64) -> bool {
    let is_little = holder.grown_bytes < largest.max(all) / LITTLE;
    holder.grown_count <= 0 && (is_little || holder.grown_bytes > all)
}

/// Whether `holder` grew so much that it has to be told, whoever made it: a list of timers that a program never clears is Node's.
fn is_most(holder: &GrownHolder, all: i64, largest: i64) -> bool {
    let is_much = holder.grown_bytes >= difference(MOST_OWN, 0) && holder.grown_count > 0;
    is_much && holder.grown_bytes >= all / 2 && holder.grown_bytes >= largest / 2
}

/// Of the classes that grew, what more of their objects are alive by than before. What is only part of an object that is
/// told itself is left out.
fn why(before: &Census, after: &Census, details: &[Detail]) -> Vec<GrownCause> {
    let nets: HashMap<&Class, i64> = details.iter().map(|detail| (&detail.class, detail.count)).collect();
    let mut grown = Vec::new();
    for (key, new) in &after.causes {
        let old = before.causes.get(key).copied().unwrap_or_default();
        let net = nets.get(&key.0).and_then(|net| u64::try_from(*net).ok()).unwrap_or(0);
        // Of classes with very many objects some are asked for all: no cause can be of more than there are.
        let count = new.count.saturating_sub(old.count).min(net);
        if count > 0 && count >= net / LEAST_CAUSE {
            let (class, path) = key.clone();
            grown.push(GrownCause { class, path, count, bytes: new.bytes.saturating_sub(old.bytes) });
        }
    }
    // What only V8's own roots hold are its caches.
    let is_cache = |path: &Vec<String>| path.last().is_some_and(|last| last == root_name(RootKind::Isolate));
    grown.retain(|cause: &GrownCause| !is_cache(&cause.path));
    let largest = grown.iter().map(|cause| cause.bytes).max().unwrap_or(0);
    grown.retain(|cause| cause.bytes >= largest / LARGEST_PART);
    let all = grown.clone();
    grown.retain(|cause| !all.iter().any(|whole| is_part(cause, whole)));
    grown
}

/// Whether objects of `part` are held by those of `whole`.
fn is_part(part: &GrownCause, whole: &GrownCause) -> bool {
    let Some((first, rest)) = part.path.split_first() else { return false };
    rest == whole.path && first.ends_with(&format!(" of {}", whole.class.full_name()))
}

/// Whether what grew in `first` and `second`, bytes in two intervals of these lengths in seconds, grows steadily; `None` if it
/// grew by too little to say.
#[must_use]
pub fn trend(first: (i64, f64), second: (i64, f64)) -> Option<Trend> {
    let rate = |(bytes, seconds): (i64, f64)| bytes as f64 / seconds.max(f64::MIN_POSITIVE);
    if first.0.saturating_add(second.0) < LEAST_TREND {
        return None;
    }
    let (first, second) = (rate(first), rate(second));
    if first <= 0.0 && second <= 0.0 {
        return None;
    }
    let is_steady = first > 0.0 && second > 0.0 && first.max(second) / first.min(second) <= STEADY;
    Some(if is_steady { Trend::Steady } else { Trend::Step })
}

fn difference(a: u64, b: u64) -> i64 {
    i64::try_from(a).unwrap_or(i64::MAX).saturating_sub(i64::try_from(b).unwrap_or(i64::MAX))
}
