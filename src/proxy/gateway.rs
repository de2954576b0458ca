//! The phases of a request, in their order. Each gathers facts, asks, and acts.

mod receive;

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use async_trait::async_trait;
use bytes::Bytes;
use pingora_core::ErrorType::{self, HTTPStatus};
use pingora_core::modules::http::HttpModules;
use pingora_core::protocols::Digest;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorSource, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};

use super::connection::header_arrived;
use super::context::{Context, Inner};
use super::edit;
use super::forward;
use super::hook::{at_once, failed, hook};
use super::observe::observe;
use super::peer::tailor;
use super::pick::facts;
use super::redirect::redirect;
use super::reject::{Rejection, explain, respond};
use super::route::{Route, RouteTable, Target};
use super::service::{Service, Upstreams};
use super::spans::{Stopwatch, blame};
use super::trace::TRACEPARENT;
use crate::balance::Choice;
use crate::config::Listener;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::metrics::RouteMetrics;
use crate::telemetry::otlp::TraceSwitch;

/// A WebSocket is closed when neither side says anything for this long.
const WEBSOCKET_IDLE: Duration = Duration::from_secs(3600);

/// What all listeners share. A reload replaces the table.
pub struct Shared {
    pub table: ArcSwap<RouteTable>,
    /// Requests that no route matched.
    pub unrouted: Arc<RouteMetrics>,
    /// A reload may replace it too.
    pub access_log: ArcSwapOption<AccessLog>,
    /// And how requests are traced.
    pub tracing: TraceSwitch,
}

/// The proxy behind one listener.
pub struct Gateway {
    shared: Arc<Shared>,
    listener: Arc<ArcSwap<Listener>>,
    scheme: &'static str,
}

impl Gateway {
    /// A gateway whose `listener` may get other limits later.
    pub fn new(shared: Arc<Shared>, listener: Arc<ArcSwap<Listener>>) -> Self {
        let scheme = if listener.load().tls.is_some() { "https" } else { "http" };
        Self { shared, listener, scheme }
    }

    /// Answers what is not served.
    async fn refuse(
        &self,
        session: &mut Session,
        context: &mut Inner,
        rejection: Rejection,
    ) -> Result<bool> {
        if context.route.is_none() {
            context.enter_unrouted(self.shared.unrouted.clone());
        }
        let names = context.names.as_ref().expect("a received request is named first");
        context.rejection = Some(rejection.clone());
        respond(session, &rejection, &names.request_id).await?;
        Ok(true)
    }

    /// Answers what is to be asked for elsewhere.
    async fn redirect(&self, session: &mut Session, context: &Inner) -> Result<bool> {
        let Some(route) = &context.route else { return Ok(false) };
        let Target::Redirect(rule) = &route.target else { return Ok(false) };
        redirect(session, rule, self.scheme, &route.config.headers.response).await?;
        Ok(true)
    }
}

/// A response's header came.
fn answered(response: &mut ResponseHeader, context: &mut Inner) -> Result<()> {
    edit::strip_hop(response);
    let Inner { route, upstreams, placement, recording, .. } = context;
    if let (Some(route), Some(upstreams)) = (route, upstreams)
        && let Target::Service(service) = &route.target
    {
        let begun = recording.as_ref().filter(|_| service.balancer.wants_feedback());
        let begun = begun.map(|_| Instant::now());
        placement.answered(service, upstreams, response.status.as_u16());
        if let (Some(recording), Some(begun)) = (recording, begun) {
            recording.fed_back(service.balancer.spec().strategy.name.as_str(), begun);
        }
        if let Some(notice) = placement.index().and_then(|index| upstreams.notice(index)) {
            notice.add_to(response)?;
        }
        edit::response(&service.config.headers.response, response)?;
        edit::response(&route.config.headers.response, response)?;
    }
    Ok(())
}

/// A request's route, service and endpoints; it has them once it was received.
fn placed(context: &Inner) -> Option<(&Arc<Route>, &Arc<Service>, &Arc<Upstreams>)> {
    let route = context.route.as_ref()?;
    match &route.target {
        Target::Service(service) => Some((route, service, context.upstreams.as_ref()?)),
        Target::Redirect(_) => None,
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Inner::new(header_arrived())
    }

    /// No modules: pingora's default adds compression to every request.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    // Phase 1: the header is here.
    hook! {
        fn request_filter<'s, 'a, 'c>(
            &'s self,
            session: &'a mut Session,
            context: &'c mut Context,
        ) -> Result<bool> {
            if let Err(rejection) = self.receive(session, context) {
                return Box::pin(self.refuse(session, context, rejection));
            }
            if let Some(Target::Redirect(_)) = context.route.as_ref().map(|route| &route.target) {
                return Box::pin(self.redirect(session, context));
            }
            if context.wants_websocket {
                session.set_read_timeout(Some(WEBSOCKET_IDLE));
            }
            match self.stamp(session, context) {
                Ok(()) => at_once!(Ok(false)),
                Err(error) => failed(error),
            }
        }
    }

    // Nothing, as are the three others below; pingora's own nothing is an allocation each.
    hook! {
        fn early_request_filter<'s, 'a, 'c>(
            &'s self,
            _session: &'a mut Session,
            _context: &'c mut Context,
        ) -> Result<()> {
            at_once!(Ok(()))
        }
    }

    hook! {
        fn proxy_upstream_filter<'s, 'a, 'c>(
            &'s self,
            _session: &'a mut Session,
            _context: &'c mut Context,
        ) -> Result<bool> {
            at_once!(Ok(true))
        }
    }

    hook! {
        fn connected_to_upstream<'s, 'a, 'p, 'd, 'c>(
            &'s self,
            _session: &'a mut Session,
            _reused: bool,
            _peer: &'p HttpPeer,
            _fd: RawFd,
            _digest: Option<&'d Digest>,
            _context: &'c mut Context,
        ) -> Result<()> {
            at_once!(Ok(()))
        }
    }

    hook! {
        fn upstream_response_filter<'s, 'a, 'r, 'c>(
            &'s self,
            _session: &'a mut Session,
            _response: &'r mut ResponseHeader,
            _context: &'c mut Context,
        ) -> Result<()> {
            at_once!(Ok(()))
        }
    }

    // Phase 2: an endpoint for this try.
    async fn upstream_peer(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<Box<HttpPeer>> {
        let (client, begun) = (context.client, context.begun);
        let Inner {
            route,
            upstreams,
            placement,
            key,
            has_hop,
            wants_websocket,
            rejection,
            recording,
            ..
        } = &mut **context;
        let (Some(route), Some(upstreams)) = (route, upstreams) else {
            return Error::e_explain(ErrorType::InternalError, "a request without a route");
        };
        let Target::Service(service) = &route.target else {
            return Error::e_explain(ErrorType::InternalError, "a redirect has no upstream");
        };
        let header = session.req_header();
        let watch =
            recording.as_ref().filter(|_| !placement.is_again()).map(|_| Stopwatch::start());
        let facts = || facts(header, client);
        let choice = placement.pick(service, upstreams, *key, begun, &facts, watch.as_ref());
        if let Some(recording) = recording {
            recording.tries(watch.as_ref(), service, upstreams, choice.as_ref().ok());
        }
        match choice {
            Ok(Choice { index, .. }) => {
                let mut peer = Box::new(upstreams.peer(index).clone());
                if *wants_websocket {
                    peer.options.read_timeout = Some(WEBSOCKET_IDLE);
                }
                tailor(&mut peer.options, &route.config.timeouts, *has_hop);
                Ok(peer)
            }
            Err(why) => {
                let status = why.status().as_u16();
                *rejection = Some(why);
                Error::e_explain(HTTPStatus(status), "no endpoint to send the request to")
            }
        }
    }

    // Phase 2b: it could not be reached; nothing was sent, so another one may be.
    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        context: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        context.placement.connect_failures += 1;
        if let Some(recording) = &mut context.recording {
            recording.end_try(None, Some(blame(&error)));
        }
        let Inner { route, upstreams, placement, .. } = &mut **context;
        if let (Some(route), Some(upstreams)) = (route, upstreams)
            && let Target::Service(service) = &route.target
        {
            route.metrics.connect_failures.inc();
            let refused = *error.etype() == ErrorType::ConnectRefused;
            placement.unreachable(service, upstreams, refused);
            let tries = service.config.connect_tries as usize;
            error.set_retry(placement.tries() < tries.min(upstreams.set.members().len()));
        }
        error
    }

    // Phase 3: the request as the upstream sees it.
    hook! {
        fn upstream_request_filter<'s, 'a, 'r, 'c>(
            &'s self,
            _session: &'a mut Session,
            request: &'r mut RequestHeader,
            context: &'c mut Context,
        ) -> Result<()> {
            let Some((route, service, _)) = placed(context) else { return at_once!(Ok(())) };
            // Before the configured edits, which may replace it.
            if let Some(traceparent) = context.recording.as_ref().and_then(|r| r.traceparent())
                && let Err(error) = request.insert_header(TRACEPARENT, traceparent)
            {
                return failed(error);
            }
            if let Err(error) = forward::prepare(request, route, &service.config) {
                return failed(error);
            }
            if let Some(recording) = &mut context.recording {
                recording.asked(&request.method, request.uri.path());
            }
            at_once!(Ok(()))
        }
    }

    // Phase 4: the request's body, piece by piece.
    hook! {
        fn request_body_filter<'s, 'a, 'b, 'c>(
            &'s self,
            _session: &'a mut Session,
            body: &'b mut Option<Bytes>,
            _end: bool,
            context: &'c mut Context,
        ) -> Result<()> {
            let Some(piece) = body else { return at_once!(Ok(())) };
            context.body_bytes += piece.len() as u64;
            match context.body_limit {
                Some(limit) if context.body_bytes > limit => {
                    context.rejection = Some(Rejection::BodyTooLarge { limit });
                    failed(Error::explain(HTTPStatus(413), "the body is larger than it may be"))
                }
                _ => at_once!(Ok(())),
            }
        }
    }

    // Phase 5: the response's header.
    hook! {
        fn response_filter<'s, 'a, 'r, 'c>(
            &'s self,
            _session: &'a mut Session,
            response: &'r mut ResponseHeader,
            context: &'c mut Context,
        ) -> Result<()> {
            match answered(response, context) {
                Ok(()) => at_once!(Ok(())),
                Err(error) => failed(error),
            }
        }
    }

    // Phase 5b: it failed on the way. Pingora's own guard stays: only what is idempotent, and whose
    // body is still here, is sent again over a fresh connection when a pooled one was stale.
    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        context: &mut Context,
        reused: bool,
    ) -> Box<Error> {
        let mut error = error.more_context(format!("peer {peer}"));
        if !session.req_header().method.is_idempotent() || session.as_ref().retry_buffer_truncated()
        {
            error.set_retry(false);
        } else {
            error.retry.decide_reuse(reused);
        }
        if let Some(recording) = &mut context.recording {
            let status = session.response_written().map(|response| response.status.as_u16());
            recording.end_try(status, Some(blame(&error)));
        }
        let Inner { route, upstreams, placement, .. } = &mut **context;
        if error.retry() {
            placement.again();
        } else if *error.esource() == ErrorSource::Upstream
            && let (Some(route), Some(upstreams)) = (route, upstreams)
            && let Target::Service(service) = &route.target
        {
            let late = matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout);
            placement.broke_off(service, upstreams, late);
        }
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        context: &mut Context,
    ) -> FailToProxy {
        let rejection = explain(error, context);
        context.rejection.clone_from(&rejection);
        let code = rejection.as_ref().map_or(0, |rejection| rejection.status().as_u16());
        let unanswered = session.response_written().is_none();
        if let (Some(rejection), true, Some(names)) = (&rejection, unanswered, &context.names) {
            let id = names.request_id.clone();
            session.set_keepalive(None); // pingora closes after a failure: say so
            if let Err(error) = respond(session, rejection, &id).await {
                tracing::debug!(%error, "client left before it was told");
            }
        }
        FailToProxy { error_code: code, can_reuse_downstream: false }
    }

    // Phase 6: it has ended, one way or the other.
    hook! {
        fn logging<'s, 'a, 'e, 'c>(
            &'s self,
            session: &'a mut Session,
            error: Option<&'e Error>,
            context: &'c mut Context,
        ) -> () {
            if let Some(error) = error {
                let rejection = context.rejection.as_ref().map_or("", Rejection::code);
                tracing::debug!(%error, rejection, "request failed");
            }
            observe(&self.shared, session, context);
            if let Some(recording) = context.recording.take() {
                recording.end(session, context, self.scheme);
            }
            context.placement.leave();
            at_once!(())
        }
    }

    /// Failures are counted and in the access log; a line each would let clients fill the disk.
    fn suppress_error_log(&self, _: &Session, _: &Context, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Context,
        _: &Error,
        _: pingora_proxy::ProxyWarnLogContext,
    ) -> bool {
        true
    }
}
