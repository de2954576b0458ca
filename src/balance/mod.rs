//! Deciding where a request goes: the seam that strategies stand behind, and what happens when
//! one gives no answer.
//!
//! Pure: no IO, no clock, no runtime. Knows nothing of WebAssembly; a strategy is a [`Selector`].

mod endpoint_set;
mod endpoint_state;
mod fallback;
mod peak_ewma;
mod select;

pub use endpoint_set::{EndpointSet, Member};
pub use endpoint_state::EndpointState;
pub use fallback::Spread;
pub use peak_ewma::PeakEwma;
pub use select::{Ask, Choice, MAX_TRIES, Miss, RequestFacts, Selector, Tried, choose};
