//! Somebody with a role, and the demands that handlers make of them: as extractors, which stand before the
//! body, so that nobody's body is read who may not send it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use crate::admin::input::{InstancePath, ServicePath};
use crate::admin::problem::Problem;
use crate::config::{Role, ServicePattern};
use crate::model::ServiceKey;
use crate::registry::Author;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// For audit records.
    pub name: Arc<str>,
    pub role: Role,
    /// Of a registrar: what it may touch.
    pub services: Arc<[ServicePattern]>,
    /// Where it asks from.
    pub from: Option<IpAddr>,
}

/// The word for a role, in tokens and messages.
pub fn word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Registrar => "registrar",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}

impl Caller {
    /// Refuses whoever has less than `role`.
    pub fn needs(&self, role: Role) -> Result<(), Problem> {
        if self.role >= role {
            return Ok(());
        }
        let (has, needed) = (word(self.role), word(role));
        let what = format!("this needs the role `{needed}`; `{}` has `{has}`", self.name);
        Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", what))
    }

    /// Refuses whoever may not register instances of this service.
    pub fn may_register(&self, service: &ServiceKey) -> Result<(), Problem> {
        self.needs(Role::Registrar)?;
        let (namespace, name) = (service.namespace.as_str(), service.name.as_str());
        if self.role > Role::Registrar || self.services.iter().any(|p| p.matches(namespace, name)) {
            return Ok(());
        }
        let what = format!(
            "this needs the role `operator`, or `registrar` with a token that names `{service}`; that of `{}` does not",
            self.name
        );
        Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", what))
    }

    /// For the audit record.
    pub fn author(&self) -> Author {
        let from = self.from.map(|from| from.to_string()).unwrap_or_default();
        Author { who: self.name.to_string(), from }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "nobody asked"))
    }
}

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident needs $role:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(pub Caller);

        impl<S: Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
                let caller = Caller::from_request_parts(parts, state).await?;
                caller.needs(Role::$role)?;
                Ok(Self(caller))
            }
        }
    )+};
}

roles! {
    /// Somebody who may read.
    Viewer needs Viewer;
    /// Somebody who may change anything about services and instances.
    Operator needs Operator;
    /// Somebody who may do everything.
    Administrator needs Admin;
}

/// Somebody who may register instances of the service that the path names.
#[derive(Debug, Clone)]
pub struct ServiceRegistrar {
    pub caller: Caller,
    pub service: ServiceKey,
}

/// Somebody who may change the instance that the path names.
#[derive(Debug, Clone)]
pub struct InstanceRegistrar {
    pub caller: Caller,
    pub path: InstancePath,
}

impl<S: Sync + Send> FromRequestParts<S> for ServiceRegistrar {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.needs(Role::Registrar)?;
        let ServicePath(service) = ServicePath::from_request_parts(parts, state).await?;
        caller.may_register(&service)?;
        Ok(Self { caller, service })
    }
}

impl<S: Sync + Send> FromRequestParts<S> for InstanceRegistrar {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.needs(Role::Registrar)?;
        let path = InstancePath::from_request_parts(parts, state).await?;
        caller.may_register(&path.service)?;
        Ok(Self { caller, path })
    }
}
