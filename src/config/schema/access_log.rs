//! `[access_log]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Size, Time};
use crate::telemetry::access_line::FIELDS;

/// The access log: JSON lines, written without ever holding up a request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLog {
    /// `"off"`, `"stdout"`, or `{ file = "/var/log/proconsul/access.log" }`.
    pub target: AccessLogTarget,
    /// Lines that may wait to be written; further ones are dropped and counted. 1 to 1048576.
    #[schemars(range(min = 1, max = 1048576))]
    pub queue_lines: u32,
    /// Begins the file anew when it grows too large, or with a new hour or day. Default: never, as logrotate wants it.
    pub rotate: Option<Rotate>,
    /// What a line says under `fields`; `error` is always there.
    pub fields: Vec<String>,
    /// Request headers that a line shows, cut at 1024 bytes each.
    pub request_headers: Vec<String>,
    /// Likewise of the response.
    pub response_headers: Vec<String>,
    /// Headers whose values are written as `***`.
    pub mask_headers: Vec<String>,
    /// Query parameters whose values are written as `***`.
    pub mask_query: Vec<String>,
    /// The share of requests answered with 2xx that get a line, chosen by their trace's id. 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub sample_2xx: f64,
    /// Who the user is: `{ header = "x-user-id" }`, or `{ jwt_claim = "sub" }` of the token in `Authorization`. As the
    /// client or whoever is before the proxy wrote it: nobody verifies it, no signature either. Default: nobody.
    pub user_id: Option<UserId>,
}

/// When a file is begun anew.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// The file becomes `.1` before it grows beyond this. 1KiB to 1024GiB. This or `every`, or both.
    pub size: Option<Size>,
    /// Or with the first line of a new hour or day, in UTC.
    pub every: Option<Period>,
    /// Former files that stay. 1 to 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub keep: u32,
    /// Those that were last written to before that are removed, too, when a file is begun. 1m to 87600h. Default: never.
    pub max_age: Option<Time>,
}

/// How often a file is begun anew.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    Hourly,
    Daily,
}

/// Where a user's name is.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserId {
    /// In a request header.
    Header(String),
    /// In this claim of the JSON Web Token in `Authorization`.
    JwtClaim(String),
}

/// Where the lines go.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessLogTarget {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// A file, appended to; relative to the configuration file's directory.
    File(String),
}

impl Default for AccessLog {
    fn default() -> Self {
        let texts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            target: AccessLogTarget::Off,
            queue_lines: 8192,
            rotate: None,
            fields: texts(&FIELDS),
            request_headers: Vec::new(),
            response_headers: Vec::new(),
            mask_headers: texts(&["authorization", "cookie", "proxy-authorization", "set-cookie"]),
            mask_query: texts(&["access_token", "token"]),
            sample_2xx: 1.0,
            user_id: None,
        }
    }
}
