//! What clients send, read strictly: a request that is wrong is refused with every mistake that it has.

mod body;
mod decode;
mod limits;
mod mistakes;
mod names;
mod query;

pub(super) use body::{Body, json_value};
pub(super) use decode::decode_value;
pub(super) use limits::*;
pub(super) use mistakes::{At, Mistakes};
pub(super) use names::{GroupPath, InstancePath, ServicePath, service_key};
pub(super) use query::{Query, Several, from_text, index_from_text};
