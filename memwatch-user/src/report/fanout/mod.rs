//! Every record to every sink, each at its own pace: a sink that is slow, or fails, holds up neither the watch nor the others.

mod outlet;
mod queue;
mod trouble;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use self::outlet::Outlet;
pub(crate) use self::trouble::Trouble;
use super::{record::Record, sink::Sink};

/// How long sinks may take to write what waits when everything is over. A terminal or a pipe that is read takes milliseconds;
/// the user waits for the prompt. After half of it they get what is said once and nothing else.
const GRACE: Duration = Duration::from_millis(700);

/// The sinks of one report.
#[derive(Debug, Default)]
pub(crate) struct Fanout {
    outlets: Vec<Outlet>,
    news: Arc<Notify>,
}

/// What a sink has to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The user asked to quit.
    Quit,
    /// Nobody reads standard output any more.
    NobodyReads,
    /// A sink could not go on; the others do.
    Failed(Trouble),
}

impl Fanout {
    /// Adds a sink; the first is standard output's. Users know it by `name`.
    pub(crate) fn add(
        &mut self,
        name: impl Into<String>,
        sink: impl Sink + Send + 'static,
    ) -> io::Result<()> {
        self.outlets.push(Outlet::start(name.into(), Box::new(sink), Arc::clone(&self.news))?);
        Ok(())
    }

    /// Hands a record to every sink. Never waits.
    pub(crate) fn send(&self, record: &Record) {
        let record = Arc::new(record.clone());
        self.outlets.iter().for_each(|outlet| outlet.queue.push(Arc::clone(&record)));
    }

    /// Waits until a sink has something to say. Cancel safe.
    pub(crate) async fn news(&mut self) -> News {
        loop {
            if let Some(news) = self.pending() {
                return news;
            }
            self.news.notified().await;
        }
    }

    /// What a sink has to say, if one has.
    pub(crate) fn pending(&mut self) -> Option<News> {
        if self.outlets.iter().any(|outlet| outlet.queue.take_wish_to_quit()) {
            return Some(News::Quit);
        }
        let is_broken = self.is_broken();
        let trouble = self.outlets.iter_mut().find_map(Outlet::new_failure)?;
        Some(if is_broken { News::NobodyReads } else { News::Failed(trouble) })
    }

    /// Whether no sink is left that takes records.
    #[must_use]
    pub(crate) fn is_dead(&self) -> bool {
        self.outlets.iter().all(Outlet::has_failed)
    }

    /// Whether nobody reads standard output any more, which is no failure.
    fn is_broken(&self) -> bool {
        self.outlets.first().is_some_and(Outlet::is_broken)
    }

    /// Ends all sinks, and waits a moment for what they have yet to write. Why reports are not whole.
    pub(crate) fn finish(&mut self) -> Vec<Trouble> {
        self.outlets.iter().for_each(|outlet| outlet.queue.close());
        let now = Instant::now();
        if !self.wait_until(now + GRACE / 2) {
            self.outlets.iter().for_each(|outlet| outlet.queue.leave_periodic_out());
            self.wait_until(now + GRACE);
        }
        self.outlets.iter().skip(usize::from(self.is_broken())).filter_map(Outlet::trouble).collect()
    }

    fn wait_until(&self, deadline: Instant) -> bool {
        // All of them: one that is late must not keep the others from being waited for.
        let late = self.outlets.iter().filter(|outlet| !outlet.queue.wait_for_end(deadline));
        late.count() == 0
    }
}
