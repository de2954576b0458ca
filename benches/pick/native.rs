//! The same algorithms without a sandbox, behind the same seam: what a component is measured against.

use std::sync::Arc;

use anyhow::{Error, Result, bail};
use parking_lot::Mutex;
use proconsul::balance::{Ask, EndpointSet, Miss, Selector};
use proconsul::telemetry::clock::coarse_ms;
use proconsul_algorithms::{
    ConsistentHash, Endpoint, Geographic, Host, IpHash, LeastConnections, LeastConnectionsConfig,
    LeastLoad, Maglev, Random, Reported, ResponseTime, RoundRobin, Strategy, WeightedRandom,
    WeightedRoundRobin,
};

use super::subject::{Case, SEED};

/// One algorithm for one thread, behind a lock as a slot is.
struct Native<S>(Mutex<S>);

/// Answers from the same atomics that a component's host reads.
struct Loads<'a>(&'a EndpointSet);

impl Host for Loads<'_> {
    fn active(&self, index: u32) -> u32 {
        self.0.members().get(index as usize).map_or(0, |member| member.state.active())
    }

    fn active_all(&self, into: &mut Vec<u32>) {
        into.clear();
        into.extend(self.0.members().iter().map(|member| member.state.active()));
    }

    fn latency_us(&self, index: u32) -> u32 {
        let member = self.0.members().get(index as usize);
        member.map_or(0, |member| member.state.latency().read_us(coarse_ms()))
    }

    fn reported(&self, index: u32) -> Reported {
        let member = self.0.members().get(index as usize);
        member.map_or(Reported::NOTHING, |member| {
            let (cpu, memory) = member.state.reported();
            Reported { cpu, memory }
        })
    }
}

impl<S: Strategy + Send> Selector for Native<S> {
    fn select(&self, set: &Arc<EndpointSet>, ask: &Ask<'_>) -> Result<usize, Miss> {
        let mut strategy = self.0.try_lock().ok_or(Miss::Busy)?;
        let answer = strategy.pick(ask.key, ask.tried.count() as u32, &Loads(set));
        let index = answer.ok_or(Miss::NoAnswer)? as usize;
        if index < set.members().len() { Ok(index) } else { Err(Miss::OutOfRange) }
    }
}

/// The native twin of a case's component.
pub fn build(case: &Case, set: &EndpointSet) -> Result<Box<dyn Selector>> {
    let compared = serde_json::from_str::<serde_json::Value>(case.config)?;
    let compared = compared.get("exact_up_to").and_then(serde_json::Value::as_u64);
    let mut least_connections = LeastConnectionsConfig::default();
    if let Some(exact_up_to) = compared {
        least_connections.exact_up_to = u32::try_from(exact_up_to)?;
    }
    Ok(match case.strategy {
        "round-robin" => with(RoundRobin::new(SEED), set),
        "random" => with(Random::new(SEED), set),
        "weighted-round-robin" => with(WeightedRoundRobin::new(), set),
        "weighted-random" => with(WeightedRandom::new(SEED), set),
        "least-connections" => with(LeastConnections::new(least_connections, SEED), set),
        "consistent-hash" => {
            with(ConsistentHash::new(Default::default(), SEED).map_err(Error::msg)?, set)
        }
        "maglev" => with(Maglev::new(Default::default(), SEED).map_err(Error::msg)?, set),
        "ip-hash" => with(IpHash::new(SEED), set),
        "response-time" => with(ResponseTime::new(Default::default(), SEED), set),
        "least-load" => with(LeastLoad::new(Default::default(), SEED).map_err(Error::msg)?, set),
        "geographic" => with(Geographic::new(Default::default()).map_err(Error::msg)?, set),
        other => bail!("`{other}` has no native twin here"),
    })
}

fn with<S: Strategy + Send + 'static>(mut strategy: S, set: &EndpointSet) -> Box<dyn Selector> {
    let addresses: Vec<String> = set.members().iter().map(|m| m.address.to_string()).collect();
    let endpoints: Vec<Endpoint<'_>> = set
        .members()
        .iter()
        .zip(&addresses)
        .map(|(member, address)| Endpoint {
            id: member.endpoint.id.as_str(),
            address,
            weight: member.endpoint.weight.get(),
            zone: &member.endpoint.zone,
            region: &member.endpoint.region,
        })
        .collect();
    strategy.set_endpoints(&endpoints);
    Box::new(Native(Mutex::new(strategy)))
}
