//! Webhooks: whoever subscribed to a service is sent its state whenever it changed.
//!
//! One task a subscription, which sends the newest state, waits until there is a newer one, and so on: so
//! calls are in order, what changed during a call comes in one, and the last state is never missed. What
//! the state looks like is somebody else's business ([`Render`]).

mod address;
mod backoff;
mod board;
mod client;
mod dispatcher;
mod signature;

pub use address::{BadUrl, Reach, check_url};
pub use board::{Board, Delivery};
pub use dispatcher::{Dispatcher, Render};
pub use signature::{SIGNATURE, sign};
