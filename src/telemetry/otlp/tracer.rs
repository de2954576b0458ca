//! What the request path has of tracing: whether it is on, which requests it takes, and where spans go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::queue::Queue;
use super::sampler::Sampler;
use super::span::Span;

/// How requests are traced.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSettings {
    /// The share of traces that begin here which is taken: 0 to 1.
    pub sample: f64,
    /// Plugin calls that take less have no span of their own.
    pub plugin_threshold: Duration,
    /// Members of `baggage` that become attributes.
    pub baggage: Vec<String>,
}

/// Takes requests' spans.
pub struct Tracer {
    pub sampler: Sampler,
    pub plugin_threshold: Duration,
    pub baggage: Vec<String>,
    queue: Queue<Vec<Span>>,
}

impl Tracer {
    pub(super) fn new(settings: TraceSettings, queue: Queue<Vec<Span>>) -> Self {
        let TraceSettings { sample, plugin_threshold, baggage } = settings;
        Self { sampler: Sampler::new(sample), plugin_threshold, baggage, queue }
    }

    /// Takes the spans of a request, unless too many wait: those are counted.
    pub fn take(&self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        self.queue.put(spans, count);
    }
}

/// Whether requests are traced. A request pays one load and one branch while they are not.
#[derive(Default)]
pub struct TraceSwitch {
    is_on: AtomicBool,
    tracer: ArcSwapOption<Tracer>,
}

impl TraceSwitch {
    /// Traces by another tracer from now on, or not at all.
    pub fn set(&self, tracer: Option<Arc<Tracer>>) {
        self.is_on.store(tracer.is_some(), Ordering::Relaxed);
        self.tracer.store(tracer);
    }

    /// The tracer for a request.
    pub fn get(&self) -> Option<Arc<Tracer>> {
        // A request may see one of both without the other, and is not traced then.
        if !self.is_on.load(Ordering::Relaxed) {
            return None;
        }
        self.tracer.load_full()
    }
}
