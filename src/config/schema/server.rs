//! `[server]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Time;

/// The process.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Proxy threads of each listener, at most 1024; 0 is one for each core.
    #[schemars(range(min = 0, max = 1024))]
    pub threads: u32,
    /// The zone that the proxy itself runs in, such as `eu-central-1a`: for strategies that look
    /// for near endpoints.
    pub zone: String,
    /// The region that the proxy itself runs in, such as `eu-central-1`.
    pub region: String,
    /// How long a stop waits for the requests in flight. 0s to 1h.
    pub drain_timeout: Time,
    /// The socket over which an old process hands its listeners to a new one. Default:
    /// `upgrade.sock` in `$RUNTIME_DIRECTORY`, else in `proconsul` under `$XDG_RUNTIME_DIR`,
    /// else in `/run/proconsul`.
    pub upgrade_socket: Option<String>,
    /// The file that the process writes its id to. Default: none.
    pub pid_file: Option<String>,
    /// Idle connections kept to all upstreams together. 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub upstream_pool_size: u32,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            threads: 0,
            zone: String::new(),
            region: String::new(),
            drain_timeout: Time::from_secs(30),
            upgrade_socket: None,
            pid_file: None,
            upstream_pool_size: 512,
        }
    }
}
