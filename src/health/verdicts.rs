//! What follows from a result, and from what traffic says: a flip is told at the moment it is one.

use std::time::{Duration, Instant};

use super::job::{Job, JobId};
use super::roster::Member;
use super::scheduler::{Done, Scheduler, now};
use super::state::{Ejection, Pace, next_due};
use super::traffic::{TRAFFIC_CHECK, Traffic, TrafficReport};
use crate::model::{HealthStatus, InstanceId, ServiceKey, Verdict};

impl Scheduler {
    /// A check is over.
    pub(super) fn finished(&mut self, done: Done) {
        let Done { job: id, ticket, outcome } = done;
        let Some(job) = self.jobs.get(id) else { return };
        if job.running.as_ref().is_none_or(|running| running.ticket != ticket) {
            return; // called off, and over before it heard of it
        }
        let Some(running) = job.running.take() else { return };
        job.kept = outcome.kept;
        let kind = job.probe.prepared.check.kind.as_str();
        let result = match outcome.own_fault {
            true => "fault",
            false => outcome.verdict.status.as_str(),
        };
        self.metrics.checked(kind, result, outcome.took);
        let again = std::mem::take(&mut job.again);
        // A check that is broken itself calls nobody back.
        let judged = !(outcome.own_fault && job.belief.status() == HealthStatus::Critical);
        if judged {
            let good = outcome.verdict.status != HealthStatus::Critical && !outcome.own_fault;
            let of = good.then(|| (job.service.clone(), job.instance.clone(), job.name().clone()));
            self.believe(id, outcome.verdict, running.began);
            if let Some((service, instance, check)) = of {
                self.checked_good(
                    &service,
                    &instance,
                    &format!("check {check} is good"),
                    running.began,
                );
            }
        }
        if again {
            self.jobs.arm(id, now());
        }
    }

    /// What needed nobody to be asked.
    pub(super) fn looked(&mut self, id: JobId, verdict: Verdict, began: Instant) {
        let Some(job) = self.jobs.get(id) else { return };
        let kind = job.probe.prepared.check.kind.as_str();
        self.metrics.checked(kind, verdict.status.as_str(), Duration::ZERO);
        self.believe(id, verdict, began);
    }

    fn believe(&mut self, id: JobId, result: Verdict, began: Instant) {
        let now = now();
        let (outbox, metrics) = (self.outbox.clone(), self.metrics.clone());
        let Some(job) = self.jobs.get(id) else { return };
        let flip = job.belief.observe(&result, now);
        // The first result that agrees is told too: it is known from then on that the check is made.
        let is_first = job.told.as_ref().is_none_or(|told| told.status != job.belief.status())
            || job.told.as_ref().is_some_and(|told| told.reason == NOT_CHECKED);
        let told = match flip {
            Some(flip) => {
                metrics.flipped(flip.from.as_str(), flip.verdict.status.as_str());
                tracing::info!(
                    service = %job.service, instance = %job.instance, check = %job.name(),
                    from = flip.from.as_str(), to = flip.verdict.status.as_str(),
                    reason = flip.verdict.reason, "health flipped",
                );
                Some(flip.verdict)
            }
            None if is_first && result.status == job.belief.status() => Some(result),
            None => None,
        };
        if let Some(verdict) = told {
            outbox.tell(&job.service, &job.instance, job.name(), Some(verdict.clone()));
            job.told = Some(verdict);
        }
        let pace = job.belief.pace();
        if pace != job.pace || pace == Pace::Changing {
            job.pace = pace;
            let due = next_due(job.schedule(), pace, began, now, &mut self.rng);
            self.jobs.arm(id, due);
        }
    }

    pub(super) fn tell(&self, job: &mut Job, verdict: Verdict) {
        self.outbox.tell(&job.service, &job.instance, job.name(), Some(verdict.clone()));
        job.told = Some(verdict);
    }

    /// The proxy says how a request went.
    pub(super) fn reported(&mut self, report: &TrafficReport) {
        let TrafficReport { service, instance, what } = report;
        let now = now();
        let settings = self.plan.passive(service);
        let member = self.services.get_mut(service).and_then(|s| s.members.get_mut(instance));
        let Some(member) = member else { return };
        let endpoint = member.instance.vitals.endpoint.clone();
        let ejection = match (settings, what) {
            (None, _) => None,
            (Some(settings), Traffic::Refused) => member.passive.refused(now, &settings),
            (Some(settings), Traffic::Failed) => member.passive.failed(now, &settings),
            (Some(_), Traffic::Recovered) => {
                member.passive.succeeded();
                None
            }
        };
        // The proxy may have taken it out by itself: what holds is what is decided here.
        endpoint.set_eligible(member.passive.ejected_until().is_none());
        let Some(Ejection { until, failures }) = ejection else { return };
        let rest = until - now;
        let (word, why) = match what {
            Traffic::Refused => ("refused", "connection refused".to_owned()),
            _ => ("failures", format!("{failures} failures in a row")),
        };
        self.metrics.ejected(word);
        let verdict = Verdict::new(HealthStatus::Critical, format!("{why}; out for {rest:.0?}"));
        member.traffic_told = Some(verdict.clone());
        let timer = super::job::Timer::Rest(service.clone(), instance.clone());
        member.rest = Some(self.jobs.timers.insert_at(timer, until.into()));
        let jobs: Vec<_> = member.jobs.values().copied().collect();
        self.outbox.tell(service, instance, &TRAFFIC_CHECK, Some(verdict));
        for id in jobs {
            self.check_now(id, now);
        }
    }

    fn check_now(&mut self, id: JobId, now: Instant) {
        let Some(job) = self.jobs.get(id) else { return };
        if !job.probe.prepared.check.kind.is_active() || job.queued {
            return;
        }
        match job.running.is_some() {
            true => job.again = true,
            false => self.jobs.arm(id, now),
        }
    }

    /// A good check ends the rest of its instance if it began after the rest did.
    fn checked_good(&mut self, service: &ServiceKey, id: &InstanceId, why: &str, began: Instant) {
        let member = self.services.get_mut(service).and_then(|s| s.members.get_mut(id));
        let Some(member) = member else { return };
        if member.passive.ejected_since().is_some_and(|since| began >= since) {
            member.passive.checked_good(now());
            self.called_back(service, id, why);
        }
    }

    /// A rest is over.
    pub(super) fn rested(&mut self, service: &ServiceKey, id: &InstanceId) {
        let member = self.services.get_mut(service).and_then(|s| s.members.get_mut(id));
        let Some(member) = member else { return };
        member.rest = None;
        if member.passive.tick(now()) {
            self.called_back(service, id, "its rest is over");
        }
    }

    fn called_back(&mut self, service: &ServiceKey, id: &InstanceId, why: &str) {
        let member = self.services.get_mut(service).and_then(|s| s.members.get_mut(id));
        let Some(member) = member else { return };
        if let Some(rest) = member.rest.take() {
            self.jobs.timers.remove(&rest);
        }
        member.instance.vitals.endpoint.set_eligible(true);
        let verdict = Verdict::new(HealthStatus::Passing, format!("called back: {why}"));
        member.traffic_told = Some(verdict.clone());
        self.outbox.tell(service, id, &TRAFFIC_CHECK, Some(verdict));
    }

    /// Tells the registry again what it does not show.
    pub(super) fn repeat_traffic(&self, service: &ServiceKey, member: &Member) {
        let Some(told) = &member.traffic_told else { return };
        let shown = member.instance.health.checks.get(&*TRAFFIC_CHECK);
        if shown.is_none_or(|shown| shown.status != told.status) {
            let id = &member.instance.record.id;
            self.outbox.tell(service, id, &TRAFFIC_CHECK, Some(told.clone()));
        }
    }
}

/// The reason of a status that no result gave.
pub(super) const NOT_CHECKED: &str = "not checked yet";
