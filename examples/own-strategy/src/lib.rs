//! By plan: a request goes to the endpoints of its customer's plan, in turn.
//!
//! The plan stands in a header that the application's gateway sets; an endpoint's plan in its
//! metadata. A plan without endpoints of its own shares those that are for everyone.

use std::collections::BTreeMap;

use proconsul_plugin::{Endpoint, Strategy, request};

/// What may stand in the strategy's `config` table.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// The request's header that names the plan.
    header: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { header: String::from("x-plan") }
    }
}

struct ByPlan {
    header: String,
    /// Indexes of each plan's endpoints. The empty plan is everyone's.
    endpoints: BTreeMap<String, Vec<u32>>,
    turn: usize,
}

impl Strategy for ByPlan {
    type Config = Config;

    fn new(Config { header }: Config) -> Result<Self, String> {
        if header.is_empty() {
            return Err(String::from(
                "`header` is empty; it must name a header such as \"x-plan\"",
            ));
        }
        Ok(Self { header, endpoints: BTreeMap::new(), turn: 0 })
    }

    fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) -> Result<(), String> {
        self.endpoints.clear();
        for (index, endpoint) in (0..).zip(&endpoints) {
            let plan = endpoint.metadata.iter().find(|(key, _)| key == "plan");
            let plan = plan.map(|(_, value)| value.clone()).unwrap_or_default();
            self.endpoints.entry(plan).or_default().push(index);
        }
        Ok(())
    }

    // Reading a header costs a copy into the sandbox: 100 ns that this strategy is worth.
    fn pick(&mut self, _key: u64, _attempt: u32) -> Option<u32> {
        let plan = request::header(&self.header).unwrap_or_default();
        let group = self.endpoints.get(&plan).or_else(|| self.endpoints.get(""))?;
        self.turn = self.turn.wrapping_add(1);
        group.get(self.turn % group.len()).copied()
    }
}

proconsul_plugin::export!(ByPlan);
