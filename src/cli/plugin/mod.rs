//! `proconsul plugin …`: make, look at, and try plugins, in the order in which an author does.

pub mod new;

pub mod build;
pub mod digest;
pub mod dist;
mod door;
pub mod toolchain;

mod limits;

mod inspect;

mod alert_channel;
mod health_check;
mod scenario;
mod test;

mod bench;

mod make;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use crate::config::{PluginLimits, PluginSource};
use crate::plugin::{HotEngine, Kind, Library, builtin, contract};
use crate::telemetry::log;
use limits::LimitFlags;

#[derive(Subcommand)]
pub enum Command {
    /// Make a crate for a plugin of one's own, which builds and passes its tests
    New {
        /// What it is for
        #[arg(long, value_enum, default_value = "balancer")]
        kind: KindName,
        /// Its name: lower-case letters, digits and `-`
        name: String,
        /// The folder to make its folder in
        #[arg(long, default_value = ".")]
        parent: PathBuf,
        /// The SDK's folder (`plugins/sdk` of a checkout); by default the checkout around the working
        /// directory or this program, else the released one
        #[arg(long)]
        sdk: Option<PathBuf>,
    },
    /// Compile a crate and make the component, `NAME.wasm`
    Build {
        /// The crate's folder
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Where the component goes; by default into the crate's folder
        #[arg(long)]
        out: Option<PathBuf>,
        /// Build every plugin that Proconsul ships, from the `plugins` folder of a checkout
        #[arg(long, value_name = "PLUGINS", conflicts_with = "folder", requires = "out")]
        all: Option<PathBuf>,
        /// Write beside it what it was built from, and by what; for the plugins of a checkout
        #[arg(long)]
        manifest: bool,
    },
    /// Show a component's world, versions, imports, permissions, limits and size
    Inspect {
        /// A component file, a crate's folder, or the name of a built-in plugin
        plugin: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        limits: LimitFlags,
    },
    /// Play scenario files against a component
    ///
    /// Seed, loads and time are the files', so that a run is the same everywhere; a health check is
    /// played against the servers that its files describe. Exits with 1 when a
    /// scenario failed, with 3 when the component cannot serve at all.
    Test {
        /// A component file, a crate's folder, or the name of a built-in plugin
        plugin: String,
        /// Scenario files, or folders of them; by default `scenarios` beside the component
        scenarios: Vec<PathBuf>,
        /// Print the results as JSON
        #[arg(long)]
        json: bool,
        /// Show what each step picked, or said
        #[arg(long, short, conflicts_with = "json")]
        verbose: bool,
        /// Instead of playing scenarios, make a health check look at this server once, `host:port`
        ///
        /// Exits with 1 when it is critical, or the plugin fails.
        #[arg(long, value_name = "HOST:PORT", conflicts_with = "scenarios")]
        against: Option<String>,
        /// The check's config for `--against`, as TOML such as 'path = "/ready"'
        ///
        /// Of an alert channel: its config for `--send`.
        #[arg(long, default_value = "")]
        config: String,
        /// Instead of playing scenarios, make an alert channel send a sample notification
        ///
        /// Exits with 1 when it does not arrive, or the plugin fails.
        #[arg(long, conflicts_with_all = ["scenarios", "against"])]
        send: bool,
        /// Whom the channel may speak with, `host:port`; may be given several times
        #[arg(long, value_name = "HOST:PORT", requires = "send")]
        allow: Vec<String>,
        /// The file that the channel may append to
        #[arg(long, requires = "send")]
        file: Option<PathBuf>,
        #[command(flatten)]
        limits: LimitFlags,
    },
    /// Measure what a pick costs, beside a native round-robin
    Bench {
        /// A component file, a crate's folder, or the name of a built-in plugin
        plugin: String,
        /// Numbers of endpoints to measure with
        #[arg(long, value_delimiter = ',', default_value = "10,1000",
              value_parser = clap::value_parser!(u32).range(1..=100_000))]
        endpoints: Vec<u32>,
        /// The strategy's config, as TOML such as 'virtual_nodes = 300'
        #[arg(long, default_value = "")]
        config: String,
        /// Print the results as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        limits: LimitFlags,
    },
}

/// The kinds by the names of their worlds.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum KindName {
    Balancer,
    HealthCheck,
    AlertChannel,
}

impl From<KindName> for Kind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Balancer => Kind::Balancer,
            KindName::HealthCheck => Kind::HealthCheck,
            KindName::AlertChannel => Kind::AlertChannel,
        }
    }
}

/// Runs a subcommand.
pub(super) fn run(command: Command) -> ExitCode {
    match command {
        Command::New { kind, name, parent, sdk } => make::new(kind.into(), &name, &parent, sdk),
        Command::Build { all: Some(plugins), out: Some(out), manifest, .. } => {
            make::all(&plugins, &out, manifest)
        }
        Command::Build { folder, out, manifest, .. } => {
            make::build(&folder, out.as_deref().unwrap_or(&folder), manifest)
        }
        Command::Inspect { plugin, json, limits } => with_source(&plugin, |source| {
            inspect::inspect(&plugin, source, &limits.or(PluginLimits::default()), json)
        }),
        Command::Test { plugin, json, against: Some(address), config, limits, .. } => {
            let limits = limits.or(PluginLimits::default());
            with_source(&plugin, |source| {
                health_check::against(&plugin, source, limits, &address, &config, json)
            })
        }
        Command::Test { plugin, json, send: true, config, allow, file, limits, .. } => {
            let limits = limits.or(PluginLimits::default());
            with_source(&plugin, |source| {
                let errand = alert_channel::Errand { config, allow, file };
                alert_channel::send(&plugin, source, limits, &errand, json)
            })
        }
        Command::Test { plugin, scenarios, json, verbose, limits, .. } => {
            let limits = limits
                .or(PluginLimits { pick_deadline: test::PICK_DEADLINE, ..PluginLimits::default() });
            let show = test::Show { json, verbose };
            with_source(&plugin, |source| {
                let kind = kind_of(source, &limits);
                test::test(&plugin, source, kind, limits, &scenarios, show)
            })
        }
        Command::Bench { plugin, endpoints, config, json, limits } => {
            let limits = limits.or(PluginLimits::default());
            let endpoints = endpoints.iter().map(|&count| count as usize).collect();
            let options = bench::Options { endpoints, config, limits, json };
            with_source(&plugin, |source| {
                bench::bench(&plugin, source, kind_of(source, &options.limits), &options)
            })
        }
    }
}

/// What is shown of a plugin's own lines, and of its failures, while it is tried.
const LOG: &str = "warn,plugin=debug";

fn with_source(plugin: &str, run: impl FnOnce(&PluginSource) -> ExitCode) -> ExitCode {
    match source_of(plugin) {
        Ok(source) => {
            log::start(LOG.parse().expect("these are directives"));
            run(&source)
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// What kind of plugin it is. One that cannot be read, or is of no kind, counts as a balancer: the refusal
/// that follows says what is wrong with it.
fn kind_of(source: &PluginSource, limits: &PluginLimits) -> Kind {
    let of_file = || {
        let library = Library::new(HotEngine::new().ok()?, None);
        let component = library.load(Kind::Balancer, source, limits.file_bytes).ok()?;
        contract::kind(&component)
    };
    let kind = match source {
        PluginSource::BuiltIn(name) => builtin::kind(name),
        PluginSource::File(_) => of_file(),
    };
    kind.unwrap_or(Kind::Balancer)
}

/// A plugin as people name it: a component file, a crate's folder, or a built-in plugin.
fn source_of(plugin: &str) -> Result<PluginSource, String> {
    if plugin.ends_with(".wasm") {
        return Ok(PluginSource::File(plugin.into()));
    }
    let built_in = builtin::component(plugin).is_some();
    if plugin.contains('/') || (!built_in && Path::new(plugin).is_dir()) {
        return component_in(Path::new(plugin)).map(PluginSource::File);
    }
    Ok(PluginSource::BuiltIn(plugin.to_owned()))
}

/// The component in a crate's folder, where `plugin build` puts it.
fn component_in(folder: &Path) -> Result<PathBuf, String> {
    let shown = folder.display();
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{shown}: {error}"))?;
    let is_component = |path: &PathBuf| {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        path.extension().is_some_and(|extension| extension == "wasm") && !hidden
    };
    let mut components =
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_component);
    match (components.next(), components.next()) {
        (Some(component), None) => Ok(component),
        (Some(_), Some(_)) => {
            Err(format!("{shown} has several components; name the one that is meant"))
        }
        (None, _) => {
            Err(format!("{shown} has no component; `proconsul plugin build {shown}` makes it"))
        }
    }
}
