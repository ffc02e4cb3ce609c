//! The end of a watch.

use anyhow::{Result, anyhow, ensure};

use super::{
    output::{Output, Reported},
    running::Run,
    stop::Stop,
};
use crate::{
    cli::log::complain,
    host::clock,
    report::{exit_status::Job, record::Verdict},
    translate::Farewell,
};

/// What came of a watch.
#[derive(Clone, Debug)]
pub struct Done {
    /// The exit status.
    pub status: u8,
    /// The last verdict on a JavaScript heap.
    pub verdict: Option<Verdict>,
    /// Whether nobody reads what we print.
    pub is_unread: bool,
}

impl Run {
    /// The report is out before the probes are gone, which takes the kernel some seconds.
    pub(super) async fn finish(mut self, mut output: Output, stop: Stop) -> Result<Done> {
        self.all_records();
        self.names_came().await;
        self.last_words(&mut output, stop);
        let Reported { job, is_unread } = output.finish();
        let errors = std::mem::take(&mut self.profiles).write(&self.engine.sampled());
        errors.iter().for_each(complain);
        let job = if errors.is_empty() { job } else { Job::Failed };
        let never_node = self.launched.is_some() && self.engine.adopted() == 0;
        let nobody = self.engine.nobody();
        self.engine.let_go();
        ensure!(!never_node, "the program ended without running Node.js: nothing was watched");
        nobody.map_or(Ok(()), |nobody| Err(anyhow!(nobody)))?;
        Ok(Done { status: output.exit_status(job), verdict: output.into_heap_verdict(), is_unread })
    }

    fn last_words(&mut self, output: &mut Output, stop: Stop) {
        self.engine.last_words();
        self.report(output);
        let now = clock::now();
        let farewell = Farewell {
            reason: stop.name(),
            watched: now.since(self.since),
            cost_s: self.engine.cost_s(),
            backoffs: self.engine.backoffs(),
        };
        output.records(&[self.translator.bye(now, farewell)]);
    }
}
