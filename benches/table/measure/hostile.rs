//! A plugin that never returns, under load.

use anyhow::Result;

use super::Bench;
use crate::report::Row;

pub fn run(_: &Bench) -> Result<Vec<Row>> {
    Ok(vec![Row::information("hostile plugins under load", "see tests/hostile.rs".to_owned())])
}
