//! Receiving: a request's header is read once, and what is needed of it later is noted.

use http::Method;
use pingora_core::Result;
use pingora_proxy::Session;

use super::super::admit::admit;
use super::super::affinity;
use super::super::client::Client;
use super::super::context::Inner;
use super::super::glance::Glance;
use super::super::host::{bare_host, host_of};
use super::super::reject::Rejection;
use super::super::route::{Question, Target};
use super::super::spans::Recording;
use super::super::stamp::{Described, Origin, stamp};
use super::super::trace::Names;
use super::{Gateway, placed};

impl Gateway {
    /// Admits a request, names it and finds its route.
    pub(super) fn receive(
        &self,
        session: &mut Session,
        context: &mut Inner,
    ) -> Result<(), Rejection> {
        let listener = self.listener.load();
        let limits = &listener.limits;
        session.set_read_timeout(Some(limits.body_timeout));
        session.set_write_timeout(Some(limits.write_timeout));
        session.set_total_drain_timeout(Some(limits.body_timeout));

        let raw = session.as_http1().map(|http1| http1.get_headers_raw_bytes());
        let peer = session.client_addr().and_then(|address| address.as_inet()).copied();
        let header = session.req_header();
        let seen = Glance::at(&header.headers);
        let tracer = self.shared.tracing.get();
        let names = Names::of(&seen, tracer.as_ref().map(|tracer| tracer.sampler));
        if tracer.is_some() {
            context.recording = Recording::begin(tracer, &names, &header.headers, context.begun);
        }
        context.names = Some(names);
        context.has_hop = seen.has_hop;
        context.wants_websocket = seen.wants_websocket && header.method == Method::GET;
        context.has_claims = seen.has_claims;
        context.has_tracestate = seen.has_tracestate;
        context.host = seen.host.first.cloned();
        let client = Client::find(peer, &header.headers, &listener.trusted_proxies);
        context.client = Some(client);
        let connection = context.connection.clone();
        // The host of a target with an authority is there and not in the header.
        let connection = connection.filter(|_| header.uri.authority().is_none());
        let known = connection.as_ref().and_then(|known| known.known_of(seen.host.first));
        admit(header, &seen, raw.as_deref().unwrap_or_default(), known.is_some(), limits)?;

        let fresh_host;
        let host = match known {
            Some(known) => &*known.bare_host,
            None => {
                fresh_host = bare_host(host_of(header));
                &fresh_host
            }
        };
        let question = Question {
            host,
            path: header.uri.path(),
            method: &header.method,
            headers: &header.headers,
        };
        let table = self.shared.table.load();
        let route = table.find(&question).ok_or(Rejection::NoRoute)?;
        if let Target::Service(service) = &route.target {
            let hash_on = &service.balancer.spec().strategy.hash_on;
            context.key = affinity::key(hash_on, &header.uri, &header.headers, client.ip);
            context.body_limit =
                route.config.max_request_body_bytes.or(service.config.max_request_body_bytes);
            context.upstreams = Some(service.upstreams());
        }
        context.enter(route.clone());
        if let Some((_, service, upstreams)) = placed(context)
            && upstreams.set.is_empty()
        {
            return Err(Rejection::NoEndpoint(service.config.name.clone()));
        }
        match (context.body_limit, seen.body_length()) {
            (Some(limit), Some(length)) if length > limit => Err(Rejection::BodyTooLarge { limit }),
            _ => Ok(()),
        }
    }

    /// Writes upon the request where it came from, for the upstream.
    pub(super) fn stamp(&self, session: &mut Session, context: &mut Inner) -> Result<()> {
        let Inner { connection, client, names, host, has_claims, has_tracestate, .. } = context;
        let (Some(client), Some(names)) = (client, names) else { return Ok(()) };
        let (has_claims, has_tracestate) = (*has_claims, *has_tracestate);
        let header = session.req_header();
        let host = host.take().or_else(|| header.uri.authority()?.as_str().parse().ok());
        let describe = || Described::new(client.peer_ip, host.as_ref(), self.scheme);
        let known = match (connection, &host) {
            (Some(connection), Some(host)) => {
                connection.learn(host, describe);
                connection.known_of(Some(host))
            }
            _ => None,
        };
        let fresh;
        let described = match known {
            Some(known) => &known.described,
            None => {
                fresh = describe();
                &fresh
            }
        };
        let scheme = self.scheme;
        let origin = Origin { client, names, scheme, host, described, has_claims, has_tracestate };
        stamp(session.req_header_mut(), origin)
    }
}
