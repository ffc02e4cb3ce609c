//! Probes that do nothing where `--native full` has its own, in the process whose id is the argument, until standard input
//! ends: `cargo xtask bench` measures what following blocks adds to that.

use std::{
    env,
    io::{self, Write as _},
    num::NonZeroU32,
};

use anyhow::{Context as _, Result};
use memwatch_common::target::TaskLayout;
use memwatch_user::{
    bpf::{malloc::Tap, multi},
    plan::malloc::{self, Scope},
    target::maps,
};

fn main() -> Result<()> {
    let pid: NonZeroU32 = env::args().nth(1).context("which process?")?.parse()?;
    let plan = malloc::prepare(pid.get(), &maps::of(pid.get())?)?;
    let armed = Tap::load(&plan, false, multi::is_supported(), TaskLayout::UNKNOWN)?.arm(
        pid,
        &plan,
        Scope::Nothing,
    )?;
    writeln!(io::stdout(), "live")?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    let _paid_by_nobody = armed.disarm();
    Ok(())
}
