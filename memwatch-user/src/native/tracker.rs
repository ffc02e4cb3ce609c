//! Beginning to follow processes and asking what is known of them: the side of whoever watches.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
};

use super::{
    Decision, Javascript, Known, Mode, NativeError,
    context::{Context, Shared, lock},
    follow,
    pool::{self, Command},
};
use crate::{
    host::features::Features,
    model::ProcessId,
    plan::malloc::{self, MallocPlan},
    target::maps,
};

/// Processes of which every block is followed at once: about 90 MB of the kernel's memory and a thread each.
pub const MOST_FULL: usize = 4;

/// Whose native memory is followed, and how. All of it ends when the last tracker and the last copy of this are dropped.
#[derive(Clone)]
pub struct Trackers {
    mode: Mode,
    budget_pct: f64,
    features: Features,
    /// The thread for all that are not followed in full, once there is one.
    pool: Arc<Mutex<Option<Sender<Command>>>>,
    /// Counts trackers that follow every block.
    full: Arc<()>,
}

/// Follows the native memory of one process. Its probes go when it is dropped, or with our own process.
pub struct Tracker {
    shared: Arc<Mutex<Shared>>,
    kind: Kind,
}

enum Kind {
    /// With a thread of its own, which ends when `stop` is dropped.
    Full { stop: Option<Sender<()>>, thread: Option<JoinHandle<()>>, _counted: Arc<()> },
    /// By the thread of all.
    Pooled { pid: u32, pool: Sender<Command> },
}

impl Trackers {
    /// With what the kernel has. Nobody is followed yet.
    #[must_use]
    pub fn new(mode: Mode, budget_pct: f64, features: Features) -> Self {
        Self { mode, budget_pct, features, pool: Arc::default(), full: Arc::default() }
    }

    /// Begins to follow `id`. `javascript`: what it takes to say which JavaScript called.
    pub fn start(&self, id: ProcessId, javascript: Option<Javascript>) -> Result<Tracker, NativeError> {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (budget_pct, multi) = (self.budget_pct, self.features.uprobe_multi);
        let context = Context { id, budget_pct, multi, javascript, shared: Arc::clone(&shared) };
        let cookies = self.features.attach_cookie;
        let kind = match self.mode {
            Mode::Off => return Err(NativeError::NotAskedFor),
            Mode::Growth => self.watch(context, None)?,
            Mode::Auto => self.watch(context, Some(plan(id.pid, Mode::Auto, cookies)?))?,
            Mode::Full => self.follow(context, plan(id.pid, Mode::Full, cookies)?)?,
        };
        Ok(Tracker { shared, kind })
    }

    fn watch(&self, context: Context, plan: Option<MallocPlan>) -> Result<Kind, NativeError> {
        let pid = context.id.pid;
        let pool = self.pool()?;
        // A thread that has ended has said why.
        let _ended = pool.send(Command::Watch(Arc::new(context), plan.map(Box::new)));
        Ok(Kind::Pooled { pid, pool })
    }

    /// The thread of all, which is started for the first of them.
    fn pool(&self) -> Result<Sender<Command>, NativeError> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let started = pool.take().map_or_else(start_pool, Ok)?;
        Ok(pool.insert(started).clone())
    }

    fn follow(&self, context: Context, plan: MallocPlan) -> Result<Kind, NativeError> {
        if Arc::strong_count(&self.full) > MOST_FULL {
            return Err(NativeError::TooMany(MOST_FULL));
        }
        let (stop, stopped) = mpsc::channel();
        let run = move || {
            let done = catch_unwind(AssertUnwindSafe(|| follow::run(&context, &plan, &stopped)));
            if let Err(payload) = done {
                context.refuse(&NativeError::panicked(&*payload));
            }
        };
        let thread =
            thread::Builder::new().name("native".to_owned()).spawn(run).map_err(NativeError::Thread)?;
        Ok(Kind::Full { stop: Some(stop), thread: Some(thread), _counted: Arc::clone(&self.full) })
    }
}

fn start_pool() -> Result<Sender<Command>, NativeError> {
    let (pool, commands) = mpsc::channel();
    let run = move || pool::run(&commands);
    thread::Builder::new().name("native".to_owned()).spawn(run).map_err(NativeError::Thread)?;
    Ok(pool)
}

/// Sampled blocks have to be told freed from live; where they are not, they can be followed only.
fn plan(pid: u32, mode: Mode, cookies: bool) -> Result<MallocPlan, NativeError> {
    if !cookies {
        return Err(NativeError::NoCookies);
    }
    let maps = maps::of(pid).map_err(NativeError::Mappings)?;
    let plan = malloc::prepare(pid, &maps)?;
    match plan.marks {
        Err(why) if mode == Mode::Auto => Err(NativeError::NoMarks { allocator: plan.allocator.name(), why }),
        _ => Ok(plan),
    }
}

impl Tracker {
    /// Begins to follow `id` alone: as of [`Trackers::start`].
    pub fn start(
        id: ProcessId,
        mode: Mode,
        budget_pct: f64,
        features: Features,
        javascript: Option<Javascript>,
    ) -> Result<Self, NativeError> {
        Trackers::new(mode, budget_pct, features).start(id, javascript)
    }

    /// What is known by now.
    #[must_use]
    pub fn known(&self) -> Known {
        lock(&self.shared).known.clone()
    }

    /// What was decided since this was asked last.
    #[must_use]
    pub fn decisions(&self) -> Vec<Decision> {
        std::mem::take(&mut lock(&self.shared).decisions)
    }

    /// Whether the process grows, so that there is reason to look closer.
    #[must_use]
    pub fn is_alarmed(&self) -> bool {
        lock(&self.shared).alarmed
    }

    /// What the process pays for other probes of ours by now, percent of one CPU: the budget is for the sum.
    pub fn leave_for_others(&self, cost_pct: f64) {
        lock(&self.shared).others_pct = cost_pct;
    }

    /// Stops, and waits until the probes are gone.
    pub fn stop(self) {
        Self::stop_all(vec![self]);
    }

    /// Stops several side by side, and waits until their probes are gone.
    pub fn stop_all(mut trackers: Vec<Self>) {
        let waits: Vec<_> = trackers.iter_mut().map(|tracker| tracker.kind.begin_to_stop()).collect();
        // Either sends, or ends without: a panic was caught and told where it happened.
        for gone in waits.into_iter().flatten() {
            let _sent_or_ended = gone.recv();
        }
        for tracker in &mut trackers {
            if let Kind::Full { thread, .. } = &mut tracker.kind {
                let _ended = thread.take().map(JoinHandle::join);
            }
        }
    }
}

impl Kind {
    /// Says that it is to stop. Who is waited for, if it is not a thread of its own.
    fn begin_to_stop(&mut self) -> Option<mpsc::Receiver<()>> {
        match self {
            Self::Full { stop, .. } => {
                *stop = None;
                None
            }
            Self::Pooled { pid, pool } => {
                let (told, gone) = mpsc::channel();
                pool.send(Command::Leave(*pid, Some(told))).ok()?;
                Some(gone)
            }
        }
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        if let Kind::Pooled { pid, pool } = &self.kind {
            let _ended = pool.send(Command::Leave(*pid, None));
        }
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Tracker").field("known", &self.known()).finish_non_exhaustive()
    }
}
