//! How far the process is in its life, for whoever has to know.

/// A process goes through these in order; not every one hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nothing is served yet.
    Starting,
    /// Requests are served.
    Serving,
    /// A new process has the listeners too: it speaks for both from here on.
    HandingOver,
    /// No new connections; requests in flight finish.
    Draining,
}
