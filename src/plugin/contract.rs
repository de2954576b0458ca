//! Which components may serve: the world and version that this proxy speaks, checked by name.

use std::fmt;

use super::engine::HotEngine;
use super::library::LoadedComponent;
use super::log_gate::tame;
use super::refusal::Refusal;

/// The balancer contract that this proxy speaks. Components of any `0.1.x` fit.
pub const BALANCER_PACKAGE: &str = "proconsul:balancer";
/// Major and minor version of [`BALANCER_PACKAGE`].
pub const BALANCER_VERSION: (u64, u64) = (0, 1);

/// What every plugin kind may import besides its own package, and the version of it.
const HOST_PACKAGE: &str = "proconsul:host";
const HOST_VERSION: (u64, u64) = (0, 1);

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

    /// Refuses a version of the name's package that this proxy does not speak. `verb` is what the
    /// component does with it.
    fn check_version(&self, verb: &'static str) -> Result<(), Refusal> {
        let spoken = if self.interface.split('/').next() == Some(HOST_PACKAGE) {
            HOST_VERSION
        } else {
            BALANCER_VERSION
        };
        let mut parts = self.version.split('.').map(|part| part.parse().ok());
        if (parts.next().flatten(), parts.next().flatten()) == (Some(spoken.0), Some(spoken.1)) {
            return Ok(());
        }
        Err(Refusal::Version { verb, found: tame(&self.to_string()), spoken: words(spoken) })
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
    check_names(&imports(engine, component), &exports(engine, component))
}

fn check_names(imports: &[Name], exports: &[Name]) -> Result<BalancerExports, Refusal> {
    for import in imports {
        if !IMPORTS.contains(&import.interface.as_str()) {
            return Err(Refusal::ForbiddenImport {
                import: tame(&import.to_string()),
                kind: "balancer",
                allowed: IMPORTS.join(", "),
            });
        }
    }
    let find = |interface: &str| -> Result<Option<String>, Refusal> {
        let wanted = format!("{BALANCER_PACKAGE}/{interface}");
        match exports.iter().find(|name| name.interface == wanted) {
            Some(name) => name.check_version("exports").map(|()| Some(name.to_string())),
            None => Ok(None),
        }
    };
    let Some(strategy) = find("strategy")? else {
        return Err(Refusal::MissingExport {
            wanted: format!("{BALANCER_PACKAGE}/strategy"),
            found: list(exports),
            world: format!("{BALANCER_PACKAGE}/balancer@{}", words(BALANCER_VERSION)),
        });
    };
    for import in imports {
        import.check_version("imports")?;
    }
    Ok(BalancerExports {
        strategy,
        feedback: find("feedback")?,
        handover: find("handover")?,
        wants_request: imports.iter().any(|name| name.interface == "proconsul:balancer/request"),
    })
}

fn words((major, minor): (u64, u64)) -> String {
    format!("{major}.{minor}")
}

fn list(names: &[Name]) -> String {
    match names {
        [] => "nothing".to_owned(),
        names => tame(&names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRATEGY: &str = "proconsul:balancer/strategy@0.1.3";

    fn check(imports: &[&str], exports: &[&str]) -> Result<BalancerExports, String> {
        let names = |full: &[&str]| full.iter().map(|name| Name::parse(name)).collect::<Vec<_>>();
        check_names(&names(imports), &names(exports)).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn each_package_has_its_own_version() {
        let fits =
            check(&["proconsul:host/log@0.1.9", "proconsul:balancer/request@0.1.0"], &[STRATEGY]);
        assert!(fits.unwrap().wants_request);
        for import in ["proconsul:host/log@0.2.0", "proconsul:balancer/loads@0.2.0"] {
            let refused = check(&[import], &[STRATEGY]).unwrap_err();
            let words = format!("imports {import}; this proxy speaks 0.1");
            assert!(refused.starts_with(&words), "{refused}");
        }
        let refused = check(&[], &["proconsul:balancer/strategy@0.2.0"]).unwrap_err();
        assert!(refused.starts_with("exports proconsul:balancer/strategy@0.2.0"), "{refused}");
    }

    #[test]
    fn a_long_list_of_names_is_cut() {
        let long = "x".repeat(100_000);
        assert!(check(&[], &[&long]).unwrap_err().len() < 2000);
        assert!(check(&[&long], &[STRATEGY]).unwrap_err().len() < 2000);
    }
}
