//! Whether one process grows, read from /proc as often as it is worth it, and telling of it.

use std::{sync::Arc, time::Duration};

use super::{alarm::Alarm, context::Context, memory::Memory};
use crate::{model::Mono, sample::proc, target::process};

/// How often /proc is read.
const READING: Duration = Duration::from_secs(1);
/// How seldom, of a process that holds no more than it did: two files of 100 idle ones would be read all the time.
const SELDOM: Duration = Duration::from_secs(8);

/// The alarm of one process.
pub(super) struct Watch {
    context: Arc<Context>,
    alarm: Alarm,
    alarmed: bool,
    next: Mono,
    rest: Duration,
    /// `VmData`: as long as it stays, so does the program break, to find which takes as long as there are mappings.
    data: Option<u64>,
    program_break: Option<u64>,
}

impl Watch {
    pub(super) fn new(context: Arc<Context>, now: Mono) -> Self {
        let alarm = Alarm::default();
        Self { context, alarm, alarmed: false, next: now, rest: READING, data: None, program_break: None }
    }

    /// When the next reading is due.
    pub(super) fn next(&self) -> Mono {
        self.next
    }

    /// How fast the process grows, bytes a second; 0 if it does not.
    pub(super) fn growth(&self, now: Mono) -> f64 {
        if self.alarmed { self.alarm.growth(now) } else { 0.0 }
    }

    /// Whether there is reason to look closer.
    pub(super) fn is_alarmed(&self) -> bool {
        self.alarmed
    }

    /// Reads what is due; `false` once the process is gone.
    pub(super) fn turn(&mut self, now: Mono) -> bool {
        if now < self.next {
            return true;
        }
        let pid = self.context.id.pid;
        if process::current(pid) != Some(self.context.id) {
            return false;
        }
        let status = proc::text(pid, "status");
        let figure = |name| proc::bytes(status.as_deref()?, name);
        let data = figure("VmData");
        if data.is_none() || data != self.data {
            self.program_break = Memory::program_break(pid);
            self.data = data;
        }
        let is_higher = self.alarm.is_higher(figure("RssAnon"), self.program_break);
        let alarmed = self.alarm.reading(now, figure("RssAnon"), self.program_break);
        self.rest = if alarmed || is_higher { READING } else { (self.rest * 2).min(SELDOM) };
        self.next = now.later(self.rest);
        self.tell(now, alarmed);
        true
    }

    fn tell(&mut self, now: Mono, alarmed: bool) {
        if alarmed == self.alarmed {
            return;
        }
        self.alarmed = alarmed;
        self.context.alarm(alarmed);
        let reason = if alarmed {
            "it takes more anonymous memory than it had so far"
        } else {
            "its anonymous memory has not grown for 90 s: no probe is armed"
        };
        self.context.note(now, reason.to_owned());
    }
}
