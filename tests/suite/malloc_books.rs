//! The allocator's books read from outside are what `mallinfo` says in the process: to the byte while it is quiet, within
//! a small share while four threads do nothing but allocate. Reading changes nothing that the process holds.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail, ensure};
use memwatch_tests::{full, machine, native, node, patience, proc, releases, scratch, tail::Tail};
use memwatch_user::{
    model::MallocBooks,
    sample::malloc::{Books, Unreadable},
    target::maps,
};
use rustix::process::Signal;

/// Under churn, how far our bytes in use may lie outside of what `mallinfo` said right before and right after: one list
/// is read before the next one, and a block that moves between them counts twice or not at all. Of several readings the
/// middle one; a single one is farther off if we are preempted between two lists.
const CHURN_SHARE: f64 = 0.05;
/// And how far each of them may.
const CHURN_SHARE_ANY: f64 = 0.5;

#[test]
fn node_is_exact_while_it_is_quiet() -> Result<()> {
    let _machine = machine::shared();
    let library = native::build(&["mallinfo"], &["-shared", "-fPIC", "-Wl,-z,nodelete"])?;
    for version in releases::chosen() {
        let library = library.to_str().context("a path of UTF-8")?;
        let mut node = node::start(version, "mallinfo")?.argument(library).ready()?;
        exact(node.pid(), &mut node.stdout).with_context(|| format!("Node {version}"))?;
    }
    Ok(())
}

#[test]
fn many_arenas_are_exact_while_they_are_quiet() -> Result<()> {
    let _machine = machine::shared();
    let mut program = Program::start("quiet")?;
    let books = exact(program.pid(), &mut program.stdout)?;
    ensure!(books.arenas > 4 && books.mmapped >= 3 << 20, "{books:?}");
    Ok(())
}

/// 200 000 free blocks are on more pages than are read for the sake of lists: the heaps are scanned.
#[test]
fn heaps_full_of_holes_are_exact_and_left_as_they_are() -> Result<()> {
    let _machine = machine::shared();
    let mut program = Program::start("holes")?;
    exact(program.pid(), &mut program.stdout)?;
    let before = resident(program.pid())?;
    located(program.pid())?.read().context("nothing was read")?;
    let after = resident(program.pid())?;
    ensure!(after == before, "{after} instead of {before}");
    Ok(())
}

#[test]
fn churn_makes_a_small_difference() -> Result<()> {
    let _machine = machine::shared();
    let mut program = Program::start("churn")?;
    // As the collector does: asked again until an arena stands still for long enough to be known as one.
    let books = proc::until(patience(), || Ok(located(program.pid()).ok()))?;
    let rounds = if full() { 41 } else { 11 };
    let all: Vec<Option<f64>> =
        (0..rounds).map(|_| off_under_churn(&books, &mut program)).collect::<Result<_>>()?;
    let mut off: Vec<f64> = all.iter().copied().flatten().collect();
    ensure!(off.len() * 2 > all.len(), "only {} of {} readings came to an end", off.len(), all.len());
    off.sort_by(f64::total_cmp);
    let (middle, worst) = (off[off.len() / 2], off[off.len() - 1]);
    ensure!(middle <= CHURN_SHARE && worst <= CHURN_SHARE_ANY, "shares by which it was off: {off:?}");
    Ok(())
}

/// By which share what is read lies outside of what the process says before and after it. `None` if a list changed under
/// our hands: the next look is as good.
fn off_under_churn(books: &Books, program: &mut Program) -> Result<Option<f64>> {
    let pid = program.pid();
    let before = said(pid, &mut program.stdout)?.in_use as f64;
    let Some(found) = books.read().map(|books| books.in_use as f64) else { return Ok(None) };
    let after = said(pid, &mut program.stdout)?.in_use as f64;
    let (low, high) = (before.min(after), before.max(after));
    Ok(Some((low - found).max(found - high).max(0.0) / low))
}

#[test]
fn what_has_no_such_books_is_told() -> Result<()> {
    let _machine = machine::shared();
    let static_program = native::build(&["heaps", "mallinfo"], &["-static"])?;
    let program = Program::of(Command::new(static_program).arg("quiet"))?;
    let found = Books::locate(program.pid(), &maps::of(program.pid())?);
    ensure!(matches!(found, Err(Unreadable::NoLibc)), "{found:?}");
    let preload = format!("LD_PRELOAD={}", native::allocator("libjemalloc")?.display());
    let node = node::start(releases::USUAL, "idle")?.under(&["env", &preload]).ready()?;
    let found = Books::locate(node.pid(), &maps::of(node.pid())?);
    ensure!(matches!(found, Err(Unreadable::Foreign { .. })), "{found:?}");
    Ok(())
}

/// Compares what is read with what the process says before and after it, which is the same once it is quiet.
fn exact(pid: u32, stdout: &mut Tail) -> Result<MallocBooks> {
    let books = located(pid)?;
    proc::until(patience(), || {
        let before = said(pid, stdout)?;
        let Some(found) = books.read() else { return Ok(None) };
        if before != said(pid, stdout)? {
            return Ok(None);
        }
        let expected = MallocBooks { arenas: found.arenas, ..before };
        ensure!(found == expected, "{found:?} instead of {expected:?}");
        Ok(Some(found))
    })
}

fn located(pid: u32) -> Result<Books> {
    Ok(Books::locate(pid, &maps::of(pid)?)?)
}

/// What the allocator says itself.
fn said(pid: u32, stdout: &mut Tail) -> Result<MallocBooks> {
    let count = |lines: &[String]| lines.iter().filter(|line| line.starts_with("books ")).count();
    let before = count(stdout.lines()?);
    proc::signal(pid, Signal::USR2)?;
    let is_new = |lines: &[String]| (count(lines) > before).then(|| lines.last().cloned()).flatten();
    let line = stdout.wait(patience(), is_new)?.context("it says nothing")?;
    let numbers: Vec<u64> = line.split(' ').skip(1).map(str::parse).collect::<Result<_, _>>()?;
    let &[in_use, free, mmapped] = numbers.as_slice() else { bail!("`{line}`") };
    Ok(MallocBooks { in_use, free, mmapped, arenas: 0, exact: true })
}

/// Resident, anonymous and swapped memory, counted page by page.
fn resident(pid: u32) -> Result<String> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let is_wanted = |line: &&str| ["Rss:", "Anonymous:", "Swap:"].iter().any(|name| line.starts_with(name));
    Ok(rollup.lines().filter(is_wanted).collect::<Vec<_>>().join(", "))
}

/// A running `fixtures/native/heaps.c`; ended when dropped.
struct Program {
    child: std::process::Child,
    stdout: Tail,
}

impl Program {
    fn start(mode: &str) -> Result<Self> {
        Self::of(Command::new(native::build(&["heaps", "mallinfo"], &[])?).arg(mode))
    }

    fn of(command: &mut Command) -> Result<Self> {
        let stdout = Tail::new(&scratch::directory("heaps")?, "stdout")?;
        let child = command.stdout(stdout.stdio()?).spawn()?;
        let mut program = Self { child, stdout };
        let is_ready = |lines: &[String]| lines.iter().any(|line| line == "ready").then_some(());
        program.stdout.wait(patience(), is_ready)?.context("it is never ready")?;
        Ok(program)
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        proc::end(&mut self.child);
    }
}
