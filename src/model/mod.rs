//! The words that every other module speaks: names, sizes and facts about services and requests.
//!
//! No IO, no serde, no clock. A value of these types cannot be wrong: it was checked when it was made.

mod alert;
mod check;
mod endpoint;
mod health;
mod instance_record;
mod name;
mod phase;
mod plugin_source;
mod service_record;
mod time;
mod weight;

pub use alert::{Alert, Labels, Notification, Receipt, SendFailure};
pub use check::{
    AllowedHost, AllowedPeer, Check, CheckKind, CheckTls, GrpcCheck, HttpCheck, PluginCheck,
    ResourceCheck, ResponseTimeCheck, Schedule, TcpCheck,
};
pub use endpoint::Endpoint;
pub use health::{HealthStatus, MAX_REASON_BYTES, Verdict};
pub use instance_record::{Duty, InstanceKey, InstanceRecord, Origin, ReportedLoad};
pub use name::{
    ChannelName, CheckName, EndpointId, GroupName, InstanceId, InvalidName, ListenerName,
    Namespace, RouteName, RuleName, ServiceName, StrategyName, Tag,
};
pub use phase::Phase;
pub use plugin_source::PluginSource;
pub use service_record::{Deprecation, ServiceKey, ServiceRecord};
pub use time::UnixMillis;
pub use weight::{InvalidWeight, Weight};
