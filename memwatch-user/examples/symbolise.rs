//! Watches stacks of JavaScript in the process whose id is the argument, for some seconds, and says how fast they get names:
//! stacks a second once all functions are known, and bytes that are read from the process for each function that is new.
//! `cargo xtask bench` runs it.

mod attached;

use std::{
    cell::Cell,
    io::{self, Write as _},
    path::PathBuf,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use memwatch_common::stack::StackEvent;
use memwatch_user::{
    bpf::ring::Ring,
    ingest,
    symbols::js::{Memory, ProcessMemory, Resolver},
};

/// How long stacks are gathered.
const GATHERING: Duration = Duration::from_secs(3);
/// How long known ones are named again.
const NAMING: Duration = Duration::from_secs(1);

/// The memory of a process, with what was read of it.
struct Counted {
    memory: ProcessMemory,
    bytes: Rc<Cell<u64>>,
}

impl Memory for Counted {
    fn read(&self, address: u64, to: &mut [u8]) -> io::Result<()> {
        self.bytes.set(self.bytes.get() + to.len() as u64);
        self.memory.read(address, to)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (pid, mut attached) = (attached::pid()?, attached::attach(false)?);
    let stacks = attached.plan.stacks.as_ref().map_err(|reason| anyhow::anyhow!("no stacks: {reason}"))?;
    let bytes = Rc::new(Cell::new(0));
    let counted = Counted { memory: ProcessMemory::open(pid)?, bytes: Rc::clone(&bytes) };
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let mut resolver = Resolver::new(counted, stacks, root);
    let mut ring = Ring::open_stacks(&mut attached.kernel)?;

    let events = gather(&mut ring, &mut resolver).await?;
    let functions = resolver.functions();
    ensure!(functions > 0, "no function was seen in {GATHERING:?}");
    let rate = named_a_second(&events, &mut resolver);
    let per_function = bytes.get() / functions as u64;
    writeln!(io::stdout(), "{rate:.0} {per_function} {functions} {}", events.len())?;
    Ok(())
}

/// New stacks, each named as it comes.
async fn gather<M: Memory>(ring: &mut Ring, resolver: &mut Resolver<M>) -> Result<Vec<StackEvent>> {
    let (mut events, until) = (Vec::new(), Instant::now() + GATHERING);
    while let Ok(ready) = tokio::time::timeout_at(until.into(), ring.readable()).await {
        ready?;
        ring.drain(|bytes| {
            if let Ok(event) = ingest::stack(bytes) {
                resolver.stack(&event);
                events.push(event);
            }
        });
    }
    Ok(events)
}

/// How many stacks of known functions get names in a second.
fn named_a_second<M: Memory>(events: &[StackEvent], resolver: &mut Resolver<M>) -> f64 {
    let (mut named, since) = (0_u64, Instant::now());
    while since.elapsed() < NAMING {
        for event in events {
            std::hint::black_box(resolver.stack(event));
        }
        named += events.len() as u64;
    }
    named as f64 / since.elapsed().as_secs_f64()
}
