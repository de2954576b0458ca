//! Load-balancing algorithms, one a file, each explained where it stands.
//!
//! The crate is `no_std` and knows no socket, clock, lock or configuration format. What it must ask
//! it asks through [`Host`], which a plugin answers with calls out of its sandbox and a test with a
//! table. The same inputs and seed give the same picks on every platform: integers everywhere, and
//! where a fraction is unavoidable only the `f64` operations that IEEE 754 rounds exactly.
//!
//! Life of a [`Strategy`]: [`set_endpoints`](Strategy::set_endpoints) on each change does all the
//! work that can be done ahead, [`pick`](Strategy::pick) on each request only reads.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

mod api;
mod hash;
mod rng;

mod carry;
mod least;
mod share;

mod consistent_hash;
mod geographic;
mod ip_hash;
mod least_connections;
mod least_load;
mod maglev;
mod random;
mod response_time;
mod round_robin;
mod weighted_random;
mod weighted_round_robin;

pub use api::{Endpoint, Host, Reported, Strategy};
pub use hash::{hash_str, mix};
pub use rng::Rng;

pub use consistent_hash::{ConsistentHash, ConsistentHashConfig};
pub use geographic::{Geographic, GeographicConfig};
pub use ip_hash::IpHash;
pub use least_connections::{LeastConnections, LeastConnectionsConfig};
pub use least_load::{LeastLoad, LeastLoadConfig};
pub use maglev::{Maglev, MaglevConfig};
pub use random::Random;
pub use response_time::{ResponseTime, ResponseTimeConfig};
pub use round_robin::RoundRobin;
pub use weighted_random::WeightedRandom;
pub use weighted_round_robin::WeightedRoundRobin;

#[cfg(test)]
extern crate std;
#[cfg(test)]
mod testing;
