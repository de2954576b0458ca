//! Playing a scenario against a component.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use toml::Spanned;

use super::endpoints::Endpoints;
use super::expect::{Homes, Mismatch, Picks, judge};
use super::format::{Pick, Request, Scenario, Simulate, Step, line_of};
use super::simulate::Run;
use crate::balance::{EndpointSet, RequestFacts};
use crate::config::{PluginLimits, PluginSource, Strategy};
use crate::model::{ServiceName, StrategyName};
use crate::plugin::balancer::{BalancerHost, BalancerSpec, Trial, TrialOver};
use crate::plugin::{HotEngine, Library, Node, Refusal, Seeds, SimulatedClock};
use crate::proxy::affinity_key;

/// The most picks of one step; a file that asks for more has a slip in it.
const MAX_PICKS: u64 = 10_000_000;

/// Time at the beginning: long after the clock's zero, which averages take for "long ago".
const BEGIN_MS: u32 = 1_000_000;

/// What became of a scenario.
#[derive(Debug, Default)]
pub struct Report {
    pub seed: u64,
    pub steps: Vec<StepReport>,
    /// Empty = passed.
    pub failures: Vec<Failure>,
}

/// What a step did.
#[derive(Debug)]
pub struct StepReport {
    pub line: usize,
    pub about: String,
    pub picks: usize,
    /// How often each endpoint was picked.
    pub counts: BTreeMap<String, u64>,
}

/// Something that is not as the file says.
#[derive(Debug)]
pub struct Failure {
    pub line: usize,
    /// From 1; none where the file's head is meant.
    pub step: Option<usize>,
    pub about: String,
    pub expected: String,
    pub came: String,
}

/// Why a step, and with it the scenario, cannot go on.
pub struct Stop(Mismatch);

impl Stop {
    fn because(came: impl ToString) -> Self {
        Self(Mismatch { expected: "a step that can be played".into(), came: came.to_string() })
    }
}

impl From<TrialOver> for Stop {
    fn from(over: TrialOver) -> Self {
        Self(Mismatch { expected: "an answer".into(), came: over.to_string() })
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self(Mismatch { expected: "a plugin that goes on".into(), came: refusal.to_string() })
    }
}

/// Plays a file. An error is the component's own, whatever the scenario: it may not serve at all.
pub fn play(
    engine: &HotEngine,
    source: &PluginSource,
    limits: PluginLimits,
    text: &str,
) -> Result<Report, Refusal> {
    let mut report = Report::default();
    let scenario = match Scenario::read(text) {
        Ok(scenario) => scenario,
        Err((line, message)) => {
            report.failed(line, None, "a scenario file", &message);
            return Ok(report);
        }
    };
    report.seed = scenario.seed;
    let head = |report: &mut Report, expected: &str, came: &str| {
        report.failed(1, None, expected, came);
    };
    let endpoints = match Endpoints::new(&scenario.endpoints) {
        Ok(endpoints) if endpoints.set().is_empty() => {
            head(&mut report, "at least one endpoint of weight above 0", "none");
            return Ok(report);
        }
        Ok(endpoints) => endpoints,
        Err(message) => {
            head(&mut report, "endpoints", &message);
            return Ok(report);
        }
    };

    let clock = SimulatedClock::default();
    clock.set_ms(BEGIN_MS);
    let library = Library::new(engine.clone(), None);
    let host = BalancerHost::simulated(library, Seeds::fixed(scenario.seed), clock.clone())
        .map_err(|error| Refusal::Instantiate(error.to_string()))?;
    let spec = spec(&host, source, limits, &scenario)?;
    let trial = match (Trial::new(&host, &spec, &endpoints.set()), &scenario.refused) {
        (Ok(trial), None) => trial,
        (Ok(_), Some(part)) => {
            head(&mut report, &format!("a refusal that says {part:?}"), "the plugin took `config`");
            return Ok(report);
        }
        (Err(refusal @ Refusal::Declined { .. }), Some(part)) => {
            let message = refusal.to_string();
            if !message.contains(part.as_str()) {
                head(&mut report, &format!("a refusal that says {part:?}"), &message);
            }
            return Ok(report);
        }
        (Err(refusal @ (Refusal::Declined { .. } | Refusal::Failed { .. })), _) => {
            head(&mut report, "a plugin that takes `config`", &refusal.to_string());
            return Ok(report);
        }
        (Err(refusal), _) => return Err(refusal),
    };

    let seeds = Seeds::fixed(scenario.seed);
    let set = endpoints.set();
    let mut player = Player { trial, endpoints, set, clock, seeds, homes: None };
    for (number, step) in (1..).zip(&scenario.steps) {
        let line = line_of(text, step.span().start);
        if player.play(line, number, step, &mut report).is_break() {
            break;
        }
    }
    Ok(report)
}

fn spec(
    host: &BalancerHost,
    source: &PluginSource,
    limits: PluginLimits,
    scenario: &Scenario,
) -> Result<BalancerSpec, Refusal> {
    let config_json = serde_json::to_string(&scenario.config)
        .map_err(|error| Refusal::Instantiate(format!("`config` is no JSON: {error}")))?;
    let strategy = Strategy {
        name: StrategyName::new("scenario").expect("a constant that is a name"),
        source: source.clone(),
        config_json,
        hash_on: crate::config::HashOn::None,
        limits,
    };
    let checked = host.load(&strategy)?;
    Ok(BalancerSpec {
        service: ServiceName::new("scenario").expect("a constant that is a name"),
        strategy: Arc::new(strategy),
        checked,
        node: Arc::new(Node {
            zone: scenario.node.zone.clone(),
            region: scenario.node.region.clone(),
        }),
    })
}

impl Report {
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    fn failed(&mut self, line: usize, step: Option<(usize, &str)>, expected: &str, came: &str) {
        self.failures.push(Failure {
            line,
            step: step.map(|(number, _)| number),
            about: step.map_or_else(String::new, |(_, about)| about.to_owned()),
            expected: expected.to_owned(),
            came: came.to_owned(),
        });
    }
}

/// A scenario under way.
struct Player {
    trial: Trial,
    endpoints: Endpoints,
    set: Arc<EndpointSet>,
    clock: SimulatedClock,
    seeds: Seeds,
    /// Where clients were at the last step that had any.
    homes: Option<Homes>,
}

impl Player {
    /// Plays a step and judges it. Breaks where the steps after it would mean nothing.
    fn play(
        &mut self,
        line: usize,
        number: usize,
        step: &Spanned<Step>,
        report: &mut Report,
    ) -> std::ops::ControlFlow<()> {
        let step = step.as_ref();
        let mut picks = Picks::default();
        let stopped = self.act(step, &mut picks).err();
        let mut wrong = match &stopped {
            Some(Stop(mismatch)) => vec![mismatch.clone()],
            None => judge(step, &picks, self.homes.as_ref()),
        };
        // Many endpoints that are off by as much say no more than the first few.
        wrong.truncate(5);
        for Mismatch { expected, came } in &wrong {
            report.failed(line, Some((number, &step.about)), expected, came);
        }
        if !picks.by_client.is_empty() {
            self.homes = Some(picks.homes());
        }
        let counts = picks.counts().into_iter().map(|(id, n)| (id.to_owned(), n)).collect();
        let about = step.about.clone();
        report.steps.push(StepReport { line, about, picks: picks.answers.len(), counts });
        match stopped {
            Some(_) => std::ops::ControlFlow::Break(()),
            None => std::ops::ControlFlow::Continue(()),
        }
    }

    fn act(&mut self, step: &Step, picks: &mut Picks) -> Result<(), Stop> {
        self.check(step)?;
        if let Some(time) = step.advance {
            self.clock.set_ms(self.clock.now_ms().wrapping_add(time.0.as_millis() as u32));
        }
        if self.endpoints.change(step, self.clock.now_ms()).map_err(Stop::because)? {
            self.set = self.endpoints.set();
            self.trial.set_endpoints(self.set.clone())?;
        }
        let members = self.set.members().iter();
        picks.ids = members.map(|member| member.endpoint.id.to_string()).collect();
        if let Some(pick) = &step.pick {
            self.pick(pick, picks)?;
        }
        if let Some(traffic) = &step.simulate {
            self.simulate(traffic, picks)?;
        }
        Ok(())
    }

    /// What a file can say and cannot mean.
    fn check(&self, step: &Step) -> Result<(), Stop> {
        let asks = step.pick.is_some() || step.simulate.is_some();
        let clients = step.pick.as_ref().is_some_and(|p| p.clients.is_some() || p.key.is_some())
            || step.simulate.as_ref().is_some_and(|s| s.clients.is_some());
        let judged = step.expect.is_some() || step.distinct || step.max_share.is_some();
        let of_clients = step.sticky || step.moved_at_most.is_some();
        if (judged || of_clients) && !asks {
            return Err(Stop::because("it expects something of picks and has no `pick`"));
        }
        if of_clients && !clients {
            return Err(Stop::because(
                "`sticky` and `moved_at_most` are about `clients` or a `key`",
            ));
        }
        if step.moved_at_most.is_some() && self.homes.is_none() {
            return Err(Stop::because("`moved_at_most` compares with an earlier step's clients"));
        }
        if step.max_active.is_some() && step.simulate.is_none() {
            return Err(Stop::because("`max_active` is about a `simulate`"));
        }
        Ok(())
    }

    fn pick(&mut self, pick: &Pick, picks: &mut Picks) -> Result<(), Stop> {
        let Pick { times, key, clients, attempt, tries, hold, request } = pick;
        bounded([*times, clients.unwrap_or(1), *tries])?;
        let request = facts(request).map_err(Stop::because)?;
        picks.tries = *tries;
        for _ in 0..*times {
            for client in 0..clients.unwrap_or(1) {
                let key = match (key, clients) {
                    (Some(key), _) => affinity_key(key.as_bytes()),
                    (None, Some(_)) => client_key(client),
                    (None, None) => 0,
                };
                for attempt in *attempt..attempt.saturating_add(*tries) {
                    let answer = self.trial.pick(key, attempt, &request)?;
                    in_range(answer, &self.set, picks)?;
                    picks.answers.push(answer);
                    if key != 0 {
                        picks.by_client.push((client, answer));
                    }
                    if let (Some(index), true) = (answer, hold) {
                        self.set.members()[index as usize].state.enter();
                    }
                }
            }
        }
        Ok(())
    }

    fn simulate(&mut self, traffic: &Simulate, picks: &mut Picks) -> Result<(), Stop> {
        bounded([traffic.requests, 1, 1])?;
        if !(traffic.rate > 0.0 && traffic.rate.is_finite()) {
            return Err(Stop::because("`rate` must be above 0"));
        }
        if traffic.clients == Some(0) {
            return Err(Stop::because("`clients` must be 1 or more"));
        }
        for id in &traffic.failing {
            self.endpoints.check(id).map_err(Stop::because)?;
        }
        if let super::format::Service::Each(times) = &traffic.service {
            for id in times.keys() {
                self.endpoints.check(id).map_err(Stop::because)?;
            }
        }
        let Self { trial, set, clock, seeds, .. } = self;
        Run { trial, set, clock, seeds }.run(traffic, picks)
    }
}

/// The affinity key of a client by its number.
pub fn client_key(client: u32) -> u64 {
    affinity_key(format!("client-{client}").as_bytes())
}

/// An index that means nothing is wrong in every scenario.
pub fn in_range(answer: Option<u32>, set: &EndpointSet, picks: &Picks) -> Result<(), Stop> {
    let count = set.members().len();
    match answer {
        Some(index) if index as usize >= count => Err(Stop(Mismatch {
            expected: format!("an index below {count}"),
            came: format!("{index} at pick {}", picks.answers.len() + 1),
        })),
        _ => Ok(()),
    }
}

fn bounded(counts: [u32; 3]) -> Result<(), Stop> {
    let picks = counts.iter().map(|&count| u128::from(count)).product::<u128>();
    if picks > u128::from(MAX_PICKS) {
        return Err(Stop::because(format!("it asks for {picks} picks; the most is {MAX_PICKS}")));
    }
    Ok(())
}

fn facts(request: &Request) -> Result<RequestFacts, String> {
    let Request { method, path, host, headers, client_ip } = request;
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().map_err(|_| format!("`{name}` is no header name"))?;
        let value: HeaderValue =
            value.parse().map_err(|_| format!("{value:?} is no header value"))?;
        map.insert(name, value);
    }
    Ok(RequestFacts {
        method: method.parse::<Method>().map_err(|_| format!("`{method}` is no method"))?,
        path: path.clone(),
        host: host.to_ascii_lowercase(),
        headers: map,
        client_ip: *client_ip,
    })
}
