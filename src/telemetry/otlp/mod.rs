//! Telemetry for an OpenTelemetry collector: traces, metrics and logs over OTLP.
//!
//! Requests and loggers put what they have into bounded [queues](queue); one thread, with a runtime of its own,
//! makes batches of it and delivers them ([`batch`], [`client`]). A collector that is away, slow or hostile costs what
//! the queues hold and nothing else: further items are dropped and counted. Delivery is tried again for as long as it
//! takes; when exporting ends, what is left has [`FLUSH_WITHIN`].
//!
//! Knows nothing of requests: the proxy says what its spans are, after the semantic conventions.

mod attribute;
mod batch;
mod client;
mod deliver;
mod envelope;
pub mod logs;
mod metrics;
mod queue;
mod sampler;
mod span;
mod tracer;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, join_all};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

use batch::Batcher;
use client::Client;
pub use client::{ClientError, Protocol, Target};
use deliver::Delivery;
use envelope::Envelope;
use logs::LogSink;
pub use metrics::begin_to_count;
use queue::Queue;
pub use sampler::Sampler;
pub use span::{Clock, Kind, Span, SpanId, Trace};
pub use tracer::{TraceSettings, TraceSwitch, Tracer};

use crate::telemetry::Metrics;

/// What waits when exporting ends has so long to be delivered.
pub const FLUSH_WITHIN: Duration = Duration::from_secs(5);

/// What is exported, and where to.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub target: Target,
    /// Traces and log records that may wait, each.
    pub queue: usize,
    pub service_name: String,
    /// Further facts of this process.
    pub resource: Vec<(String, String)>,
    pub traces: Option<TraceSettings>,
    /// How often the metrics are told.
    pub metrics: Option<Duration>,
    /// Of events that pass the log's own filter, those of this level are exported.
    pub logs: Option<LevelFilter>,
}

/// Why exporting cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot start its thread: {0}")]
    Thread(io::Error),
}

/// What one signal is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    /// The metric label.
    fn as_str(self) -> &'static str {
        match self {
            Signal::Traces => "traces",
            Signal::Metrics => "metrics",
            Signal::Logs => "logs",
        }
    }

    /// The gRPC method.
    fn method(self) -> &'static str {
        match self {
            Signal::Traces => "opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Signal::Metrics => "opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Signal::Logs => "opentelemetry.proto.collector.logs.v1.LogsService/Export",
        }
    }
}

/// A running export. It ends when this is dropped, which does not wait for that.
pub struct Otlp {
    tracer: Option<Arc<Tracer>>,
    logs: Option<Arc<LogSink>>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Otlp {
    /// Starts to export. Nothing is connected yet: a collector that is away is no mistake.
    pub fn start(settings: Settings, metrics: &Metrics) -> Result<Self, StartError> {
        let Settings { target, queue, service_name, resource, traces, metrics: every, logs } =
            settings;
        let client = Client::new(&target)?;
        let envelope = Envelope::new(&service_name, &resource);
        let stop = CancellationToken::new();
        let delivery = |signal: Signal| {
            Delivery::new(signal, client.clone(), metrics.export(signal.as_str()), stop.clone())
        };
        let mut work: Vec<BoxFuture<'static, ()>> = Vec::new();
        let tracer = traces.map(|traces| {
            let (sender, waiting) = Queue::new(queue, metrics.export(Signal::Traces.as_str()));
            let envelope = envelope.clone();
            let encode = move |batch| envelope.traces(batch);
            work.push(Batcher::new(waiting, delivery(Signal::Traces), encode).run().boxed());
            Arc::new(Tracer::new(traces, sender))
        });
        if let Some(every) = every {
            let (envelope, delivery) = (envelope.clone(), delivery(Signal::Metrics));
            work.push(metrics::run(metrics.clone(), every, envelope, delivery).boxed());
        }
        let logs = logs.map(|level| {
            let (sender, waiting) = Queue::new(queue, metrics.export(Signal::Logs.as_str()));
            let envelope = envelope.clone();
            let encode = move |batch| envelope.logs(batch);
            work.push(Batcher::new(waiting, delivery(Signal::Logs), encode).run().boxed());
            Arc::new(LogSink::new(sender, level))
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StartError::Thread)?;
        let stopped = stop.clone();
        let run = move || {
            logs::mute_this_thread();
            let over = async {
                stopped.cancelled().await;
                tokio::time::sleep(FLUSH_WITHIN).await;
            };
            runtime.block_on(async {
                tokio::select! {
                    _ = join_all(work) => {}
                    () = over => {}
                }
            });
            runtime.shutdown_background(); // a name may still be looked up
        };
        let thread = std::thread::Builder::new().name("otlp".into()).spawn(run);
        Ok(Self { tracer, logs, stop, thread: Some(thread.map_err(StartError::Thread)?) })
    }

    /// Finds out whether [`Otlp::start`] would.
    pub fn try_out(settings: &Settings) -> Result<(), StartError> {
        Client::new(&settings.target)?;
        Ok(())
    }

    /// Takes requests' spans, where they are exported.
    pub fn tracer(&self) -> Option<Arc<Tracer>> {
        self.tracer.clone()
    }

    /// Takes log records, where they are exported.
    pub fn logs(&self) -> Option<Arc<LogSink>> {
        self.logs.clone()
    }

    /// Ends, and waits until what is there was delivered, or [`FLUSH_WITHIN`] is over.
    pub fn flush(mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its panic was reported when it happened
        }
    }
}

impl Drop for Otlp {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
