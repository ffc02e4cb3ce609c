//! `demo`: a newcomer sees a leak being caught, and is told what to type next.

use anyhow::{Result, ensure};
use memwatch_tests::{machine, releases, tool};

#[test]
fn the_leak_is_caught() -> Result<()> {
    let _machine = machine::shared();
    let node = releases::node(releases::USUAL)?.display().to_string();
    let finished = tool::run(&["demo", "--node", &node])?;
    finished.expect(1)?;
    for words in ["verdict leak: JavaScript heap", "Caught", "memwatch-bpf --pid"] {
        ensure!(finished.stdout.contains(words), "no `{words}` in {}", finished.stdout);
    }
    Ok(())
}

#[test]
fn without_a_node_it_says_so() -> Result<()> {
    let finished = tool::run(&["demo", "--node", "/no/such/node"])?;
    finished.expect(2)?;
    ensure!(finished.stdout.is_empty() && finished.stderr.lines().count() == 1, "{}", finished.stderr);
    Ok(())
}
