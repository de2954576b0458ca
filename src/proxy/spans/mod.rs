//! A request's spans, where its trace is taken: one for the request, one for each pick, one for each try, and for
//! plugin calls that take long. Names and keys are those of OpenTelemetry's semantic conventions for HTTP; what they
//! have no word for begins with `proconsul.`.
//!
//! Everything is gathered in the request's own context, and handed over when it has ended. Of a request that is not
//! taken there is no [`Recording`], and nothing is paid but for looking whether there is one.

mod baggage;
mod blame;
mod server;
mod stopwatch;

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Method};

use super::service::{Service, Upstreams};
use super::trace::{Names, TRACESTATE, header_of};
use crate::balance::{Choice, Member};
use crate::telemetry::otlp::{Clock, Kind, Span, SpanId, Trace, Tracer};

pub(super) use blame::word as blame;
pub(super) use stopwatch::Stopwatch;

/// More of a `tracestate` is passed on and not recorded: W3C has others pass on so much at least.
const MAX_STATE_BYTES: usize = 512;

/// The spans of one request.
pub(super) struct Recording {
    tracer: Arc<Tracer>,
    trace: Trace,
    /// The caller's span.
    parent: Option<SpanId>,
    own: SpanId,
    begun: Instant,
    baggage: Vec<(String, String)>,
    /// Those that have ended.
    spans: Vec<Span>,
    /// The try that is under way.
    current: Option<(SpanId, Span)>,
    tries: i64,
}

impl Recording {
    /// Begins to record, if this request's trace is taken.
    pub(super) fn begin(
        tracer: Option<Arc<Tracer>>,
        names: &Names,
        headers: &HeaderMap,
        begun: Instant,
    ) -> Option<Box<Self>> {
        let tracer = tracer.filter(|_| names.is_sampled())?;
        let (id, flags) = (names.trace_number()?, names.flags());
        let said = SpanId::from_hex(names.span_id().as_str())?;
        // A trace that begins here was given the id of its first span.
        let (parent, own) = match names.continues_trace {
            true => (Some(said), SpanId::random()),
            false => (None, said),
        };
        let state = if names.continues_trace { state(headers) } else { String::new() };
        Some(Box::new(Self {
            baggage: baggage::members(headers, &tracer.baggage),
            tracer,
            trace: Trace { id, flags, state, clock: Clock::now() },
            parent,
            own,
            begun,
            spans: Vec::new(),
            current: None,
            tries: 0,
        }))
    }

    /// An endpoint was picked (unless the last one is tried again), and the next try begins.
    #[cold]
    pub(super) fn tries(
        &mut self,
        watch: Option<&Stopwatch>,
        service: &Service,
        upstreams: &Upstreams,
        choice: Option<&Choice>,
    ) {
        let picked = choice.map(|choice| (choice, &upstreams.set.members()[choice.index]));
        if let Some(watch) = watch {
            self.picked(watch, service.balancer.spec().strategy.name.as_str(), picked);
        }
        if let Some((_, member)) = picked {
            self.begin_try(service.config.name.as_str(), member);
        }
    }

    fn picked(&mut self, watch: &Stopwatch, strategy: &str, picked: Option<(&Choice, &Member)>) {
        let id = SpanId::random();
        let name = "pick".to_owned();
        let mut span = self.trace.begin(name, Kind::Internal, id, Some(self.own), watch.begun);
        span.text("proconsul.strategy", strategy);
        match picked {
            Some((choice, member)) => {
                span.text("proconsul.endpoint", member.endpoint.id.as_str());
                let miss = choice.fallback.map_or("", |miss| miss.as_str());
                span.text("proconsul.fallback", miss);
            }
            None => _ = span.failed("no_endpoint"),
        }
        self.spans.push(span.end(&self.trace.clock, Instant::now()));
        if let Some((begun, ended)) = watch.call() {
            self.called("pick", strategy, id, begun, ended);
        }
    }

    /// The strategy was told how the try ended.
    pub(super) fn fed_back(&mut self, strategy: &str, begun: Instant) {
        self.called("observe", strategy, self.own, begun, Instant::now());
    }

    /// A plugin was called. Most calls take too little to be worth a span.
    fn called(
        &mut self,
        export: &str,
        strategy: &str,
        parent: SpanId,
        begun: Instant,
        ended: Instant,
    ) {
        if ended.saturating_duration_since(begun) < self.tracer.plugin_threshold {
            return;
        }
        let (name, id) = (format!("plugin {export}"), SpanId::random());
        let mut span = self.trace.begin(name, Kind::Internal, id, Some(parent), begun);
        span.text("proconsul.strategy", strategy).text("proconsul.plugin.export", export);
        self.spans.push(span.end(&self.trace.clock, ended));
    }

    /// Its span is the one that the upstream continues.
    fn begin_try(&mut self, service: &str, member: &Member) {
        self.end_try(None, Some("superseded"));
        let id = SpanId::random();
        let name = service.to_owned();
        let mut span = self.trace.begin(name, Kind::Client, id, Some(self.own), Instant::now());
        span.text("server.address", &member.endpoint.host)
            .number("server.port", i64::from(member.endpoint.port))
            .text("network.peer.address", &member.address.ip().to_string())
            .number("network.peer.port", i64::from(member.address.port()))
            .text("proconsul.service", service)
            .text("proconsul.endpoint", member.endpoint.id.as_str());
        if self.tries > 0 {
            span.number("http.request.resend_count", self.tries);
        }
        self.tries += 1;
        self.current = Some((id, span));
    }

    /// `traceparent` for the upstream of the try that is under way.
    pub(super) fn traceparent(&self) -> Option<HeaderValue> {
        let (id, _) = self.current.as_ref()?;
        Some(header_of(self.trace.id, id.number(), self.trace.flags))
    }

    /// What the upstream was asked, as it sees it.
    pub(super) fn asked(&mut self, method: &Method, path: &str) {
        if let Some((_, span)) = &mut self.current {
            let method = server::method(method);
            span.text("http.request.method", method).text("url.path", path);
            span.rename(if method == server::OTHER { "HTTP" } else { method });
        }
    }

    /// The try that is under way has ended, if there is one.
    pub(super) fn end_try(&mut self, status: Option<u16>, error: Option<&str>) {
        let Some((_, mut span)) = self.current.take() else { return };
        if let Some(status) = status {
            span.number("http.response.status_code", i64::from(status));
        }
        match (error, status) {
            (Some(error), _) => _ = span.failed(error),
            (None, Some(status @ 400..)) => _ = span.failed(&status.to_string()),
            (None, _) => {}
        }
        self.spans.push(span.end(&self.trace.clock, Instant::now()));
    }
}

/// `tracestate` as one line.
fn state(headers: &HeaderMap) -> String {
    let lines: Vec<&str> =
        headers.get_all(&TRACESTATE).iter().filter_map(|line| line.to_str().ok()).collect();
    let state = lines.join(",");
    if state.len() <= MAX_STATE_BYTES { state } else { String::new() }
}
