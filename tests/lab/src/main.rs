//! `memwatch-lab PAGE`: judges all detectors and writes the page. `cargo xtask evaluate` calls it.

use std::{env, fs, io::Write as _};

use anyhow::{Context as _, Result};
use memwatch_lab::{cases, detectors, live, page, recorded, run};

fn main() -> Result<()> {
    let to = env::args().nth(1).context("no file to write: memwatch-lab PAGE [SHARE OF SEEDS]")?;
    let share =
        env::args().nth(2).map_or(Ok(1.0), |share| share.parse()).context("the share is no number")?;
    let (cases, kinds) = (cases::all(share), detectors::all());
    writeln!(std::io::stderr(), "{} processes, {} detectors", cases.len(), kinds.len())?;
    let outcomes = run::all(&cases, &kinds);
    let judged: Vec<_> = cases.iter().zip(&outcomes).collect();
    let settings = live::settings::all();
    let live = live::page::sections(&live::score::judge(&settings)?, &settings, &live::holders::all()?);
    let text = page::page(&judged, &kinds, &recorded::replay(&kinds)?, live)?;
    fs::write(&to, text).with_context(|| format!("cannot write {to}"))
}
