//! The beginning of a watch: until probes are live in everyone who is to be there, and the program that is to be watched is
//! started. What happens meanwhile is taken in as later; nothing is printed before it is known that the job can be done.

use std::ffi::OsString;

use anyhow::{Result, bail, ensure};

use super::{
    events::Input,
    launch::{self, Launched},
    running::Run,
};
use crate::{
    cli::job::{Watch, Whom},
    host::{clock, own},
};

/// The program to start, if there is one. It gets our limits, which stay as they are until it has.
pub(super) fn command(watch: &Watch) -> Option<&[OsString]> {
    if let Whom::Command(command) = &watch.whom { Some(command) } else { None }
}

impl Run {
    /// Begins. To be stopped before is a failure: nobody was watched.
    pub(super) async fn begin(&mut self, watch: &Watch) -> Result<()> {
        let command = command(watch);
        self.engine.adopt_running()?;
        if let Some(program) = command.and_then(<[_]>::first) {
            self.engine.expect_child(launch::program(program)?.as_deref())?;
        }
        self.until_begun().await?;
        self.since = clock::now();
        self.events.end_after(watch.duration);
        match command {
            Some(command) => self.launch(command, watch.output.json)?,
            None => self.say_if_nobody(),
        }
        let is_somebody = self.engine.may_grow() || self.engine.adopted() > 0 || self.launched.is_some();
        ensure!(is_somebody, "no process to watch");
        Ok(())
    }

    async fn until_begun(&mut self) -> Result<()> {
        while self.engine.is_beginning()? {
            match self.events.next().await {
                Input::Stop(_) => bail!("stopped before the probes were live: nothing was watched"),
                input => self.take_in(input),
            }
        }
        Ok(())
    }

    fn launch(&mut self, command: &[OsString], stdout_is_taken: bool) -> Result<()> {
        let launched = Launched::start(command, stdout_is_taken)?;
        own::open_more_files();
        self.engine.child_is_started(launched.pid())?;
        self.launched = Some(launched);
        Ok(())
    }

    fn say_if_nobody(&mut self) {
        if let Some(nobody) = self.engine.nobody() {
            log::warn!("{nobody}; waiting for one that does");
        }
    }
}
