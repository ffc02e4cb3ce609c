//! What is done beside the loop that takes in events, and what is waited for: the loop neither reads a target's memory nor
//! parses its files. Each result comes back as a [`Finished`], in the order in which they are ready.

use std::{
    collections::BTreeSet,
    io,
    os::fd::OwnedFd,
    panic::{self, AssertUnwindSafe},
    sync::mpsc as std_mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::{
    io::unix::AsyncFd,
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task,
    time::sleep,
};

use super::{
    adoption::examine::{ExamineJob, Examined, SettleJob, Settled},
    attribution::{
        names::{NameJob, Named},
        native::TrackerJob,
    },
    heaps::take::{Holdings, TakeJob},
    panicked::Panicked,
    probes::job::{AttachJob, Attached, Order},
    scrape::{Scrape, ScrapeJob},
};
use crate::{
    bpf::{attach::AttachError, error::LoadError, load::Programs, raw, walker::Walker},
    model::ProcessId,
    native::{NativeError, Tracker},
    target::process,
};

/// So many jobs run at once. A target has two at most that read its memory, a scrape and names, and may keep either waiting for
/// seconds: it takes three such targets to delay another one.
pub(crate) const THREADS: usize = 6;
/// How long to wait for the dynamic loader before examining a process again: it takes a few milliseconds.
const LOAD_TIME: Duration = Duration::from_millis(20);
/// How often to look whether a process has ended that does not tell.
const LATE: Duration = Duration::from_secs(1);

/// Something that was done or has happened beside the loop.
pub(crate) struct Finished(pub(super) Done);

impl Finished {
    /// Whether it is the end of a process.
    pub(crate) fn is_an_end(&self) -> bool {
        matches!(self.0, Done::Ended(_))
    }
}

/// What it was.
pub(super) enum Done {
    /// A scrape of a target.
    Scrape(ProcessId, Result<Scrape, Panicked>),
    /// Names for stacks.
    Names(u32, Result<Named, Panicked>),
    /// A process was examined, or why it cannot be watched.
    Examined(u32, Box<Result<anyhow::Result<Examined>, Panicked>>),
    /// Probes were attached, or why not.
    Attached(Order, Result<Result<Attached, AttachError>, Panicked>),
    /// What could not be known when a target began.
    Settled(ProcessId, Box<Result<Settled, Panicked>>),
    /// A tracker of native memory, or why there is none.
    Tracker(ProcessId, Result<Result<Tracker, NativeError>, Panicked>),
    /// What a take of the heap of a target showed, or why there is none.
    Take(ProcessId, Result<anyhow::Result<Holdings>, Panicked>),
    /// The program that walks stacks was loaded, or why it was not.
    Walker(Result<Result<(), LoadError>, Panicked>),
    /// It is time to examine a process again that had not yet mapped what it runs.
    ExamineAgain(u32),
    /// A process has ended.
    Ended(ProcessId),
}

/// Has things done. Needs a tokio runtime with a local set.
pub(super) struct Background {
    sender: UnboundedSender<Finished>,
    /// To the thread that attaches.
    probes: std_mpsc::Sender<AttachJob>,
    /// Whose end is waited for.
    awaited: BTreeSet<ProcessId>,
}

impl Background {
    /// `programs` are those that are attached.
    pub(super) fn new(programs: Programs) -> io::Result<(Self, UnboundedReceiver<Finished>)> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (probes, jobs) = std_mpsc::channel();
        let answers = sender.clone();
        thread::Builder::new().name("probes".to_owned()).spawn(move || attach(programs, &jobs, &answers))?;
        Ok((Self { sender, probes, awaited: BTreeSet::new() }, receiver))
    }

    /// One after the other, in the order in which they are asked for.
    pub(super) fn attach(&self, jobs: impl IntoIterator<Item = AttachJob>) {
        for job in jobs {
            // Its thread runs as long as we do.
            let _running = self.probes.send(job);
        }
    }

    pub(super) fn scrape(&self, id: ProcessId, job: ScrapeJob) {
        self.run(|| job.run(), move |scrape| Done::Scrape(id, scrape));
    }

    pub(super) fn names(&self, pid: u32, job: NameJob) {
        self.run(|| job.run(), move |named| Done::Names(pid, named));
    }

    pub(super) fn examine(&self, pid: u32, job: ExamineJob) {
        self.run(|| job.run(), move |examined| Done::Examined(pid, Box::new(examined)));
    }

    pub(super) fn settle(&self, id: ProcessId, job: SettleJob) {
        self.run(|| job.run(), move |settled| Done::Settled(id, Box::new(settled)));
    }

    pub(super) fn tracker(&self, id: ProcessId, job: TrackerJob) {
        self.run(|| job.run(), move |tracker| Done::Tracker(id, tracker));
    }

    pub(super) fn take(&self, id: ProcessId, job: TakeJob) {
        self.run(|| job.run(), move |holdings| Done::Take(id, holdings));
    }

    pub(super) fn walker(&self, walker: Walker) {
        self.run(|| walker.load(), Done::Walker);
    }

    /// Says when to examine `pid` again, once.
    pub(super) fn examine_again(&self, pid: u32) {
        let sender = self.sender.clone();
        task::spawn_local(async move {
            sleep(LOAD_TIME).await;
            tell(&sender, Done::ExamineAgain(pid));
        });
    }

    /// Says when a process has ended, once, however often it is asked. A descriptor stands for one process, whatever its pid is
    /// used for later; that it is the right one is checked once it is open.
    pub(super) fn wait_for_end(&mut self, id: ProcessId) {
        if !self.awaited.insert(id) {
            return;
        }
        let pidfd = match open_pidfd(id.pid) {
            // An older filter of system calls forbids it, or we have too many files open.
            Err(error) if process::current(id.pid) == Some(id) => {
                log::warn!("the end of process {id} will be noticed late: {error}");
                None
            }
            pidfd => pidfd.ok().filter(|_| process::current(id.pid) == Some(id)),
        };
        let sender = self.sender.clone();
        task::spawn_local(async move {
            ended(id, pidfd).await;
            tell(&sender, Done::Ended(id));
        });
    }

    /// The end of `id` has been dealt with.
    pub(super) fn has_ended(&mut self, id: ProcessId) {
        self.awaited.remove(&id);
    }

    fn run<T: 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
        done: impl FnOnce(Result<T, Panicked>) -> Done + Send + 'static,
    ) {
        run(self.sender.clone(), job, done);
    }
}

/// Has a thread of the pool do it, and tell.
fn run<T: 'static>(
    answers: UnboundedSender<Finished>,
    job: impl FnOnce() -> T + Send + 'static,
    done: impl FnOnce(Result<T, Panicked>) -> Done + Send + 'static,
) {
    task::spawn_blocking(move || {
        let result = panic::catch_unwind(AssertUnwindSafe(job)).map_err(|_| Panicked);
        tell(&answers, done(result));
    });
}

/// Attaches until nobody can ask for it any more.
fn attach(mut programs: Programs, jobs: &std_mpsc::Receiver<AttachJob>, answers: &UnboundedSender<Finished>) {
    for job in jobs {
        let run = AssertUnwindSafe(|| job.run(&mut programs));
        let attached = panic::catch_unwind(run).map_err(|_| Panicked);
        tell(answers, Done::Attached(job.order, attached));
    }
}

/// The receiver is dropped only when we stop.
fn tell(sender: &UnboundedSender<Finished>, done: Done) {
    let _stopping = sender.send(Finished(done));
}

async fn ended(id: ProcessId, pidfd: Option<AsyncFd<OwnedFd>>) {
    if let Some(pidfd) = pidfd {
        let _readable = pidfd.readable().await;
        return;
    }
    while !process::has_ended(id) {
        sleep(LATE).await;
    }
}

fn open_pidfd(pid: u32) -> io::Result<AsyncFd<OwnedFd>> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    raw::readable(pidfd_open(pid, PidfdFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};

    use super::*;

    /// With one thread, as many targets as there are threads would wait for each other without end.
    #[test]
    fn jobs_of_several_targets_run_at_once() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().max_blocking_threads(THREADS).build().unwrap();
        let all_there = runtime.block_on(async {
            let (answers, mut finished) = mpsc::unbounded_channel();
            let meeting = Arc::new(Barrier::new(THREADS));
            for _ in 0..THREADS {
                let meeting = Arc::clone(&meeting);
                run(answers.clone(), move || meeting.wait().is_leader(), |_| Done::ExamineAgain(7));
            }
            let mut came = 0;
            while came < THREADS && finished.recv().await.is_some() {
                came += 1;
            }
            came
        });
        assert_eq!(all_there, THREADS);
    }

    #[tokio::test]
    async fn a_job_that_panics_says_so_and_the_next_one_runs() {
        let (answers, mut finished) = mpsc::unbounded_channel();
        let id = ProcessId { pid: 1, start_ticks: 2 };
        run(answers.clone(), || panic!("as a test"), move |scrape| Done::Scrape(id, scrape));
        run(
            answers,
            || Err("no"),
            move |tracker: Result<Result<Tracker, &str>, Panicked>| {
                Done::Tracker(
                    id,
                    tracker.map(|tracker| tracker.map_err(|why: &str| NativeError::Panicked(why.to_owned()))),
                )
            },
        );
        let mut results = [None, None];
        for result in &mut results {
            *result = finished.recv().await.map(|Finished(done)| match done {
                Done::Scrape(_, Err(Panicked)) => "panicked",
                Done::Tracker(_, Ok(Err(_))) => "no",
                _ => "other",
            });
        }
        results.sort_unstable();
        assert_eq!(results, [Some("no"), Some("panicked")]);
    }
}
