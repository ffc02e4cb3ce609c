//! Profiles open in the standard viewer: Go's `pprof` reads what we wrote as we meant it.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{machine, node, releases, scratch, tool};

use crate::js_stacks::{self, Marks};

const FIXTURE: &str = "stacks";
/// How lines begin between which `-traces` has a stack.
const RULE: &str = "-----------+";
/// Columns of the bytes in front of the innermost frame.
const BYTES: usize = 10;

/// Each stack of the profile is one of the collapsed stacks, with as many bytes, and the other way round; and what it says
/// is true.
#[test]
fn the_standard_viewer_reads_the_same_stacks() -> Result<()> {
    let _machine = machine::shared();
    let directory = scratch::directory("pprof")?;
    let [profile, collapsed] = ["profile", "collapsed"].map(|name| directory.join(name));
    let mut node = node::running(FIXTURE)?;
    let pid = node.pid().to_string();
    let [to_profile, to_collapsed] = [&profile, &collapsed].map(|path| path.display().to_string());
    let files = ["--pprof", &to_profile, "--collapsed", &to_collapsed];
    tool::run(&[&["--pid", &pid, "--duration", "4s"][..], &files].concat())?.done()?;
    node.healthy()?;

    let raw = pprof(&["-raw"], &profile)?;
    for said in [
        "PeriodType: alloc_space bytes\n",
        "Period: 524288\n",
        "alloc_samples/count alloc_space/bytes[dflt] inuse_objects/count inuse_space/bytes\n",
    ] {
        ensure!(raw.contains(said), "no `{said}`: {raw}");
    }
    let stacks = traces(&pprof(&["-traces", "-lines", "-unit=B"], &profile)?)?;
    let lines: Vec<String> = fs::read_to_string(&collapsed)?.lines().map(as_pprof_says).collect();
    let ours = lines.iter().map(|line| split(line)).collect::<Result<BTreeMap<_, _>>>()?;
    ensure!(stacks == ours, "pprof: {stacks:#?}, collapsed: {ours:#?}");
    let stacks: Vec<String> = stacks.iter().map(|(stack, bytes)| format!("{stack} {bytes}")).collect();
    Marks::read(FIXTURE)?.judge(&stacks).hold(releases::USUAL, "pprof", 0.99)?;
    ensure!(js_stacks::major(releases::USUAL) >= 22, "lines are true from there on");
    Ok(())
}

fn pprof(options: &[&str], profile: &Path) -> Result<String> {
    let output = Command::new("go").args(["tool", "pprof"]).args(options).arg(profile).output();
    let output = output.context("no Go: run `cargo xtask setup`")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Stacks of `-traces`, outermost first with semicolons between, with their bytes.
fn traces(text: &str) -> Result<BTreeMap<String, u64>> {
    let mut stacks = BTreeMap::new();
    for block in text.split(RULE).skip(1) {
        let mut lines = block.lines().skip(1);
        let Some((bytes, innermost)) = lines.next().and_then(|line| line.split_once("B   ")) else {
            continue;
        };
        let mut frames = vec![innermost];
        frames.extend(lines.map(|line| line.get(BYTES..).unwrap_or_default().trim_start()));
        frames.reverse();
        *stacks.entry(frames.join(";")).or_insert(0) += bytes.trim().parse::<u64>()?;
    }
    Ok(stacks)
}

/// A collapsed stack with its bytes.
fn split(line: &str) -> Result<(String, u64)> {
    let (stack, bytes) = line.rsplit_once(' ').with_context(|| format!("no bytes: {line}"))?;
    Ok((stack.to_owned(), bytes.parse()?))
}

/// pprof has a function's name and place by themselves: of a builtin it has the name only.
fn as_pprof_says(line: &str) -> String {
    line.replace(" (builtin)", "").replace("(anonymous);", "(anonymous) (builtin);")
}
