//! Who is judged: our detector and others, behind one trait.

pub mod consecutive;
pub mod kendall;
pub mod memwatch;
pub mod ours;
pub mod precog;
pub mod prometheus;
pub mod slope;

use memwatch_user::{
    detect::gates,
    model::{Collection, GcKind},
};

/// A moment at which a detector says `leak`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alarm {
    /// Seconds after the attach.
    pub at_s: f64,
    /// How fast it says that the heap grows, bytes an hour; `None` if it does not say.
    pub rate: Option<f64>,
}

/// A detector of one heap, or of anything else that is a number of bytes.
pub trait Detector {
    /// Takes in a collection; an alarm when one begins, not again while it lasts. Most look at mark-compacts only.
    fn collection(&mut self, c: &Collection) -> Option<Alarm> {
        let (at_s, after) = mark_compact(c)?;
        self.sample(at_s, after)
    }

    /// Takes in a number of bytes, `at_s` seconds after the attach. What only knows heaps has nothing to say.
    fn sample(&mut self, at_s: f64, bytes: f64) -> Option<Alarm> {
        let _ = (at_s, bytes);
        None
    }

    /// Bytes an hour by which the heap grows, as things look now.
    fn rate(&self) -> Option<f64> {
        None
    }

    /// Seconds after the last collection until the heap's limit is reached: at the earliest and at the latest.
    fn forecast(&self) -> Option<(f64, Option<f64>)> {
        None
    }
}

/// A detector that can be made anew for each process.
pub struct Kind {
    /// Its name in tables.
    pub name: String,
    /// Which detector it is a setting of.
    pub family: &'static str,
    /// Makes one for a heap of that limit (bytes) in a process of that age (seconds).
    pub make: Box<dyn Fn(f64, f64) -> Box<dyn Detector> + Send + Sync>,
}

impl Kind {
    fn new<D: Detector + 'static>(
        family: &'static str,
        name: impl Into<String>,
        make: impl Fn(f64, f64) -> D + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), family, make: Box::new(move |limit, age| Box::new(make(limit, age))) }
    }
}

/// Index of ours in [`all`].
pub const OURS: usize = 0;
/// Index of the faithful memwatch in [`all`].
pub const MEMWATCH: usize = 1;

/// Family of the settings of ours that leave a test out.
pub const ABLATION: &str = "ablation";

/// Ours, the others, and every setting of those that have one.
#[must_use]
pub fn all() -> Vec<Kind> {
    let mut kinds = vec![
        Kind::new("memwatch-bpf", "memwatch-bpf", ours::Ours::new),
        Kind::new("memwatch-next", "memwatch-next, faithful", |_, _| memwatch::Faithful::default()),
        Kind::new("memwatch-next", "memwatch-next, repaired", |_, _| memwatch::Repaired::default()),
    ];
    for runs in [5, 8, 12, 20] {
        let name = format!("{runs} rising mark-compacts");
        kinds.push(Kind::new("rising run", name, move |_, _| consecutive::Consecutive::new(runs)));
    }
    for z in [3.0, 5.0, 8.0] {
        kinds.push(Kind::new("Mann–Kendall", format!("Z > {z}"), move |_, _| kendall::Kendall::new(z)));
    }
    for mib in [0.1, 1.0, 10.0, 100.0] {
        let name = format!("> {mib} MiB/h over 64 mark-compacts");
        kinds.push(Kind::new("slope after mark-compact", name, move |_, _| slope::Slope::new(mib)));
    }
    kinds.extend(prometheus());
    kinds.extend(gates::QUESTIONS.map(|question| {
        Kind::new(ABLATION, format!("without `{}`", question.word()), move |limit, age| {
            ours::Ours::new(limit, age).without(question)
        })
    }));
    kinds
}

fn prometheus() -> impl Iterator<Item = Kind> {
    let deriv = [0.1, 1.0, 10.0, 100.0].map(|kb| {
        let name = format!("deriv(heap_used[1h]) > {kb} kB/s for 30m");
        Kind::new("Prometheus", name, move |_, _| prometheus::Rule::deriv(kb * 1e3))
    });
    let predict = Kind::new("Prometheus", "predict_linear(heap_used[1h], 4h) > limit for 10m", |limit, _| {
        prometheus::Rule::predict_linear(limit)
    });
    deriv.into_iter().chain([predict])
}

/// Seconds, and bytes after, of a mark-compact whose size is known.
fn mark_compact(c: &Collection) -> Option<(f64, f64)> {
    let after = c.after_bytes.filter(|_| c.kind == GcKind::MarkCompact)?;
    Some((c.end.seconds(), after as f64))
}
