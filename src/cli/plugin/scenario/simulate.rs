//! Simulated traffic: requests arrive as a Poisson process, and each stays in flight for as long as
//! its endpoint takes. What is in flight then follows from the rate and the times (Little's law),
//! and the strategy sees it as it would see real load.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::expect::Picks;
use super::format::{Service, Simulate};
use super::play::{Stop, client_key, in_range};
use crate::balance::{EndpointSet, RequestFacts};
use crate::plugin::balancer::{Outcome, Trial};
use crate::plugin::{Seeds, SimulatedClock};

/// What an endpoint takes that the file gives no time for.
const USUAL_SERVICE_US: u64 = 10_000;

/// A response on its way: when it comes, its request's number (so that two at once keep their
/// order), from where.
type Response = Reverse<(u64, u32, u32)>;

/// One run.
pub struct Run<'a> {
    pub trial: &'a mut Trial,
    pub set: &'a Arc<EndpointSet>,
    pub clock: &'a SimulatedClock,
    pub seeds: &'a Seeds,
}

impl Run<'_> {
    /// Lets the traffic come, and waits until all of it has gone.
    pub fn run(mut self, traffic: &Simulate, picks: &mut Picks) -> Result<(), Stop> {
        let times_us = self.service_times_us(&traffic.service);
        let failing: Vec<bool> = self.by_endpoint(|id| traffic.failing.iter().any(|f| f == id));
        let begin_us = u64::from(self.clock.now_ms()) * 1000;
        let mut now_us = begin_us as f64;
        let mut responses: BinaryHeap<Response> = BinaryHeap::new();
        picks.peaks = vec![0; self.set.members().len()];
        for number in 0..traffic.requests {
            now_us += self.until_next(traffic.rate);
            while let Some(&Reverse((at_us, _, index))) = responses.peek()
                && at_us as f64 <= now_us
            {
                responses.pop();
                self.respond(at_us, index, times_us[index as usize], failing[index as usize])?;
            }
            self.clock.set_ms((now_us / 1000.0) as u32);
            let client = traffic.clients.map(|clients| number % clients);
            let key = client.map_or(0, client_key);
            let answer = self.trial.pick(key, 0, &RequestFacts::default())?;
            in_range(answer, self.set, picks)?;
            picks.answers.push(answer);
            picks.by_client.extend(client.map(|client| (client, answer)));
            let Some(index) = answer else { continue };
            let place = index as usize;
            let state = &self.set.members()[place].state;
            state.enter();
            picks.peaks[place] = picks.peaks[place].max(state.active());
            responses.push(Reverse((now_us as u64 + times_us[place], number, index)));
        }
        while let Some(Reverse((at_us, _, index))) = responses.pop() {
            self.respond(at_us, index, times_us[index as usize], failing[index as usize])?;
        }
        Ok(())
    }

    fn respond(&mut self, at_us: u64, index: u32, took_us: u64, failed: bool) -> Result<(), Stop> {
        self.clock.set_ms((at_us / 1000) as u32);
        let state = &self.set.members()[index as usize].state;
        let latency_us = u32::try_from(took_us).unwrap_or(u32::MAX);
        state.leave();
        state.latency().observe(latency_us, self.clock.now_ms());
        let outcome = if failed { Outcome::Failure } else { Outcome::Success };
        Ok(self.trial.observe(index, outcome, latency_us)?)
    }

    /// An exponentially distributed wait, in microseconds.
    fn until_next(&self, rate_per_second: f64) -> f64 {
        let uniform = (self.seeds.next() >> 11) as f64 / (1_u64 << 53) as f64;
        -(1.0 - uniform).ln() / rate_per_second * 1e6
    }

    fn service_times_us(&self, service: &Service) -> Vec<u64> {
        let us = |time: crate::config::Time| time.0.as_micros() as u64;
        self.by_endpoint(|id| match service {
            Service::Every(time) => us(*time),
            Service::Each(times) => times.get(id).map_or(USUAL_SERVICE_US, |&time| us(time)),
        })
    }

    fn by_endpoint<T>(&self, fact: impl Fn(&str) -> T) -> Vec<T> {
        self.set.members().iter().map(|member| fact(member.endpoint.id.as_str())).collect()
    }
}
