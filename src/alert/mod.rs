//! Alerts: rules that are evaluated over what the proxy measures of itself and of its services.

pub mod paging;
pub mod rules;
