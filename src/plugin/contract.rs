//! Which components may serve: the world and version that this proxy speaks, checked by name.

use std::fmt;

use super::kind::Kind;
use super::library::LoadedComponent;
use super::log_gate::tame;
use super::refusal::Refusal;

/// What every plugin kind may import besides its own package, and the version of it.
const HOST_PACKAGE: &str = "proconsul:host";
const HOST_VERSION: Version = (0, 1);

/// The WASI that health checks and alert channels may use. Components of any `0.2.x` fit.
const WASI_NAMESPACE: &str = "wasi:";
const WASI_VERSION: Version = (0, 2);

/// Major and minor: the last number of a version is free.
type Version = (u64, u64);

/// One kind's contract.
#[derive(Debug, Clone, Copy)]
pub struct Contract {
    /// Its package, such as `proconsul:balancer`.
    pub package: &'static str,
    /// Major and minor version of the package: components of any last number fit.
    pub version: (u64, u64),
    /// The world that has what a component must export, and nothing else.
    pub world: &'static str,
    /// The interface that a component must export.
    export: &'static str,
    imports: &'static [&'static str],
}

const BALANCER: Contract = Contract {
    package: "proconsul:balancer",
    version: (0, 1),
    world: "balancer",
    export: "strategy",
    imports: &[
        "proconsul:host/log",
        "proconsul:host/random",
        "proconsul:host/node",
        "proconsul:balancer/types",
        "proconsul:balancer/loads",
        "proconsul:balancer/request",
    ],
};

/// The second half is what toolchains for the command line bring along, and is empty.
const HEALTH_CHECK: Contract = Contract {
    package: "proconsul:health-check",
    version: (0, 1),
    world: "health-check",
    export: "checker",
    imports: &[
        "proconsul:host/log",
        "proconsul:host/random",
        "proconsul:health-check/types",
        "wasi:io/error",
        "wasi:io/poll",
        "wasi:io/streams",
        "wasi:clocks/monotonic-clock",
        "wasi:clocks/wall-clock",
        "wasi:random/random",
        "wasi:random/insecure",
        "wasi:random/insecure-seed",
        "wasi:http/types",
        "wasi:http/outgoing-handler",
        "wasi:sockets/network",
        "wasi:sockets/instance-network",
        "wasi:sockets/ip-name-lookup",
        "wasi:sockets/tcp",
        "wasi:sockets/tcp-create-socket",
        "wasi:sockets/udp",
        "wasi:sockets/udp-create-socket",
        "wasi:cli/environment",
        "wasi:cli/exit",
        "wasi:cli/stdin",
        "wasi:cli/stdout",
        "wasi:cli/stderr",
        "wasi:cli/terminal-input",
        "wasi:cli/terminal-output",
        "wasi:cli/terminal-stdin",
        "wasi:cli/terminal-stdout",
        "wasi:cli/terminal-stderr",
        "wasi:filesystem/types",
        "wasi:filesystem/preopens",
    ],
};

/// A health check's, and the file that a channel may append to.
const ALERT_CHANNEL: Contract = Contract {
    package: "proconsul:alert-channel",
    version: (0, 1),
    world: "alert-channel",
    export: "channel",
    imports: &[
        "proconsul:host/log",
        "proconsul:host/random",
        "proconsul:alert-channel/types",
        "proconsul:alert-channel/journal",
        "wasi:io/error",
        "wasi:io/poll",
        "wasi:io/streams",
        "wasi:clocks/monotonic-clock",
        "wasi:clocks/wall-clock",
        "wasi:random/random",
        "wasi:random/insecure",
        "wasi:random/insecure-seed",
        "wasi:http/types",
        "wasi:http/outgoing-handler",
        "wasi:sockets/network",
        "wasi:sockets/instance-network",
        "wasi:sockets/ip-name-lookup",
        "wasi:sockets/tcp",
        "wasi:sockets/tcp-create-socket",
        "wasi:sockets/udp",
        "wasi:sockets/udp-create-socket",
        "wasi:cli/environment",
        "wasi:cli/exit",
        "wasi:cli/stdin",
        "wasi:cli/stdout",
        "wasi:cli/stderr",
        "wasi:cli/terminal-input",
        "wasi:cli/terminal-output",
        "wasi:cli/terminal-stdin",
        "wasi:cli/terminal-stdout",
        "wasi:cli/terminal-stderr",
        "wasi:filesystem/types",
        "wasi:filesystem/preopens",
    ],
};

impl Contract {
    /// The contract of a kind.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Balancer => BALANCER,
            Kind::HealthCheck => HEALTH_CHECK,
            Kind::AlertChannel => ALERT_CHANNEL,
        }
    }

    /// The package with the version that is spoken, such as `proconsul:balancer@0.1`.
    pub fn spoken(&self) -> String {
        format!("{}@{}", self.package, words(self.version))
    }
}

/// What a balancer that fits exports, by the full names that it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalancerExports {
    pub strategy: String,
    pub feedback: Option<String>,
    pub handover: Option<String>,
    /// It imports `request`, so each pick must carry the request's facts.
    pub wants_request: bool,
}

/// What a health check that fits exports, by the full name that it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheckExports {
    pub checker: String,
}

/// What an alert channel that fits exports, by the full name that it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertChannelExports {
    pub channel: String,
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

    fn package(&self) -> &str {
        self.interface.split('/').next().unwrap_or_default()
    }

    /// Refuses a version of the name's package that this proxy does not speak. `verb` is what the
    /// component does with it.
    fn check_version(&self, verb: &'static str, own: Version) -> Result<(), Refusal> {
        let spoken = match self.package() {
            HOST_PACKAGE => HOST_VERSION,
            package if package.starts_with(WASI_NAMESPACE) => WASI_VERSION,
            _ => own,
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
pub fn imports(component: &LoadedComponent) -> Vec<Name> {
    let component = component.wasmtime();
    let types = component.component_type();
    types.imports(component.engine()).map(|(name, _)| Name::parse(name)).collect()
}

/// What a component exports, in its own order.
pub fn exports(component: &LoadedComponent) -> Vec<Name> {
    let component = component.wasmtime();
    let types = component.component_type();
    types.exports(component.engine()).map(|(name, _)| Name::parse(name)).collect()
}

/// Which kind of plugin a component is, by what it exports, in whichever version.
pub fn kind(component: &LoadedComponent) -> Option<Kind> {
    kind_of(&exports(component)).map(|(kind, _)| kind)
}

fn kind_of(exports: &[Name]) -> Option<(Kind, &Name)> {
    Kind::ALL.into_iter().find_map(|kind| {
        let found = exports.iter().find(|name| name.package() == Contract::of(kind).package);
        found.map(|name| (kind, name))
    })
}

/// Checks a component against the balancer world.
pub fn check_balancer(component: &LoadedComponent) -> Result<BalancerExports, Refusal> {
    balancer_exports(&imports(component), &exports(component))
}

/// Checks a component against the world of health checks.
pub fn check_health_check(component: &LoadedComponent) -> Result<HealthCheckExports, Refusal> {
    health_check_exports(&imports(component), &exports(component))
}

/// Checks a component against the world of alert channels.
pub fn check_alert_channel(component: &LoadedComponent) -> Result<AlertChannelExports, Refusal> {
    let channel = main_export(Kind::AlertChannel, &imports(component), &exports(component))?;
    Ok(AlertChannelExports { channel })
}

fn balancer_exports(imports: &[Name], exports: &[Name]) -> Result<BalancerExports, Refusal> {
    let strategy = main_export(Kind::Balancer, imports, exports)?;
    Ok(BalancerExports {
        strategy,
        feedback: find(&BALANCER, "feedback", exports)?,
        handover: find(&BALANCER, "handover", exports)?,
        wants_request: imports.iter().any(|name| name.interface == "proconsul:balancer/request"),
    })
}

fn health_check_exports(imports: &[Name], exports: &[Name]) -> Result<HealthCheckExports, Refusal> {
    let checker = main_export(Kind::HealthCheck, imports, exports)?;
    Ok(HealthCheckExports { checker })
}

/// The export without which a component is not of its kind, once its imports are known to be offered.
fn main_export(kind: Kind, imports: &[Name], exports: &[Name]) -> Result<String, Refusal> {
    let contract = Contract::of(kind);
    match kind_of(exports) {
        Some((of, export)) if of != kind => {
            let export = tame(&export.to_string());
            return Err(Refusal::OtherKind { of, export, wanted: kind });
        }
        _ => {}
    }
    for import in imports {
        if !contract.imports.contains(&import.interface.as_str()) {
            return Err(Refusal::ForbiddenImport {
                import: tame(&import.to_string()),
                kind,
                allowed: contract.imports.join(", "),
            });
        }
    }
    let Some(export) = find(&contract, contract.export, exports)? else {
        return Err(Refusal::MissingExport {
            wanted: format!("{}/{}", contract.package, contract.export),
            found: list(exports),
            world: format!("{}/{}@{}", contract.package, contract.world, words(contract.version)),
        });
    };
    for import in imports {
        import.check_version("imports", contract.version)?;
    }
    Ok(export)
}

/// The full name of one of a contract's exports, if it is there and of a version that is spoken.
fn find(contract: &Contract, interface: &str, exports: &[Name]) -> Result<Option<String>, Refusal> {
    let wanted = format!("{}/{interface}", contract.package);
    match exports.iter().find(|name| name.interface == wanted) {
        Some(name) => {
            name.check_version("exports", contract.version).map(|()| Some(name.to_string()))
        }
        None => Ok(None),
    }
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

    const CHECKER: &str = "proconsul:health-check/checker@0.1.0";
    const STRATEGY: &str = "proconsul:balancer/strategy@0.1.3";

    fn check(imports: &[&str], exports: &[&str]) -> Result<BalancerExports, String> {
        let names = |full: &[&str]| full.iter().map(|name| Name::parse(name)).collect::<Vec<_>>();
        balancer_exports(&names(imports), &names(exports)).map_err(|refusal| refusal.to_string())
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

    fn check_health(imports: &[&str], exports: &[&str]) -> Result<HealthCheckExports, String> {
        let names = |full: &[&str]| full.iter().map(|name| Name::parse(name)).collect::<Vec<_>>();
        health_check_exports(&names(imports), &names(exports))
            .map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_health_check_may_use_wasi_of_any_0_2() {
        let imports = ["wasi:http/types@0.2.0", "wasi:sockets/tcp@0.2.12", "wasi:cli/exit@0.2.3"];
        assert!(check_health(&imports, &[CHECKER]).is_ok());
        let refused = check_health(&["wasi:http/types@0.3.0"], &[CHECKER]).unwrap_err();
        assert!(
            refused.starts_with("imports wasi:http/types@0.3.0; this proxy speaks 0.2"),
            "{refused}"
        );
        let refused = check_health(&["wasi:nn/graph@0.2.0"], &[CHECKER]).unwrap_err();
        assert!(refused.starts_with("imports wasi:nn/graph@0.2.0, which a health check has not"));
        let refused = check(&["wasi:http/types@0.2.0"], &[STRATEGY]).unwrap_err();
        assert!(refused.contains("which a balancer has not"), "{refused}");
    }

    #[test]
    fn one_kind_is_not_taken_for_another() {
        let refused = check_health(&[], &[STRATEGY]).unwrap_err();
        assert_eq!(
            refused,
            "is a balancer: it exports proconsul:balancer/strategy@0.1.3. \
             It belongs to [strategies]; here a health check is wanted"
        );
        let refused = check(&["wasi:http/types@0.2.0"], &[CHECKER]).unwrap_err();
        assert!(refused.starts_with("is a health check: it exports "), "{refused}");
        let refused = check_health(&[], &["proconsul:health-check/checker@0.2.0"]).unwrap_err();
        assert!(
            refused.starts_with("exports proconsul:health-check/checker@0.2.0; this proxy speaks"),
            "{refused}"
        );
        let refused = check_health(&[], &[]).unwrap_err();
        assert!(
            refused.contains("Build it for the world proconsul:health-check/health-check@0.1"),
            "{refused}"
        );
    }

    #[test]
    fn a_long_list_of_names_is_cut() {
        let long = "x".repeat(100_000);
        assert!(check(&[], &[&long]).unwrap_err().len() < 2000);
        assert!(check(&[&long], &[STRATEGY]).unwrap_err().len() < 2000);
    }
}
