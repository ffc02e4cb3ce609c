//! One thread for the native memory of all processes: it reads whether they grow, and has those followed that are the most
//! suspicious.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::Duration,
};

use super::{
    NativeError,
    context::Context,
    queue::{self, MOST_FOLLOWED, Suspect},
    sampler::{Parked, Sampling},
    watch::Watch,
};
use crate::{host::clock, model::Mono, plan::malloc::MallocPlan};

/// How often it is considered who is followed.
const CONSIDERING: Duration = Duration::from_secs(1);

/// What the thread is told.
pub(super) enum Command {
    /// Watch a process; with a plan it can be followed.
    Watch(Arc<Context>, Option<Box<MallocPlan>>),
    /// Leave a process alone. Whoever is named is told when its probes are gone.
    Leave(u32, Option<Sender<()>>),
}

/// A process.
struct Member {
    context: Arc<Context>,
    /// `None` where it cannot be followed.
    plan: Option<Arc<MallocPlan>>,
    watch: Watch,
    state: State,
}

/// Whether a process is followed.
enum State {
    /// It is not. What was found out when it was, and whether it was said that it waits.
    Waits(Option<Box<Parked>>, bool),
    /// Since then.
    Followed(Mono, Box<Sampling>),
}

/// Runs until nobody can send commands any more.
pub(super) fn run(commands: &Receiver<Command>) {
    let mut pool = Pool { members: BTreeMap::new(), considering: clock::now() };
    loop {
        let time = pool.next().map_or(Duration::from_secs(3600), |next| next.since(clock::now()));
        match commands.recv_timeout(time.max(Duration::from_millis(1))) {
            Ok(command) => pool.obey(command),
            Err(RecvTimeoutError::Timeout) => pool.turn(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

struct Pool {
    members: BTreeMap<u32, Member>,
    considering: Mono,
}

impl Pool {
    fn next(&self) -> Option<Mono> {
        let next = self.members.values().map(Member::next).min()?;
        Some(next.min(self.considering))
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Watch(context, plan) => {
                let (pid, plan) = (context.id.pid, plan.map(|plan| Arc::new(*plan)));
                let watch = Watch::new(Arc::clone(&context), clock::now());
                let state = State::Waits(None, false);
                self.members.insert(pid, Member { context, plan, watch, state });
            }
            Command::Leave(pid, whom) => {
                if let Some(Member { state: State::Followed(_, sampling), .. }) = self.members.remove(&pid)
                    && whom.is_some()
                    && catch_unwind(AssertUnwindSafe(|| sampling.end())).is_err()
                {
                    log::error!("taking the probes out of process {pid} failed: a defect of memwatch-bpf");
                }
                // Nobody waits any more, if this fails.
                let _told = whom.map(|whom| whom.send(()));
            }
        }
    }

    /// Does what is due. A member in which we panic is followed no more; the others are.
    fn turn(&mut self) {
        let now = clock::now();
        self.members.retain(|_, member| {
            let turn = catch_unwind(AssertUnwindSafe(|| member.turn()));
            turn.unwrap_or_else(|payload| {
                member.give_up(&NativeError::panicked(&*payload));
                true
            })
        });
        if now >= self.considering {
            self.considering = now.later(CONSIDERING);
            self.consider(now);
        }
    }

    /// Has the most suspicious followed, and tells the others that they wait.
    fn consider(&mut self, now: Mono) {
        let suspects: Vec<Suspect> = self.members.values().filter_map(|member| member.suspect(now)).collect();
        let chosen = queue::choose(now, &suspects);
        let (stay, go): (Vec<_>, Vec<_>) =
            self.members.iter_mut().partition(|(pid, _)| chosen.contains(*pid));
        // First who goes, so that there are never more than the cap.
        for (_, member) in go {
            member.wait(now);
        }
        for (_, member) in stay {
            let start = catch_unwind(AssertUnwindSafe(|| member.follow(now)));
            if let Err(payload) = start {
                member.give_up(&NativeError::panicked(&*payload));
            }
        }
    }
}

impl Member {
    fn next(&self) -> Mono {
        match &self.state {
            State::Followed(_, sampling) => sampling.next().min(self.watch.next()),
            State::Waits(..) => self.watch.next(),
        }
    }

    fn suspect(&self, now: Mono) -> Option<Suspect> {
        self.plan.as_ref()?;
        let followed = if let State::Followed(since, _) = self.state { Some(since) } else { None };
        // One whose growth is not measured yet is suspicious all the same.
        let growth = if self.watch.is_alarmed() { self.watch.growth(now).max(1.0) } else { 0.0 };
        Some(Suspect { pid: self.context.id.pid, growth, followed })
    }

    /// `false` once the process is gone.
    fn turn(&mut self) -> bool {
        if !self.watch.turn(clock::now()) {
            return false;
        }
        let alarmed = self.watch.is_alarmed();
        if let State::Followed(_, sampling) = &mut self.state
            && let now = clock::now()
            && sampling.next() <= now
            && let Err(error) = sampling.turn(now, alarmed)
        {
            self.give_up(&error);
        }
        true
    }

    /// What the kernel refuses once it refuses each time.
    fn give_up(&mut self, error: &NativeError) {
        self.context.refuse(error);
        (self.plan, self.state) = (None, State::Waits(None, false));
    }

    /// It is followed from now on.
    fn follow(&mut self, now: Mono) {
        let (State::Waits(parked, _), Some(plan)) = (&mut self.state, &self.plan) else { return };
        match Sampling::start(&self.context, plan, parked.take()) {
            Ok(sampling) => self.state = State::Followed(now, Box::new(sampling)),
            Err(error) => self.give_up(&error),
        }
    }

    /// It is not followed, for now: others are more suspicious.
    fn wait(&mut self, now: Mono) {
        let state = std::mem::replace(&mut self.state, State::Waits(None, false));
        let (parked, was_told) = match state {
            State::Followed(_, sampling) => (Some(Box::new(sampling.park())), false),
            State::Waits(parked, was_told) => (parked, was_told),
        };
        let waits = self.plan.is_some() && self.watch.is_alarmed();
        if waits && !was_told {
            self.context.note(
                now,
                format!(
                    "the call sites that hold its native memory are not searched for at the moment: {MOST_FOLLOWED} processes \
                     that grow faster are followed, which is the most at once"
                ),
            );
        }
        self.state = State::Waits(parked, waits);
    }
}
