//! Which components may serve: the world and version that this proxy speaks, checked by name.

use std::fmt;

use super::engine::HotEngine;
use super::library::LoadedComponent;
use super::refusal::Refusal;

/// The balancer contract that this proxy speaks. Components of any `0.1.x` fit.
pub const BALANCER_PACKAGE: &str = "proconsul:balancer";
/// Major and minor version of [`BALANCER_PACKAGE`].
pub const BALANCER_VERSION: (u64, u64) = (0, 1);

const IMPORTS: [&str; 6] = [
    "proconsul:host/log",
    "proconsul:host/random",
    "proconsul:host/node",
    "proconsul:balancer/types",
    "proconsul:balancer/loads",
    "proconsul:balancer/request",
];

/// What a component that fits exports, by the full names that it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalancerExports {
    pub strategy: String,
    pub feedback: Option<String>,
    pub handover: Option<String>,
    /// It imports `request`, so each pick must carry the request's facts.
    pub wants_request: bool,
}

/// One import or export of a component, as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// `proconsul:balancer/strategy`
    pub interface: String,
    /// `0.1.0`; empty where a name has none.
    pub version: String,
}

impl Name {
    fn parse(full: &str) -> Self {
        let (interface, version) = full.split_once('@').unwrap_or((full, ""));
        Self { interface: interface.to_owned(), version: version.to_owned() }
    }

    fn is_spoken(&self) -> bool {
        let mut parts = self.version.split('.').map(|part| part.parse().ok());
        (parts.next().flatten(), parts.next().flatten())
            == (Some(BALANCER_VERSION.0), Some(BALANCER_VERSION.1))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version.as_str() {
            "" => f.write_str(&self.interface),
            version => write!(f, "{}@{version}", self.interface),
        }
    }
}

/// What a component imports, in its own order.
pub fn imports(engine: &HotEngine, component: &LoadedComponent) -> Vec<Name> {
    let types = component.wasmtime().component_type();
    types.imports(engine.wasmtime()).map(|(name, _)| Name::parse(name)).collect()
}

/// What a component exports, in its own order.
pub fn exports(engine: &HotEngine, component: &LoadedComponent) -> Vec<Name> {
    let types = component.wasmtime().component_type();
    types.exports(engine.wasmtime()).map(|(name, _)| Name::parse(name)).collect()
}

/// Checks a component against the balancer world.
pub fn check_balancer(
    engine: &HotEngine,
    component: &LoadedComponent,
) -> Result<BalancerExports, Refusal> {
    let imports = imports(engine, component);
    for import in &imports {
        if !IMPORTS.contains(&import.interface.as_str()) {
            return Err(Refusal::ForbiddenImport {
                import: import.to_string(),
                kind: "balancer",
                allowed: IMPORTS.join(", "),
            });
        }
    }
    let exports = exports(engine, component);
    let find = |interface: &str| -> Result<Option<String>, Refusal> {
        let wanted = format!("{BALANCER_PACKAGE}/{interface}");
        match exports.iter().find(|name| name.interface == wanted) {
            Some(name) if name.is_spoken() => Ok(Some(name.to_string())),
            Some(name) => Err(Refusal::Version { found: name.to_string(), spoken: spoken() }),
            None => Ok(None),
        }
    };
    let Some(strategy) = find("strategy")? else {
        return Err(Refusal::MissingExport {
            wanted: format!("{BALANCER_PACKAGE}/strategy"),
            found: list(&exports),
            world: format!("{BALANCER_PACKAGE}/balancer@{}", spoken()),
        });
    };
    if let Some(import) = imports.iter().find(|name| !name.is_spoken()) {
        return Err(Refusal::Version { found: import.to_string(), spoken: spoken() });
    }
    Ok(BalancerExports {
        strategy,
        feedback: find("feedback")?,
        handover: find("handover")?,
        wants_request: imports.iter().any(|name| name.interface == "proconsul:balancer/request"),
    })
}

fn spoken() -> String {
    let (major, minor) = BALANCER_VERSION;
    format!("{major}.{minor}")
}

fn list(names: &[Name]) -> String {
    match names {
        [] => "nothing".to_owned(),
        names => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}
