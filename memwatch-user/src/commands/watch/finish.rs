//! The end of a watch.

use std::io;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::{events::Stop, output::Output, running::Run};
use crate::{cli, host::clock, report::record::Verdict, translate::Farewell};

/// The exit status of a leak.
const LEAK: u8 = 1;

/// What came of a watch.
#[derive(Clone, Debug)]
pub struct Done {
    /// The exit status.
    pub status: u8,
    /// The last verdict of the one who fares worst.
    pub verdict: Option<Verdict>,
}

impl Run {
    /// The report is out before the probes are gone: detaching takes the kernel some tenths of a second.
    pub(super) async fn finish(mut self, mut output: Output, stop: io::Result<Stop>) -> Result<Done> {
        self.all_records();
        self.names_came().await;
        let (status, reported) = match stop.and_then(|stop| self.last_words(&mut output, stop)) {
            Ok(status) => (status, Ok(())),
            // Nobody reads any more: no failure of ours.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => (output.exit_status(), Ok(())),
            Err(error) => (output.exit_status(), Err(error).context("cannot write the report")),
        };
        let written = reported.and_then(|()| self.profiles.write(&self.engine.sampled()));
        let never_node = self.launched.is_some() && self.engine.adopted() == 0;
        let nobody = self.engine.nobody();
        self.engine.detach();
        ensure!(!never_node, "the program ended without running Node.js: nothing was watched");
        nobody.map_or(Ok(()), |nobody| Err(anyhow!(nobody)))?;
        match written {
            // What was found goes before what could not be written.
            Err(error) if status == LEAK => cli::log::complain(&error),
            written => written?,
        }
        Ok(Done { status, verdict: output.last_verdict() })
    }

    fn last_words(&mut self, output: &mut Output, stop: Stop) -> io::Result<u8> {
        self.engine.last_words();
        self.report(output)?;
        let now = clock::now();
        let farewell = Farewell {
            reason: stop.name(),
            watched: now.since(self.since),
            cost_s: self.engine.cost_s(),
            backoffs: self.engine.backoffs(),
        };
        output.records(&[self.translator.bye(now, farewell)])?;
        output.finish()
    }
}
