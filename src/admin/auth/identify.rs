//! The way from a request to a [`Caller`](super::Caller): before every handler of `/v1`.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::state::Denied;
use crate::admin::problem::Problem;
use crate::admin::v1::Api;
use crate::config::Role;

/// Answers whoever is not known, and hands the others on with their name.
pub async fn identify(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let from = address.map(|ConnectInfo(address)| address.ip());
    let auth = api.auth.load();
    let shown = bearer(request.headers());
    let known = match shown {
        Ok(Some(token)) => auth.who(token, from),
        Ok(None) => match is_of_a_page(&request) {
            true => Err(Denied::Nothing),
            false => auth.anonymous(from),
        },
        Err(denied) => Err(denied),
    };
    let caller = match known {
        Ok(caller) => caller,
        Err(denied) => return refusal(denied).into_response(),
    };
    // Whatever a handler asks for itself: nobody who may only look changes anything.
    if !matches!(*request.method(), Method::GET | Method::HEAD)
        && let Err(problem) = caller.needs(Role::Registrar)
    {
        return problem.into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Denied> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (shown.next(), shown.next());
    let Some(value) = first else { return Ok(None) };
    let bad = || Denied::Bad("send `Authorization: Bearer` and one token".to_owned());
    let text = value.to_str().ok().filter(|_| second.is_none()).ok_or_else(bad)?;
    let (scheme, token) = text.split_once(' ').ok_or_else(bad)?;
    match scheme.eq_ignore_ascii_case("bearer") {
        true => Ok(Some(token.trim())),
        false => Err(bad()),
    }
}

/// Whether a browser may have been talked into this request by a page: it says where a change comes from,
/// and a name other than `localhost` may have been made to mean this machine (DNS rebinding). Nobody is
/// known by the address alone then.
fn is_of_a_page(request: &Request) -> bool {
    let host = request.uri().host().or_else(|| {
        let host = request.headers().get(header::HOST)?.to_str().ok()?;
        Some(
            host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(host, |(h, _)| h),
        )
    });
    let local = host.is_none_or(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
    });
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    !local || (changes && request.headers().contains_key(header::ORIGIN))
}

fn refusal(denied: Denied) -> Problem {
    match denied {
        Denied::Nothing => Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "say who you are: `Authorization: Bearer` and a token that `[admin.auth]` knows",
        )
        .with(header::WWW_AUTHENTICATE, "Bearer realm=\"proconsul\""),
        Denied::Bad(why) => {
            let words: String = why.chars().filter(|c| *c != '"' && *c != '\\').collect();
            let challenge = format!(
                "Bearer realm=\"proconsul\", error=\"invalid_token\", error_description=\"{words}\""
            );
            Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", why)
                .with(header::WWW_AUTHENTICATE, &challenge)
        }
    }
}
