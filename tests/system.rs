//! The real binary between real sockets: what operators and clients see, one theme a file.
//!
//! [`mesh`] starts upstreams and the proxy, each test its own, at addresses that no other test has.

mod mesh;

#[path = "system/abuse.rs"]
mod abuse;
#[path = "system/admin_api.rs"]
mod admin_api;
#[path = "system/admin_commands.rs"]
mod admin_commands;
#[path = "system/alert_memory.rs"]
mod alert_memory;
#[path = "system/alert_rules.rs"]
mod alert_rules;
#[path = "system/alerting.rs"]
mod alerting;
#[path = "system/backups.rs"]
mod backups;
#[path = "system/building.rs"]
mod building;
#[path = "system/checking.rs"]
mod checking;
#[path = "system/clients.rs"]
mod clients;
#[path = "system/commands.rs"]
mod commands;
#[path = "system/failover.rs"]
mod failover;
#[path = "system/framing.rs"]
mod framing;
#[path = "system/health.rs"]
mod health;
#[path = "system/hostile_channels.rs"]
mod hostile_channels;
#[path = "system/hostile_files.rs"]
mod hostile_files;
#[path = "system/hostile_plugins.rs"]
mod hostile_plugins;
#[path = "system/lifecycle.rs"]
mod lifecycle;
#[path = "system/log_writers.rs"]
mod log_writers;
#[path = "system/metrics.rs"]
mod metrics;
#[path = "system/otlp.rs"]
mod otlp;
#[path = "system/picking.rs"]
mod picking;
#[path = "system/protocols.rs"]
mod protocols;
#[path = "system/receivers.rs"]
mod receivers;
#[path = "system/reload.rs"]
mod reload;
#[path = "system/routing.rs"]
mod routing;
#[path = "system/seeing.rs"]
mod seeing;
#[path = "system/streaming.rs"]
mod streaming;
#[path = "system/syslog.rs"]
mod syslog;
#[path = "system/tracing.rs"]
mod tracing;
