//! Takes of the heaps of targets: when one is made, and what holds what a JavaScript heap, or the array buffers outside of it, grow by.
//! The process is never stopped for one, so that it may miss some of what is being written; a holder counts only if two takes in a
//! row show that it grows. What is reachable goes to the judges of the heaps.

use std::{collections::BTreeMap, panic, thread, time::Duration};

use anyhow::{Context as _, Result, bail};

use crate::{
    detect::Level,
    engine::judged::taken::Taken,
    heap::{
        graph::Reachable,
        picture::Picture,
        questions::{Census, GrownHolder, compare, holdings},
        take::{self, Pause},
    },
    host::{clock, own},
    model::{Mono, ProcessId},
    sample::{
        activity::{Activity, State},
        proc,
    },
    target::{self, process},
};

/// Time between two takes: a leak of 1 MB/s has grown by 5 MB, and one of 30 MB/s is not yet too large to be read.
const BETWEEN: Duration = Duration::from_secs(5);
/// So many say what grows: the first, the last but one, and the last.
const TAKES: usize = 3;
/// After the third they become rarer, up to this.
const LONGEST: Duration = Duration::from_secs(300);
/// Takes cost so much of one CPU at most, over all targets, as multiples of the CPU time that the last one took: 5 % until it is
/// known of a target whether its heap grows and what holds it, and for [`URGENT`] at most; then half a percent.
const REST: u32 = 20;
const LONG_REST: u32 = 200;
const URGENT: Duration = Duration::from_secs(180);
/// What a take may need of our memory, bytes; nor more than this part of what the host and our cgroup have left.
const MOST_MEMORY: u64 = 1 << 30;
const PART_OF_AVAILABLE: u64 = 4;
/// Takes that fail in a row before a target is left alone.
const MOST_FAILURES: u32 = 3;
/// Targets that are looked at: what is kept of a take are its places, some ten kilobytes.
const MOST_TARGETS: usize = 32;
/// Holders that are told.
const MOST_HOLDERS: usize = 3;
/// A holder of less than this share of the growth explains nothing.
const LEAST_SHARE: f64 = 0.1;
/// Growth of less is none: tables are enlarged, and code is compiled.
const LEAST_BYTES: u64 = 256 << 10;

/// A place that holds more and more.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeapHolder {
    /// Its share of what the heap has grown by since the first take, 0 to 1.
    pub(crate) share: f64,
    /// What grew, and where.
    pub(crate) grown: GrownHolder,
}

/// All targets that are suspected.
#[derive(Default)]
pub(crate) struct HeapHolders {
    /// Whether that is wanted.
    is_wanted: bool,
    suspects: BTreeMap<u32, Suspect>,
    /// A take is being made: one at a time, as each needs memory.
    is_busy: bool,
    next: Mono,
}

/// A target that is suspected.
struct Suspect {
    id: ProcessId,
    /// What the first take showed, the last but one, and the last.
    takes: Vec<Census>,
    next: Mono,
    rest: Duration,
    failures: u32,
    holders: Vec<HeapHolder>,
    /// A verdict was reported before its holders were known.
    is_nameless: bool,
    /// It is not known yet whether a heap of it grows.
    is_undecided: bool,
    /// Since when it is looked at.
    since: Mono,
    /// Whether it does anything: what does nothing is not read again.
    activity: Activity,
}

/// A take that is to be made.
pub(crate) struct TakeJob {
    id: ProcessId,
}

/// What the places of the heap held in it.
pub(crate) struct Holdings {
    census: Census,
    took: Duration,
    /// When it was had.
    at: Mono,
    /// What was reachable of each heap.
    reachable: Vec<Reachable>,
}

impl TakeJob {
    /// Makes it, in a thread of its own that uses what CPU time nobody else wants.
    pub(crate) fn run(self) -> Result<Holdings> {
        let last_in_line = || {
            own::give_way();
            self.take()
        };
        let thread = thread::Builder::new().name("take".to_owned());
        thread::scope(|scope| {
            let taken = thread.spawn_scoped(scope, last_in_line)?;
            taken.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
        })
    }

    fn take(&self) -> Result<Holdings> {
        let before = own::thread_cpu();
        let target = target::examine(self.id.pid)?;
        if target.process.id != self.id {
            bail!("process {} has ended", self.id);
        }
        if swapped_out(self.id.pid) > 0 {
            bail!("a part of process {} is swapped out: reading its heap would bring it back", self.id);
        }
        let most = (take::available().unwrap_or(u64::MAX) / PART_OF_AVAILABLE).min(MOST_MEMORY);
        let picture = Picture::take(&target, Pause::None, most, &mut |_| {})
            .with_context(|| format!("cannot tell what holds the heap of process {}", self.id))?;
        let (at, reachable) = (clock::now(), picture.graph.reachable());
        let census = picture.ask(false, |known, names| holdings(known, names));
        // What was read may be of another process that has its pid by now.
        if process::current(self.id.pid) != Some(self.id) {
            bail!("process {} has ended", self.id);
        }
        Ok(Holdings { census, took: own::thread_cpu().saturating_sub(before), at, reachable })
    }
}

impl HeapHolders {
    pub(crate) fn new(is_wanted: bool) -> Self {
        Self { is_wanted, ..Self::default() }
    }

    /// How it stands with the heaps of a target.
    pub(crate) fn consider(&mut self, id: ProcessId, level: Level) {
        if self.suspects.len() < MOST_TARGETS {
            self.suspect(id);
        }
        if let Some(suspect) = self.suspects.get_mut(&id.pid) {
            suspect.is_undecided = !matches!(level, Level::Stable | Level::Leak);
        }
    }

    /// A verdict on a target says that what its objects hold grows.
    pub(crate) fn suspect(&mut self, id: ProcessId) {
        if !self.is_wanted || self.suspects.contains_key(&id.pid) {
            return;
        }
        if self.suspects.len() >= MOST_TARGETS {
            // In whose takes nothing grows.
            let cleared = self.suspects.iter().find(|(_, suspect)| suspect.is_cleared()).map(|(pid, _)| *pid);
            let Some(cleared) = cleared else { return };
            self.suspects.remove(&cleared);
        }
        self.suspects.insert(id.pid, Suspect::new(id));
    }

    /// The next take, if it is time for one.
    pub(crate) fn job(&mut self, now: Mono) -> Option<(ProcessId, TakeJob)> {
        if self.is_busy || now < self.next {
            return None;
        }
        let due = self.suspects.values_mut().filter_map(|suspect| suspect.is_due(now).then_some(suspect));
        let suspect = due.min_by_key(|suspect| suspect.next)?;
        self.is_busy = true;
        Some((suspect.id, TakeJob { id: suspect.id }))
    }

    /// A take was made: what is to be judged of it. Or it was not: what there is to say if the target is left alone from now on.
    pub(crate) fn taken(
        &mut self,
        id: ProcessId,
        holdings: Result<Holdings>,
    ) -> Result<Taken, Option<anyhow::Error>> {
        let now = clock::now();
        self.is_busy = false;
        let suspect = self.suspects.get_mut(&id.pid).filter(|suspect| suspect.id == id).ok_or(None)?;
        match holdings {
            Ok(Holdings { census, took, at, reachable }) => {
                suspect.add(census);
                let pause = took.saturating_mul(if suspect.is_urgent(now) { REST } else { LONG_REST });
                self.next = now.later(pause);
                suspect.wait(now, pause);
                Ok(Taken { at, reachable, held_share: suspect.held_share() })
            }
            Err(error) => Err(suspect.has_failed(now).then_some(error)),
        }
    }

    /// What holds what the heap of a target grows by, the largest first: for a verdict that says that it grows.
    pub(crate) fn holders_for(&mut self, pid: u32) -> Vec<HeapHolder> {
        let Some(suspect) = self.suspects.get_mut(&pid) else { return Vec::new() };
        suspect.is_nameless = suspect.holders.is_empty();
        suspect.holders.clone()
    }

    /// Whether that is known by now of a target whose verdict was reported without.
    pub(crate) fn has_found(&self, pid: u32) -> bool {
        self.suspects.get(&pid).is_some_and(|suspect| suspect.is_nameless && !suspect.holders.is_empty())
    }

    /// A target is gone.
    pub(crate) fn forget(&mut self, pid: u32) {
        self.suspects.remove(&pid);
    }
}

impl Suspect {
    fn new(id: ProcessId) -> Self {
        let (takes, holders) = (Vec::new(), Vec::new());
        Self {
            id,
            takes,
            next: Mono(0),
            rest: BETWEEN,
            failures: 0,
            holders,
            is_nameless: false,
            is_undecided: false,
            since: clock::now(),
            activity: Activity::of(id.pid),
        }
    }

    /// Whether it is time for a take, and there may be something new.
    fn is_due(&mut self, now: Mono) -> bool {
        self.next <= now && self.activity.state(now) == State::Active
    }

    fn add(&mut self, census: Census) {
        if self.takes.len() == TAKES {
            // What grows may not have been there, or of no note, at first.
            self.takes.remove(usize::from(!self.holders.is_empty()));
        }
        self.takes.push(census);
        self.failures = 0;
        if let [first, before, last] = &self.takes[..] {
            self.holders = holders(first, before, last);
        }
    }

    fn wait(&mut self, now: Mono, pause: Duration) {
        self.rest = if self.is_awaited() { BETWEEN } else { (self.rest * 2).min(LONGEST) };
        self.next = now.later(self.rest.max(pause));
    }

    /// Whether somebody waits for what the next take shows.
    fn is_awaited(&self) -> bool {
        self.takes.len() < TAKES || self.is_undecided || self.is_nameless && self.holders.is_empty()
    }

    /// Whether more may be spent on it for what is not known.
    fn is_urgent(&self, now: Mono) -> bool {
        self.is_awaited() && now.since(self.since) < URGENT
    }

    /// See [`Taken::held_share`].
    fn held_share(&self) -> Option<f64> {
        let [_, before, last] = &self.takes[..] else { return None };
        Some(held_share(&self.holders, before, last))
    }

    fn is_cleared(&self) -> bool {
        self.takes.len() == TAKES && self.holders.is_empty() && !self.is_nameless
    }

    /// Whether it failed too often.
    fn has_failed(&mut self, now: Mono) -> bool {
        self.failures += 1;
        let is_enough = self.failures == MOST_FAILURES;
        self.next = now.later(if is_enough { Duration::MAX } else { self.rest });
        is_enough
    }
}

/// Bytes of a process that are swapped out; none where the kernel does not say.
fn swapped_out(pid: u32) -> u64 {
    proc::text(pid, "status").and_then(|status| proc::bytes(&status, "VmSwap")).unwrap_or(0)
}

/// Places that hold more than at first, and more than the time before: the program's own before those of Node and V8, which are
/// told where they are what grows (a table of timers). One that was nowhere before may have had another name: what is seen by
/// several functions is told by the one that is nearest to a root at the moment.
fn holders(first: &Census, before: &Census, last: &Census) -> Vec<HeapHolder> {
    let all = last.held.saturating_sub(first.held).max(LEAST_BYTES);
    let recent = compare(before, last).holders;
    let goes_on = |grown: &GrownHolder| {
        let is_known = first.knows(&grown.place) && before.knows(&grown.place);
        is_known && recent.iter().any(|other| other.place == grown.place)
    };
    let (own, program): (Vec<_>, Vec<_>) =
        compare(first, last).holders.into_iter().partition(|grown| grown.is_own);
    let grown = program.into_iter().chain(own).filter(goes_on);
    let holders = grown.filter_map(|grown| {
        let bytes = u64::try_from(grown.grown_bytes).ok().filter(|bytes| *bytes >= LEAST_BYTES)?;
        let share = (bytes as f64 / all as f64).min(1.0);
        (share >= LEAST_SHARE).then_some(HeapHolder { share, grown })
    });
    without_what_encloses(holders).take(MOST_HOLDERS).collect()
}

/// Which share of what came between two takes is in those of `holders` that are the program's own.
fn held_share(holders: &[HeapHolder], before: &Census, last: &Census) -> f64 {
    let all = last.held.saturating_sub(before.held).max(LEAST_BYTES);
    let is_held = |grown: &GrownHolder| {
        grown.is_program && holders.iter().any(|holder| holder.grown.place == grown.place)
    };
    let held = compare(before, last).holders.into_iter().filter(is_held);
    let bytes: u64 = held.filter_map(|grown| u64::try_from(grown.grown_bytes).ok()).sum();
    (bytes as f64 / all as f64).min(1.0)
}

/// What explains more than is left to explain holds what was told already: the scope of a variable, where the first take did not
/// tell them apart.
fn without_what_encloses(holders: impl Iterator<Item = HeapHolder>) -> impl Iterator<Item = HeapHolder> {
    let mut left = 1.0 + LEAST_SHARE / 2.0;
    holders.filter(move |holder| {
        let fits = holder.share <= left;
        left -= if fits { holder.share } else { 0.0 };
        fits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Beyond any pid: of a process that is not there it cannot be told whether it does anything.
    const ID: ProcessId = ProcessId { pid: 1 << 23, start_ticks: 1 };
    const OTHER: ProcessId = ProcessId { pid: (1 << 23) + 1, start_ticks: 2 };

    const MIB: u64 = 1 << 20;

    /// Labels and percents of the holders that three takes show, each of which holds so many MiB in the variables of these names.
    fn shown(takes: [&[(&str, u64)]; 3]) -> Vec<String> {
        let [first, before, last] = takes.map(|variables| {
            let bytes: Vec<_> = variables.iter().map(|(name, mib)| (*name, mib * MIB)).collect();
            Census::of_variables(&bytes)
        });
        let percent =
            |holder: HeapHolder| format!("{} {:.0}", holder.grown.place.label, holder.share * 100.0);
        holders(&first, &before, &last).into_iter().map(percent).collect()
    }

    #[test]
    fn what_grows_and_goes_on_is_a_holder() {
        for (name, takes, expected) in [
            (
                "a leak beside a cache that is full",
                [
                    &[("leak", 5), ("cache", 50)][..],
                    &[("leak", 10), ("cache", 50)],
                    &[("leak", 20), ("cache", 50)],
                ],
                vec!["leak 100"],
            ),
            (
                "a cache that has filled",
                [
                    &[("leak", 5), ("cache", 5)],
                    &[("leak", 10), ("cache", 40)],
                    &[("leak", 20), ("cache", 40)],
                ],
                vec!["leak 30"],
            ),
            (
                "the first take has lost a part",
                [&[("leak", 5)], &[("leak", 10), ("cache", 50)], &[("leak", 20), ("cache", 51)]],
                vec!["leak 23"],
            ),
            (
                "the take before the last has lost a part",
                [&[("leak", 5), ("cache", 50)], &[("leak", 10)], &[("leak", 20), ("cache", 55)]],
                vec!["leak 75"],
            ),
            (
                "Node's own comes after the program's",
                [
                    &[("_timers", 5), ("leak", 5), ("other", 5)],
                    &[("_timers", 15), ("leak", 10), ("other", 10)],
                    &[("_timers", 23), ("leak", 18), ("other", 14)],
                ],
                vec!["leak 32", "other 22", "_timers 45"],
            ),
            (
                "Node's own is most of it",
                [
                    &[("_timers", 5), ("leak", 5)],
                    &[("_timers", 20), ("leak", 10)],
                    &[("_timers", 30), ("leak", 20)],
                ],
                vec!["_timers 62", "leak 38"],
            ),
            ("nothing", [&[("cache", 50)], &[("cache", 50)], &[("cache", 50)]], vec![]),
        ] {
            assert_eq!(shown(takes), expected, "{name}");
        }
    }

    /// What is not the program's own does not count, nor what has come to an end: a ring of buffers that is full.
    #[test]
    fn the_share_that_is_held_is_of_what_came_last() {
        let census = |variables: &[(&str, u64)]| {
            let bytes: Vec<_> = variables.iter().map(|(name, mib)| (*name, mib * MIB)).collect();
            Census::of_variables(&bytes)
        };
        let first = census(&[("leak", 5), ("ring", 5), ("_timers", 5)]);
        let before = census(&[("leak", 10), ("ring", 60), ("_timers", 6)]);
        let last = census(&[("leak", 19), ("ring", 60), ("_timers", 9)]);
        let share = held_share(&holders(&first, &before, &last), &before, &last);
        assert!((share - 0.75).abs() < 0.01, "{share}");
    }

    /// A variable's scope holds what the variable does.
    #[test]
    fn what_encloses_a_holder_is_none() {
        let at = |mib: u64| {
            let mut census = Census::of_variables(&[("leak", mib * MIB), ("scope", mib * MIB)]);
            census.held = mib * MIB;
            census
        };
        let shown = holders(&at(5), &at(20), &at(50));
        assert_eq!(shown.len(), 1, "{shown:?}");
    }

    fn take(took: Duration) -> Holdings {
        Holdings { census: Census::default(), took, at: Mono(0), reachable: Vec::new() }
    }

    fn later(seconds: u64) -> Mono {
        clock::now().later(Duration::from_secs(seconds))
    }

    #[test]
    fn takes_are_made_of_suspects_one_at_a_time_and_with_rests() {
        let mut heaps = HeapHolders::new(true);
        assert!(heaps.job(later(0)).is_none(), "nobody is suspected");
        heaps.suspect(ID);
        heaps.suspect(OTHER);
        let first = heaps.job(later(0)).map(|(id, _)| id);
        assert!(first.is_some() && heaps.job(later(0)).is_none(), "one at a time");
        assert!(heaps.taken(ID, Ok(take(Duration::from_millis(175)))).is_ok());
        assert!(heaps.job(later(3)).is_none(), "not for more than 5 % of a CPU");
        assert_eq!(heaps.job(later(4)).map(|(id, _)| id), Some(OTHER));
        assert!(heaps.taken(OTHER, Ok(take(Duration::ZERO))).is_ok());
        assert!(heaps.job(later(4)).is_none(), "neither is due before five seconds have passed");
        assert!(heaps.job(later(6)).is_some());
        heaps.forget(ID.pid);
        assert!(matches!(heaps.taken(ID, Ok(take(Duration::ZERO))), Err(None)), "it is gone");
    }

    #[test]
    fn who_cannot_be_read_is_left_alone_after_some_attempts() {
        let mut heaps = HeapHolders::new(true);
        heaps.suspect(ID);
        let mut said = Vec::new();
        for attempt in 0..3 {
            assert!(heaps.job(later(11 * attempt)).is_some());
            said.extend(heaps.taken(ID, Err(anyhow::anyhow!("torn"))).err().flatten());
        }
        assert_eq!(said.iter().map(ToString::to_string).collect::<Vec<_>>(), ["torn"]);
        assert!(heaps.job(later(100_000)).is_none());
    }

    #[test]
    fn whoever_is_cleared_makes_room_for_the_next() {
        let mut heaps = HeapHolders::new(true);
        let id = |pid| ProcessId { pid, start_ticks: 1 };
        (1..=32).for_each(|pid| heaps.suspect(id(pid)));
        heaps.suspect(id(33));
        assert!(!heaps.suspects.contains_key(&33), "there is no room");
        for _ in 0..TAKES {
            assert!(heaps.taken(id(5), Ok(take(Duration::ZERO))).is_ok());
        }
        heaps.suspect(id(33));
        assert!(heaps.suspects.contains_key(&33) && !heaps.suspects.contains_key(&5));
    }

    #[test]
    fn nobody_is_suspected_where_nothing_is_to_be_explained() {
        let mut heaps = HeapHolders::new(false);
        heaps.suspect(ID);
        assert!(heaps.job(later(0)).is_none());
    }
}
