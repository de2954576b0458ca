//! The kinds of plugins that there are.

use std::fmt;

/// What a component is for. Each kind has a contract of its own in `wit/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It picks an endpoint for each request.
    Balancer,
    /// It says how well an instance is.
    HealthCheck,
    /// It carries alerts to people.
    AlertChannel,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Balancer, Kind::HealthCheck, Kind::AlertChannel];

    /// What people call a built-in one.
    pub fn of_built_in(self) -> &'static str {
        match self {
            Kind::Balancer => "strategy",
            Kind::HealthCheck => "health check",
            Kind::AlertChannel => "alert channel",
        }
    }

    /// Where the configuration names one.
    pub fn section(self) -> &'static str {
        match self {
            Kind::Balancer => "[strategies]",
            Kind::HealthCheck => "[checks]",
            Kind::AlertChannel => "[alerts.channels]",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Balancer => "balancer",
            Kind::HealthCheck => "health check",
            Kind::AlertChannel => "alert channel",
        })
    }
}
