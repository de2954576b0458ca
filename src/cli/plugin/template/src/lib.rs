//! Fill first: the first endpoint until it has `max_active` requests in flight, then the next.

use proconsul_plugin::{Endpoint, Strategy, loads};

/// What may stand in the strategy's `config` table. A misspelt key is refused by name.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Requests in flight at which an endpoint counts as full.
    max_active: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_active: 16 }
    }
}

struct FillFirst {
    max_active: u32,
    endpoints: u32,
}

impl Strategy for FillFirst {
    type Config = Config;

    fn new(Config { max_active }: Config) -> Result<Self, String> {
        if max_active == 0 {
            return Err(String::from("`max_active` is 0; it must be 1 or more"));
        }
        Ok(Self {
            max_active,
            endpoints: 0,
        })
    }

    fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) -> Result<(), String> {
        self.endpoints = endpoints.len() as u32;
        Ok(())
    }

    // On the request path: a call of `loads` costs about 50 ns, so stop at the first that will do.
    fn pick(&mut self, _key: u64, attempt: u32) -> Option<u32> {
        choose(self.endpoints, self.max_active, attempt, loads::active)
    }
}

proconsul_plugin::export!(FillFirst);

/// The decision by itself, so that it can be tested without a proxy. `attempt` counts the tries of one
/// request: each is given one that the earlier ones were not.
fn choose(
    endpoints: u32,
    max_active: u32,
    attempt: u32,
    active: impl Fn(u32) -> u32,
) -> Option<u32> {
    let mut free = (0..endpoints).filter(|&index| active(index) < max_active);
    free.nth(attempt as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_not_full() {
        let active = [2, 1, 0];
        assert_eq!(choose(3, 2, 0, |i| active[i as usize]), Some(1));
        assert_eq!(choose(3, 2, 1, |i| active[i as usize]), Some(2));
        assert_eq!(choose(3, 2, 2, |i| active[i as usize]), None);
    }
}
