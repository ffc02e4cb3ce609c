//! `watch`: connects all stages for as long as it lasts.
//!
//! [`whom`] says who is meant, [`session`] keeps the targets ([`watched`]: one of them, [`attachments`]: their probes,
//! [`looks`]: what it holds, read from outside, [`losses`]: what was not seen, [`origins`]: where memory comes from),
//! [`events`] is everything that can happen, [`output`] is where the records go.

mod attachments;
mod cost;
mod ending;
mod events;
mod features;
mod hello;
mod judged;
mod launch;
mod looks;
mod losses;
mod mappings;
mod native;
mod origins;
pub(crate) mod output;
mod pace;
mod profiles;
mod sampling;
mod session;
mod stacks;
mod starts;
mod translate;
mod watched;
mod whom;

use std::{ffi::OsString, io};

use anyhow::{Context as _, Result, ensure};
use tokio::runtime;

use self::{
    events::{Events, Input, LOOKS, Stop},
    launch::Launched,
    native::{Asked, Natives},
    origins::Origins,
    output::Output,
    profiles::Profiles,
    session::{Adopted, Next, Session},
    stacks::Stacks,
    starts::Starts,
    whom::Roster,
};
use crate::{
    bpf::{
        load::{Kernel, Settings},
        multi,
        ring::{self, Ring},
        stacks::StackMaps,
    },
    cli::{
        self,
        args::Switch,
        job::{Watch, Whom},
    },
    host::{btf, clock, features::Features, kernel::Kernel as HostKernel, own, rights::Rights},
    ingest,
    model::{Mono, ProcessId},
    report::{
        record::{Body, Bye, Overhead, Own, Record, SCHEMA, Verdict},
        time::Time,
    },
    target::process,
};
use memwatch_common::{loss::LossReason, target::TaskLayout};

/// The exit status of a leak.
const LEAK: u8 = 1;

/// What came of a watch.
#[derive(Clone, Debug)]
pub struct Done {
    /// The exit status.
    pub status: u8,
    /// The last verdict of all.
    pub verdict: Option<Verdict>,
}

/// Watches until it is over.
pub fn run(watch: &Watch) -> Result<Done> {
    // One thread beside the loop's: looks at many targets wait for each other rather than fill the host.
    let runtime = runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build()?;
    let done = tokio::task::LocalSet::new().block_on(&runtime, watch_until_over(watch));
    // A look may be under way still; nobody waits for it.
    runtime.shutdown_background();
    done
}

async fn watch_until_over(watch: &Watch) -> Result<Done> {
    let roster = Roster::new(&watch.whom, watch.children)?;
    let profiles = Profiles::create(&watch.profiles)?;
    // What we start has our limits.
    let launches = matches!(watch.whom, Whom::Command(_));
    if !launches {
        own::open_more_files();
    }
    let features = allowed(watch)?;
    let task = task_layout(features);
    let mut kernel = load(watch, features, task, roster.follows_all())?;
    let ring = Ring::open(&mut kernel)?;
    let (stack_ring, maps) = stacks(watch, &mut kernel)?;
    let stacks = Stacks::new(maps, task, profiles.are_wanted());
    let native = Asked { mode: watch.native, budget_pct: watch.budget_pct, features, task };
    let origins = Origins { stacks, natives: Natives::new(native), starts: Starts::default() };
    let mut session = Session::new(kernel, features.attach_cookie, roster, origins, watch.budget_pct / 100.0);
    let mut run = Run {
        adopted: session.adopt_running()?,
        events: Events::new(ring, stack_ring, watch.interval, watch.duration)?,
        launched: launch(watch, &mut session)?,
        since: clock::now(),
        until_leak: watch.until_leak,
        budget_pct: watch.budget_pct,
        profiles,
        session,
    };
    if launches {
        own::open_more_files();
    }
    ensure_somebody(&run)?;
    let mut output = Output::open(watch)?;
    let stop = run.until_stopped(&mut output).await;
    run.finish(output, stop)
}

/// What the host offers, or why nothing can be watched here.
fn allowed(watch: &Watch) -> Result<Features> {
    let version = HostKernel::running().version;
    Rights::ours().check(version)?;
    let features = Features::probe(version, multi::is_supported()).without(&watch.assume_missing);
    ensure!(
        features.ring_buffer,
        "this kernel has no BPF ring buffer (Linux 5.8 on has): nothing can be watched here; `memwatch-bpf doctor` says more"
    );
    ensure!(
        features.uprobe_pmu,
        "this kernel has no uprobes (CONFIG_UPROBE_EVENTS): nothing can be watched here; `memwatch-bpf doctor` says more"
    );
    Ok(features)
}

fn task_layout(features: Features) -> TaskLayout {
    if features.btf { btf::task_layout().unwrap_or(TaskLayout::UNKNOWN) } else { TaskLayout::UNKNOWN }
}

fn load(watch: &Watch, features: Features, task: TaskLayout, follow_all: bool) -> Result<Kernel> {
    let debug = watch.verbose > 1;
    let mut kernel = Kernel::load(Settings { cookies: features.attach_cookie, follow_all, task, debug })?;
    for (tracepoint, reason) in kernel.attach_tracepoints() {
        log::warn!("the tracepoint {tracepoint} cannot be used, so ends are told with less detail: {reason}");
    }
    if debug {
        ring::forward_debug_lines(&mut kernel)?;
    }
    Ok(kernel)
}

/// What it takes to watch stacks, if that is wanted.
fn stacks(watch: &Watch, kernel: &mut Kernel) -> Result<(Option<Ring>, Option<StackMaps>)> {
    if watch.stacks == Switch::Off {
        return Ok((None, None));
    }
    Ok((Some(Ring::open_stacks(kernel)?), Some(StackMaps::open(kernel)?)))
}

/// Starts the program, if there is one to start.
fn launch(watch: &Watch, session: &mut Session) -> Result<Option<Launched>> {
    let Whom::Command(command) = &watch.whom else { return Ok(None) };
    let program = launch::find(command.first().map(OsString::as_os_str).unwrap_or_default());
    session.expect_child(program.as_deref())?;
    Launched::start(command, watch.output.json).map(Some)
}

fn ensure_somebody(run: &Run) -> Result<()> {
    let someone_may_come = run.session.may_grow();
    ensure!(someone_may_come || !run.adopted.is_empty() || run.launched.is_some(), "no process to watch");
    Ok(())
}

/// A watch under way.
struct Run {
    session: Session,
    events: Events,
    launched: Option<Launched>,
    /// Adopted before the first event.
    adopted: Vec<Adopted>,
    since: Mono,
    until_leak: bool,
    budget_pct: f64,
    profiles: Profiles,
}

impl Run {
    async fn until_stopped(&mut self, output: &mut Output) -> io::Result<Stop> {
        for adopted in std::mem::take(&mut self.adopted) {
            self.welcome(&adopted, output)?;
        }
        self.welcome_child(output)?;
        let clock = self.session.clock();
        loop {
            // In random order: a storm of collections must not keep the view from being drawn.
            let input = tokio::select! {
                input = self.events.next() => input,
                wanted = output.wants(|| Time::from_unix_ms(clock.unix_ms(clock::now()))) => wanted?,
            };
            match input {
                Input::Records => self.records(output)?,
                Input::Stacks => self.stacks(output)?,
                Input::Gone(id) => self.gone(id, output)?,
                Input::LookAgain(pid, looks) => {
                    let next = self.session.consider(pid);
                    self.follow_up(next, looks, output)?;
                }
                Input::Interval => {
                    // First what is there: losses are judged against what was seen.
                    self.records(output)?;
                    let (looks, records) = self.session.interval();
                    for look in looks {
                        self.events.look(look);
                    }
                    output.records(&records)?;
                }
                Input::Looked(looked) => output.records(&self.session.looked(*looked))?,
                Input::Stop(stop) => return Ok(stop),
            }
            if self.until_leak && output.has_leak() {
                return Ok(Stop::Leak);
            }
            if self.is_over() {
                return Ok(Stop::TargetsGone);
            }
        }
    }

    fn welcome_child(&mut self, output: &mut Output) -> io::Result<()> {
        let Some(child) = self.launched.as_ref().map(Launched::pid) else { return Ok(()) };
        if let Some(id) = process::current(child) {
            self.events.wait_for_end(id);
        }
        let next = self.session.child_is_started(child).map_err(io::Error::other)?;
        self.follow_up(next, LOOKS, output)
    }

    fn records(&mut self, output: &mut Output) -> io::Result<()> {
        let mut events = Vec::new();
        let session = &mut self.session;
        self.events.ring.drain(|bytes| match ingest::decode(bytes) {
            Ok(event) => events.push(event),
            Err(_) => session.malformed(ingest::process_of(bytes), LossReason::EventMalformed),
        });
        // The stack on which a collection began was sent before it ended.
        self.stacks(output)?;
        for event in events {
            let (records, next) = self.session.event(&event);
            output.records(&records)?;
            self.follow_up(next, LOOKS, output)?;
        }
        self.session.make_room();
        Ok(())
    }

    /// Names are read at once: what a stack refers to is true for a moment.
    fn stacks(&mut self, output: &mut Output) -> io::Result<()> {
        let mut records = Vec::new();
        let session = &mut self.session;
        if let Some(ring) = &mut self.events.stacks {
            ring.drain(|bytes| records.extend(session.stack(bytes)));
        }
        output.records(&records)
    }

    fn follow_up(&mut self, next: Next, looks: u8, output: &mut Output) -> io::Result<()> {
        match next {
            Next::Nothing => Ok(()),
            Next::Welcome(adopted) => self.welcome(&adopted, output),
            Next::LookAgain(pid) => {
                if looks > 0 {
                    self.events.look_again(pid, looks - 1);
                } else {
                    self.session.give_up(pid);
                }
                Ok(())
            }
        }
    }

    fn welcome(&mut self, adopted: &Adopted, output: &mut Output) -> io::Result<()> {
        self.events.wait_for_end(adopted.id);
        output.records(&adopted.records)
    }

    /// What it said last may still be in the ring buffer.
    fn gone(&mut self, id: ProcessId, output: &mut Output) -> io::Result<()> {
        self.records(output)?;
        self.events.has_ended(id);
        output.records(&self.session.gone(id))
    }

    fn is_over(&mut self) -> bool {
        let ended = self.launched.as_mut().is_none_or(Launched::reap);
        ended && self.session.is_over()
    }

    /// The report is out before the probes are gone: detaching takes the kernel some tenths of a second.
    fn finish(mut self, mut output: Output, stop: io::Result<Stop>) -> Result<Done> {
        let last_words = stop.and_then(|stop| {
            self.records(&mut output)?;
            self.stacks(&mut output)?;
            output.records(&self.session.last_records())?;
            output.records(&[self.bye(stop)])?;
            output.finish()
        });
        let (status, reported) = match last_words {
            Ok(status) => (status, Ok(())),
            // Nobody reads any more: no failure of ours.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => (output.exit_status(), Ok(())),
            Err(error) => (output.exit_status(), Err(error).context("cannot write the report")),
        };
        let written = reported.and_then(|()| self.profiles.write(&self.session.sampled()));
        let never_node = self.launched.is_some() && self.session.adopted() == 0;
        self.session.detach();
        ensure!(!never_node, "the program ended without running Node.js: nothing was watched");
        match written {
            // What was found goes before what could not be written.
            Err(error) if status == LEAK => cli::log::complain(&error),
            written => written?,
        }
        Ok(Done { status, verdict: output.last_verdict() })
    }

    fn bye(&self, stop: Stop) -> Record {
        let now = clock::now();
        let watched_s = now.since(self.since).as_secs_f64();
        let cost_s = self.session.cost_s();
        Record {
            schema: SCHEMA,
            ts: Time::from_unix_ms(self.session.clock().unix_ms(now)),
            subject: None,
            body: Body::Bye(Bye {
                reason: stop.name().to_owned(),
                watched_s,
                own: Own { cpu_s: own::cpu_seconds(), rss: own::rss_bytes() },
                target_overhead: Overhead {
                    estimated_pct: (watched_s > 0.0).then(|| 100.0 * cost_s / watched_s),
                    budget_pct: self.budget_pct,
                    backoffs: self.session.backoffs(),
                },
            }),
        }
    }
}
