//! `[admin]`: where it listens, and who may use it.

use super::check::{Check, HOUR, MILLISECOND};
use super::network::{SOCKET_ADDRESS, socket_address};
use crate::config::path::KeyPath;
use crate::config::schema;
use crate::config::types::{
    Admin, AdminAuth, AdminLimits, AdminToken, JwtAuth, Role, ServicePattern,
};
use crate::model::{Namespace, ServiceName};
use std::time::Duration;

pub fn admin(admin: schema::Admin, at: &KeyPath, check: &mut Check<'_>) -> Option<Admin> {
    let schema::Admin {
        enabled,
        address,
        max_request,
        requests_per_second,
        max_watchers,
        watcher_timeout,
        auth,
    } = admin;
    let limits = AdminLimits {
        max_request_bytes: check.size(&at.key("max_request"), max_request, 1 << 10, 64 << 20)
            as usize,
        requests_per_second: check.number(
            &at.key("requests_per_second"),
            requests_per_second,
            0,
            10_000_000,
        ),
        max_watchers: check.number(&at.key("max_watchers"), max_watchers, 0, 1_000_000) as usize,
        watcher_timeout: check.time(
            &at.key("watcher_timeout"),
            watcher_timeout,
            100 * MILLISECOND,
            HOUR,
        ),
    };
    let auth = admin_auth(auth, &at.key("auth"), check);
    let Some(address) = socket_address(&address) else {
        check.refuse(&at.key("address"), "will not do", SOCKET_ADDRESS);
        return None;
    };
    Some(Admin { address: enabled.then_some(address), auth, limits })
}

fn admin_auth(auth: schema::AdminAuth, at: &KeyPath, check: &mut Check<'_>) -> AdminAuth {
    let schema::AdminAuth { anonymous, tokens, jwt } = auth;
    let anonymous = anonymous.map(role);
    if anonymous == Some(Role::Registrar) {
        let allowed = "viewer, operator, admin";
        check.refuse(&at.key("anonymous"), "names no services that it may touch", allowed);
    }
    let mut made: Vec<AdminToken> = Vec::new();
    for (i, written) in tokens.into_iter().enumerate() {
        let at = at.key("tokens").index(i);
        let Some(token) = token(written, &at, check) else { continue };
        if made.iter().any(|other| other.name == token.name) {
            check.wrong(&at.key("name"), "is already the name of another token");
        }
        made.push(token);
    }
    let jwt = jwt.map(|written| jwt_auth(written, &at.key("jwt"), check));
    AdminAuth { anonymous, tokens: made, jwt }
}

fn token(token: schema::AdminToken, at: &KeyPath, check: &mut Check<'_>) -> Option<AdminToken> {
    let schema::AdminToken { name, sha256, role: written, services } = token;
    let role = role(written);
    if name.is_empty() {
        check.wrong(&at.key("name"), "is empty; allowed is a name for audit records");
    }
    let digest = digest(&sha256);
    if digest.is_none() {
        let allowed = "64 hexadecimal digits, as `proconsul token new` prints them";
        check.lacks(&at.key("sha256"), &format!("is no SHA-256; allowed are {allowed}"));
    }
    let patterns = patterns(&services, &at.key("services"), check);
    if role == Role::Registrar && services.is_empty() {
        check.lacks(at, "a registrar needs `services` that it may touch");
    }
    if role != Role::Registrar && !services.is_empty() {
        check.lacks(&at.key("services"), "is for the role `registrar` alone");
    }
    Some(AdminToken { name, sha256: digest?, role, services: patterns })
}

fn jwt_auth(jwt: schema::JwtAuth, at: &KeyPath, check: &mut Check<'_>) -> JwtAuth {
    let schema::JwtAuth { jwks, audience, issuer, role_claim, services_claim, leeway } = jwt;
    if audience.is_empty() {
        check.wrong(&at.key("audience"), "is empty: tokens for anybody would do");
    }
    JwtAuth {
        jwks: check.file(&at.key("jwks"), &jwks),
        audience,
        issuer,
        role_claim,
        services_claim,
        leeway: check.time(&at.key("leeway"), leeway, Duration::ZERO, HOUR),
    }
}

fn role(written: schema::Role) -> Role {
    match written {
        schema::Role::Viewer => Role::Viewer,
        schema::Role::Registrar => Role::Registrar,
        schema::Role::Operator => Role::Operator,
        schema::Role::Admin => Role::Admin,
    }
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, place) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(place..place + 2)?, 16).ok()?;
    }
    Some(digest)
}

fn patterns(services: &[String], at: &KeyPath, check: &mut Check<'_>) -> Vec<ServicePattern> {
    let mut patterns = Vec::new();
    for (i, text) in services.iter().enumerate() {
        match service_pattern(text) {
            Some(pattern) => patterns.push(pattern),
            None => {
                let allowed = "a name, `namespace/name`, each of which may end in `*`";
                check.refuse(&at.index(i), "will not do", allowed);
            }
        }
    }
    patterns
}

/// `web`, `team-a/*`, `shop/web-*`. A JWT's claim is read the same way.
pub fn service_pattern(text: &str) -> Option<ServicePattern> {
    let default = Namespace::default_one();
    let (namespace, name) = text.split_once('/').unwrap_or((default.as_str(), text));
    let is_name = |part: &str| {
        let stem = part.strip_suffix('*').unwrap_or(part);
        (stem.is_empty() && part == "*") || ServiceName::new(stem).is_ok()
    };
    let valid = is_name(namespace) && is_name(name) && !stem_has_star(text);
    valid.then(|| ServicePattern { namespace: namespace.to_owned(), name: name.to_owned() })
}

fn stem_has_star(text: &str) -> bool {
    text.split('/').any(|part| part.trim_end_matches('*').contains('*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_end_in_a_star_or_not() {
        for (text, expected) in [
            ("web", Some(("default", "web"))),
            ("team-a/*", Some(("team-a", "*"))),
            ("shop/web-*", Some(("shop", "web-*"))),
            ("*/web", Some(("*", "web"))),
            ("w*b", None),
            ("", None),
            ("a b", None),
        ] {
            let found = service_pattern(text);
            let found = found.as_ref().map(|p| (p.namespace.as_str(), p.name.as_str()));
            assert_eq!(found, expected, "{text}");
        }
    }
}
