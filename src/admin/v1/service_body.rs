//! A service's description, as somebody writes it.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

use super::check_body::{CheckBody, checks};
use super::convert::{metadata, name, tags, text};
use crate::admin::input::{At, MAX_DEPENDENCIES, MAX_WORD_BYTES, Mistakes};
use crate::admin::v1::Checks;
use crate::model::{Deprecation, GroupName, Namespace, ServiceKey, ServiceName, ServiceRecord};

/// What is known of a service beside its instances. What is absent is forgotten, but deprecations: those
/// have a resource of their own.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceBody {
    /// Operated on together with the others of this group.
    #[schema(min_length = 1, max_length = 128)]
    pub group: Option<String>,
    /// `api`, `database`, `queue`.
    #[serde(default)]
    #[schema(max_length = 128)]
    pub kind: String,
    /// What its instances speak where they do not say.
    #[serde(default)]
    #[schema(max_length = 128)]
    pub protocol: String,
    /// The services that it does not work without: names of the same namespace, or `namespace/name`.
    #[serde(default)]
    #[schema(max_items = 256)]
    pub dependencies: Vec<String>,
    #[serde(default)]
    #[schema(max_items = 64)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// The team or person to call.
    #[serde(default)]
    #[schema(max_length = 128)]
    pub owner: String,
    /// How its instances are checked.
    #[serde(default)]
    #[schema(max_items = 16)]
    pub checks: Vec<CheckBody>,
}

impl ServiceBody {
    pub fn convert(
        self,
        key: ServiceKey,
        deprecations: Vec<Deprecation>,
        known: &Checks,
        mistakes: &mut Mistakes,
    ) -> Option<ServiceRecord> {
        let at = &At::ROOT;
        let word = |written, key, mistakes: &mut Mistakes| {
            text(written, MAX_WORD_BYTES, &at.key(key), mistakes)
        };
        let group = match self.group {
            None => Some(None),
            Some(group) => name(&group, GroupName::new, &at.key("group"), mistakes).map(Some),
        };
        let kind = word(self.kind, "kind", mistakes);
        let protocol = word(self.protocol, "protocol", mistakes);
        let owner = word(self.owner, "owner", mistakes);
        if self.dependencies.len() > MAX_DEPENDENCIES {
            mistakes.add(&at.key("dependencies"), format!("are more than {MAX_DEPENDENCIES}"));
        }
        let dependencies = self.dependencies.iter().enumerate().map(|(index, text)| {
            dependency(text, &key.namespace, &at.key("dependencies").index(index), mistakes)
        });
        let dependencies = dependencies.collect::<Vec<_>>().into_iter().collect::<Option<_>>();
        let tags = tags(self.tags, &at.key("tags"), mistakes);
        let metadata = metadata(self.metadata, &at.key("metadata"), mistakes);
        let checks = checks(self.checks, known, &at.key("checks"), mistakes);
        Some(ServiceRecord {
            group: group?,
            kind: kind?,
            protocol: protocol?,
            dependencies: dependencies?,
            tags: tags?,
            metadata: metadata?,
            owner: owner?,
            checks: checks?,
            deprecations,
            key,
        })
    }
}

fn dependency(
    written: &str,
    namespace: &Namespace,
    at: &At<'_>,
    mistakes: &mut Mistakes,
) -> Option<ServiceKey> {
    let (namespace, service) = match written.split_once('/') {
        Some((namespace, service)) => (name(namespace, Namespace::new, at, mistakes)?, service),
        None => (namespace.clone(), written),
    };
    Some(ServiceKey { namespace, name: name(service, ServiceName::new, at, mistakes)? })
}
