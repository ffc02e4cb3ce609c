//! `heap`, `heap paths` and `heap find` about real heaps: each class has its holder, nothing is printed of values, and
//! names that a program can choose are harmless.

use anyhow::{Context, Result, bail, ensure};
use memwatch_tests::{
    full, heap, native,
    node::{self, Node},
    releases,
};
use memwatch_user::report::heap::record::{Findings, Paths, Summary};

/// Releases whose objects differ most; all that are read with `MEMWATCH_FULL=1`.
const EVERY_DAY: [&str; 3] = ["18.20.8", "24.21.0", "26.10.0"];
/// Node 12 and 14 have a V8 whose heap is not read.
const UNREAD: usize = 2;

/// Releases that the addon is tried on: the first of them always, all with `MEMWATCH_FULL=1`.
const HANDLES_ON: [&str; 7] = ["22.23.3", "16.20.2", "18.20.8", "20.20.2", "24.21.0", "25.9.0", "26.10.0"];

/// What the fixture's values and keys begin with.
const VALUE: &str = "secret-value-";
const KEY: &str = "secret-key-";

/// Each class, how many objects it has, and the path to what holds them; of a step, how it begins.
const HELD: &[(&str, u64, &[&str])] = &[
    ("Session", 5_000, &["value of Map", "variable `sessions` of rememberSession, heap_held.js:"]),
    ("LeakingClass", 1_000, &["[n] of Array", "variable `leaks` of leak, heap_held.js:"]),
    ("InPrivate", 1_000, &["[n] of Array", ".#entries of Vault", "variable `vault` of "]),
    ("InSymbol", 1_000, &["[n] of Array", ".[cache] of Object", "variable `registry` of register, "]),
    ("InWeakMap", 1_000, &["value (while its key lives) of WeakMap", "variable `weak` of attach, "]),
    ("InGlobal", 1_000, &["[n] of Array", "global `keptGlobally`"]),
    ("OfListener", 1_000, &["variable `state` of onTick, heap_held.js:"]),
    ("Local", 1_000, &["local "]),
    ("Bound", 1_000, &["bound this of ", "[n] of Array", "variable `bound` of bind, "]),
];

fn versions() -> &'static [&'static str] {
    if full() { &releases::ALL[UNREAD..] } else { &EVERY_DAY }
}

fn on_each(test: impl Fn(&Node) -> Result<()>) -> Result<()> {
    for version in versions() {
        let node = node::start(version, "heap_held")?.ready()?;
        test(&node).with_context(|| format!("Node {version}"))?;
    }
    Ok(())
}

#[test]
fn each_class_is_held_by_what_holds_it() -> Result<()> {
    on_each(|node| {
        for (class, count, expected) in HELD {
            let paths: Paths = heap::json(node.pid(), &["paths", class])?;
            ensure!(paths.count == *count, "{} {class}, not {count}", paths.count);
            let most = paths.causes.first().context("no cause")?;
            ensure!(most.count == *count, "{class}: {:?}", paths.causes);
            let pairs = most.path.iter().zip(*expected).collect::<Vec<_>>();
            let is_it = pairs.iter().all(|(step, begin)| step.starts_with(*begin));
            ensure!(is_it && most.path.len() == expected.len(), "{class}: {:?}", most.path);
        }
        Ok(())
    })
}

#[test]
fn the_largest_holder_is_named_with_its_code() -> Result<()> {
    on_each(|node| {
        let summary: Summary = heap::json(node.pid(), &[])?;
        let holder = summary.holders.iter().find(|holder| holder.class == "Session");
        let holder = holder.with_context(|| format!("no Session in {:#?}", summary.holders))?;
        ensure!(holder.count == 5_000 && !holder.own, "{holder:?}");
        ensure!(
            holder.place.starts_with("Map `sessions` (closure of rememberSession, heap_held.js:"),
            "{holder:?}"
        );
        ensure!(holder.line.is_some(), "{holder:?}");
        let class =
            summary.classes.iter().find(|class| class.name == "Session").context("no class Session")?;
        ensure!(class.count == 5_000 && class.kind == "object", "{class:?}");
        ensure!(class.held_bytes >= class.shallow_bytes, "{class:?}");
        let most = summary.classes.iter().map(|class| class.count).sum::<u64>();
        ensure!(most == summary.totals.objects, "{most} of {} objects", summary.totals.objects);
        Ok(())
    })
}

/// A handle scope of an addon with very many handles to `undefined`, which is small and holds nothing, comes first.
#[test]
fn a_scope_with_very_many_handles_is_line_one() -> Result<()> {
    let addon = native::build(&["handles"], &["-shared", "-fPIC"])?;
    let addon = addon.to_string_lossy();
    for version in HANDLES_ON.iter().filter(|version| full() || **version == HANDLES_ON[0]) {
        let node = node::start(version, "heap_handles")?.argument(&addon).argument("100000").ready()?;
        let summary: Summary = heap::json(node.pid(), &[])?;
        let many: Vec<_> = summary.roots.iter().filter(|root| root.many).collect();
        let [root] = many[..] else { bail!("Node {version}: {:?}", summary.roots) };
        ensure!(root.name == "handle scopes" && root.isolate == Some(0), "Node {version}: {root:?}");
        ensure!((100_000..101_000).contains(&root.edges), "Node {version}: {root:?}");
        let answer = heap::ask(node.pid(), &[])?;
        answer.expect(0)?;
        let lines: Vec<&str> = answer.stdout.lines().collect();
        let heading = lines.iter().position(|line| !line.starts_with(' ') && line.starts_with("Roots with"));
        let heading = heading.with_context(|| answer.stdout.clone())?;
        let first = lines.iter().position(|line| line.starts_with("Who holds it"));
        ensure!(lines[heading + 1].contains("handle scopes"), "{}", answer.stdout);
        ensure!(first.is_none_or(|first| heading < first), "{}", answer.stdout);
    }
    Ok(())
}

#[test]
fn listeners_are_found() -> Result<()> {
    let node = node::running("heap_held")?;
    let found: Findings = heap::json(node.pid(), &["find"])?;
    let listeners = found.findings.iter().find(|finding| finding.name == "listeners");
    let listeners = listeners.with_context(|| format!("{:?}", found.findings))?;
    ensure!(listeners.count == 1_000, "{listeners:?}");
    ensure!(
        listeners.place.starts_with("listeners of `tick` of `bus` (closure of subscribe, "),
        "{listeners:?}"
    );
    Ok(())
}

#[test]
fn values_are_never_printed_and_keys_only_when_asked() -> Result<()> {
    let node = node::running("heap_held")?;
    let questions: [&[&str]; 4] = [&["--internal"], &["find"], &["paths", "Session"], &["paths", "(string)"]];
    for question in questions {
        for form in [&[][..], &["--json"]] {
            let answer = heap::ask(node.pid(), &[question, form].concat())?;
            answer.expect(0)?;
            ensure!(!answer.stdout.contains(VALUE), "{question:?} prints a value");
            ensure!(!answer.stdout.contains(KEY), "{question:?} prints a key");
        }
    }
    let asked = heap::ask(node.pid(), &["paths", "Session", "--keys", "--json"])?;
    asked.expect(0)?;
    ensure!(asked.stdout.contains(KEY), "no key although keys were asked for: {}", asked.stdout);
    ensure!(!asked.stdout.contains(VALUE), "prints a value");
    Ok(())
}

#[test]
fn names_of_the_program_are_printable_and_cut() -> Result<()> {
    let node = node::running("heap_held")?;
    let answer = heap::ask(node.pid(), &[])?;
    answer.expect(0)?;
    let holder = answer.stdout.lines().find(|line| line.contains("hostile"));
    let holder = holder.with_context(|| format!("the hostile holder is missing: {}", answer.stdout))?;
    ensure!(holder.contains("LLLL") && holder.contains('…'), "{holder}");
    let is_harmless = |char: char| char == '\n' || !char.is_control() && char != '\u{202e}';
    ensure!(answer.stdout.chars().all(is_harmless), "{:?}", answer.stdout);
    let longest = answer.stdout.lines().map(|line| line.chars().count()).max();
    ensure!(longest < Some(400), "a line of {longest:?} characters");
    Ok(())
}

#[test]
fn what_there_is_none_of_is_one_clear_line() -> Result<()> {
    let node = node::running("heap_held")?;
    for (what, expected) in [("Nobody", "there is no Nobody in this heap"), ("@10", "no object is at @10")] {
        let answer = heap::ask(node.pid(), &["paths", what])?;
        answer.expect(2)?;
        ensure!(answer.stdout.is_empty() && answer.stderr.lines().count() == 1, "{}", answer.stderr);
        ensure!(answer.stderr.contains(expected), "{}", answer.stderr);
    }
    Ok(())
}
