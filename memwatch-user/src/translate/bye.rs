//! The last record of a watch.

use std::time::Duration;

use super::Translator;
use crate::{
    host::own,
    model::Mono,
    report::{
        record::{Body, Bye, Overhead, Own, Record, SCHEMA},
        time::Time,
    },
};

/// How a watch went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Farewell {
    /// Why it ends.
    pub(crate) reason: &'static str,
    /// How long it was.
    pub(crate) watched: Duration,
    /// What it cost the targets, CPU seconds.
    pub(crate) cost_s: f64,
    /// How often probes had to rest.
    pub(crate) backoffs: u64,
}

impl Translator {
    /// The record that ends a watch at `now`.
    pub(crate) fn bye(&self, now: Mono, farewell: Farewell) -> Record {
        let Farewell { reason, watched, cost_s, backoffs } = farewell;
        let watched_s = watched.as_secs_f64();
        let estimated_pct = (watched_s > 0.0).then(|| 100.0 * cost_s / watched_s);
        let bye = Bye {
            reason: reason.to_owned(),
            watched_s,
            own: Own { cpu_s: own::cpu_seconds(), rss: own::rss_bytes() },
            target_overhead: Overhead { estimated_pct, budget_pct: self.budget_pct, backoffs },
        };
        let ts = Time::from_unix_ms(self.clock.unix_ms(now));
        Record { schema: SCHEMA, ts, subject: None, body: Body::Bye(bye) }
    }
}
