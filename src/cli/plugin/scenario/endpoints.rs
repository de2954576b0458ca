//! The endpoints of a scenario, whose loads are whatever it says.

use std::sync::Arc;

use super::format::{self, Step};
use crate::balance::{EndpointSet, EndpointState, Member};
use crate::model::{Endpoint, EndpointId, Weight};

/// The endpoints that there are now, in order.
#[derive(Default)]
pub struct Endpoints(Vec<Member>);

impl Endpoints {
    /// Those of the file's head.
    pub fn new(endpoints: &[format::Endpoint]) -> Result<Self, String> {
        let mut made = Self::default();
        for endpoint in endpoints {
            made.add(endpoint)?;
        }
        Ok(made)
    }

    /// What a strategy is given.
    pub fn set(&self) -> Arc<EndpointSet> {
        Arc::new(EndpointSet::new(self.0.iter().cloned()))
    }

    /// Makes a step's changes. Whether the strategy must be told: loads it reads by itself.
    pub fn change(&mut self, step: &Step, now_ms: u32) -> Result<bool, String> {
        for id in &step.remove {
            let index = self.index(id)?;
            self.0.remove(index);
        }
        for endpoint in &step.add {
            self.add(endpoint)?;
        }
        for (id, &value) in &step.weight {
            let index = self.index(id)?;
            self.0[index].endpoint.weight = weight(id, value)?;
        }
        for (id, &active) in &step.active {
            let state = self.state(id)?;
            while state.active() < active {
                state.enter();
            }
            while state.active() > active {
                state.leave();
            }
        }
        for (id, latency) in &step.latency {
            let latency_us = u32::try_from(latency.0.as_micros()).unwrap_or(u32::MAX);
            self.state(id)?.latency().set(latency_us, now_ms);
        }
        for (id, reported) in &step.reported {
            self.state(id)?.report(reported.cpu, reported.memory);
        }
        Ok(!(step.remove.is_empty() && step.add.is_empty() && step.weight.is_empty()))
    }

    /// Whether there is one of this name.
    pub fn check(&self, id: &str) -> Result<(), String> {
        self.index(id).map(|_| ())
    }

    fn add(&mut self, table: &format::Endpoint) -> Result<(), String> {
        let format::Endpoint { id, weight: value, zone, region, metadata } = table;
        if self.0.iter().any(|member| member.endpoint.id.as_str() == id) {
            return Err(format!("there is an endpoint `{id}` already"));
        }
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        self.0.push(Member {
            endpoint: Endpoint {
                id: EndpointId::new(id).map_err(|error| format!("the id `{id}` {error}"))?,
                host: address.ip().to_string(),
                port: address.port(),
                weight: weight(id, *value)?,
                zone: zone.clone(),
                region: region.clone(),
                metadata: metadata.clone(),
            },
            address,
            state: Arc::new(EndpointState::default()),
        });
        Ok(())
    }

    fn index(&self, id: &str) -> Result<usize, String> {
        let found = self.0.iter().position(|member| member.endpoint.id.as_str() == id);
        found.ok_or_else(|| {
            let ids: Vec<_> = self.0.iter().map(|member| member.endpoint.id.as_str()).collect();
            format!("there is no endpoint `{id}`; there are {}", ids.join(", "))
        })
    }

    fn state(&self, id: &str) -> Result<&EndpointState, String> {
        Ok(&self.0[self.index(id)?].state)
    }
}

fn weight(id: &str, value: i64) -> Result<Weight, String> {
    Weight::new(value).map_err(|error| format!("the weight of `{id}` {error}"))
}
