//! Limits as flags, named as their TOML keys are, so that a plugin is tried under those it will have.

use crate::config::{PluginLimits, Size, Time};

#[derive(Debug, Clone, clap::Args)]
pub struct LimitFlags {
    /// Size of the component file, such as 32MiB [default: as in a proxy]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    file_limit: Option<Size>,
    /// Memory of one instance, such as 64MiB [default: as in a proxy]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory_limit: Option<Size>,
    /// How long a pick may take, such as 20ms [default: as in a proxy; 1s in `test`]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pick_deadline: Option<Time>,
}

impl LimitFlags {
    /// The limits, where what no flag says is as in `otherwise`.
    pub fn or(&self, otherwise: PluginLimits) -> PluginLimits {
        let Self { file_limit, memory_limit, pick_deadline } = self;
        PluginLimits {
            file_bytes: file_limit.map_or(otherwise.file_bytes, |size| size.0),
            memory_bytes: memory_limit.map_or(otherwise.memory_bytes, |size| {
                usize::try_from(size.0).unwrap_or(usize::MAX)
            }),
            pick_deadline: pick_deadline.map_or(otherwise.pick_deadline, |time| time.0),
            ..otherwise
        }
    }
}

fn size(text: &str) -> Result<Size, String> {
    Size::parse(text).ok_or_else(|| "a size is a number with a unit: B, KiB, MiB, GiB".to_owned())
}

fn time(text: &str) -> Result<Time, String> {
    Time::parse(text).ok_or_else(|| "a time is a number with a unit: us, ms, s, m, h".to_owned())
}
