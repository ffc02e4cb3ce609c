//! What is due at every interval, and at the end.

use std::collections::VecDeque;

use super::{Engine, cost, features::FeatureChange, losses::lost_share, member::Member, outcome::What};
use crate::{host::clock, model::Mono, sample};

impl Engine {
    /// Has every target scraped, and says what has changed meanwhile.
    pub(crate) fn interval(&mut self) {
        let now = clock::now();
        self.scrape_all(now);
        self.take_heap(now);
        for pid in self.fleet.pids() {
            self.native_news(pid, now);
            self.settle_if_quiet(pid, now);
            self.deliver(pid);
        }
        self.follow_objects();
        self.trigger_news(now);
        self.pace(now);
        self.new_losses(now);
        self.welcome_renamed(now);
    }

    /// Watches processes that are called by the wanted name since a moment ago.
    fn welcome_renamed(&mut self, now: Mono) {
        for pid in self.adoption.selection.renamed(now) {
            self.consider(pid, VecDeque::new());
        }
    }

    fn scrape_all(&mut self, now: Mono) {
        let host_available = sample::host_available();
        let job = |member: &mut Member| Some((member.id, member.next_scrape(now, host_available)?));
        let mut jobs: Vec<_> = self.fleet.members().filter_map(job).collect();
        self.allowance.hand_out(now, &mut jobs);
        for (id, job) in jobs {
            self.background.scrape(id, job);
        }
    }

    /// Has a take of the next suspect's heap made.
    fn take_heap(&mut self, now: Mono) {
        for member in self.fleet.members() {
            let level = member.process.heap_level();
            self.heaps.consider(member.id, level);
        }
        if let Some((id, mut job)) = self.heaps.job(now) {
            job.followed = self.attribution.stacks.followed(id.pid);
            self.background.take(id, job);
        }
    }

    /// What was decided about native memory, and what turned out to be impossible.
    fn native_news(&mut self, pid: u32, now: Mono) {
        let Some(member) = self.fleet.member(pid) else { return };
        let natives = &mut self.attribution.natives;
        for decision in natives.decisions(pid) {
            self.outcomes.push(member.outcome(decision.at, What::NativeDecision(decision)));
        }
        let change = natives.turn_mappings(pid);
        self.outcomes.extend(change.map(|change| member.outcome(now, What::Feature(change))));
    }

    /// Follows what targets make whose probes for that are live.
    fn follow_objects(&mut self) {
        let (stacks, attachments) = (&mut self.attribution.stacks, &self.adoption.attachments);
        for pid in self.fleet.pids() {
            stacks.follow(pid, || attachments.pages(pid));
        }
    }

    fn settle_if_quiet(&mut self, pid: u32, now: Mono) {
        if self.fleet.member(pid).is_some_and(|member| member.is_quiet_newcomer(now)) {
            self.settle(pid);
        }
    }

    fn trigger_news(&mut self, now: Mono) {
        for member in self.fleet.members() {
            for (serial, triggers) in self.attribution.triggers.news(member.id.pid, now) {
                self.outcomes.push(member.outcome(now, What::Triggers(serial, Box::new(triggers))));
            }
        }
    }

    /// Where the collections of all isolates of a target started, at last.
    pub(super) fn last_triggers(&mut self, pid: u32, at: Mono) {
        let Some(member) = self.fleet.member(pid) else { return };
        for (serial, triggers) in self.attribution.triggers.take_all(pid) {
            self.outcomes.push(member.outcome(at, What::Triggers(serial, Box::new(triggers))));
        }
    }

    /// Lets probes on allocations rest where they cost more than they may.
    fn pace(&mut self, now: Mono) {
        let charges = self.attribution.stacks.charges();
        for member in self.fleet.members() {
            let stacks_s = charges.get(&member.id.pid).map_or(0.0, |charge| charge.seconds);
            let seconds = now.since(member.process.since).as_secs_f64().max(1.0);
            let cost_s = cost::of_collections(member.collections) + stacks_s;
            self.attribution.natives.leave_for_others(member.id.pid, 100.0 * cost_s / seconds);
        }
        let (rests, jobs) = self.adoption.attachments.pace(now, &charges);
        self.background.attach(jobs);
        self.backoffs += rests.len() as u64;
        for (pid, rest) in rests {
            let member = self.fleet.member(pid);
            self.outcomes.extend(member.map(|member| member.outcome(now, What::Rest(rest))));
        }
    }

    /// Brings what verdicts must know of losses up to date, and reports losses that were not reported.
    pub(super) fn new_losses(&mut self, now: Mono) {
        if self.fleet.pids().is_empty() {
            return;
        }
        let blind = self.losses.read(self.kernel.losses());
        for member in self.fleet.members() {
            let pid = member.id.pid;
            let mut counts = self.losses.of(pid);
            self.attribution.natives.add_losses(pid, &mut counts);
            member.process.lost_share = lost_share(&counts, member.collections);
            let off = |why| What::Feature(FeatureChange::off("losses", why));
            let blind = blind.clone().map(off);
            let news = self.losses.news(pid, &counts).map(What::Losses);
            self.outcomes.extend(blind.into_iter().chain(news).map(|what| member.outcome(now, what)));
        }
    }

    /// What there is to say before the end of the watch.
    pub(crate) fn last_words(&mut self) {
        let now = clock::now();
        self.fleet.pids().into_iter().for_each(|pid| self.deliver_all(pid));
        self.new_losses(now);
        for pid in self.fleet.pids() {
            self.last_triggers(pid, now);
            self.last_verdicts(pid, now);
        }
    }
}
