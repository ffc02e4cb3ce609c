//! `watch`: connects all stages for as long as it lasts.
//!
//! [`setup`] makes the parts, [`begin`] attaches to who is there, [`running`] hands everything that happens ([`events`]) to the engine and what comes of it to the
//! [`output`], [`finish`] ends it.

mod begin;
mod events;
mod finish;
mod launch;
mod out_file;
mod output;
mod profiles;
mod running;
mod selection;
mod setup;
mod signals;
pub(crate) mod sinks;
mod stop;

use anyhow::Result;
use tokio::{runtime, task::LocalSet};

pub use self::finish::Done;
use self::{out_file::OutFile, output::Output, setup::Setup};
use crate::{cli::job::Watch, engine::THREADS};

/// Watches until it is over.
pub fn run(watch: &Watch) -> Result<Done> {
    let runtime =
        runtime::Builder::new_current_thread().enable_all().max_blocking_threads(THREADS).build()?;
    let done = LocalSet::new().block_on(&runtime, watch_until_over(watch));
    // A scrape may be under way still; nobody waits for it.
    runtime.shutdown_background();
    done
}

async fn watch_until_over(watch: &Watch) -> Result<Done> {
    let json = watch.json_files.iter().map(|path| OutFile::open(path)).collect::<Result<_>>()?;
    let mut run = Setup::of(watch)?.start(watch)?;
    if let Err(error) = run.begin(watch).await {
        run.engine.let_go();
        return Err(error);
    }
    let mut output = Output::open(watch, json)?;
    let stop = run.until_stopped(&mut output).await;
    run.finish(output, stop).await
}
