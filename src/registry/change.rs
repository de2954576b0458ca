//! What may be asked of the registry, and what it answers.

use std::sync::Arc;

use super::snapshot::{Index, Instance, ServiceView};
use crate::model::{
    CheckName, Duty, GroupName, InstanceId, InstanceRecord, ServiceKey, ServiceRecord, Verdict,
};
use crate::store::{StoreError, Subscription};

/// A change that survives the process once it is acknowledged.
#[derive(Debug, Clone)]
pub enum Change {
    /// Describes a service, or describes it anew.
    DescribeService(ServiceRecord),
    /// Forgets the description. Its instances stay, unless there are none.
    ForgetService(ServiceKey),
    /// Registers an instance; one with the same id is updated. Counts as a heart-beat, ends draining.
    Register(InstanceRecord),
    /// Calls an instance out of or back into service. Of configured instances too, until the next start.
    SetDuty(ServiceKey, InstanceId, Duty),
    /// The same for each instance of each service of a group, in one batch.
    SetGroupDuty(GroupName, Duty),
    /// Drains an instance, and removes it when its requests are done or the drain time-out is over.
    Deregister(ServiceKey, InstanceId),
    Subscribe(Subscription),
    /// By its id.
    Unsubscribe(String),
}

/// Who asks, for the audit record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The token's or subject's name.
    pub who: String,
    /// Address of the client; empty for the proxy itself.
    pub from: String,
}

/// A change with its circumstances.
#[derive(Debug, Clone)]
pub struct Request {
    pub change: Change,
    pub author: Author,
    /// Refuse unless what is to be changed was not changed since this index (`If-Match`): that of the
    /// instance, or of the service, when it was read. 0 = refuse unless it is not there.
    /// Means nothing for groups and subscriptions.
    pub expected: Option<Index>,
}

/// A change was made, and is durable.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Of the registry, after it. The old one if nothing had to change.
    pub index: Index,
    /// What was changed was not there before.
    pub created: bool,
    /// The service after it; `None` if it is gone.
    pub service: Option<Arc<ServiceView>>,
    /// The instance after it, where the change was about one that is still there.
    pub instance: Option<Arc<Instance>>,
    /// How many instances were changed.
    pub instances: usize,
}

/// What a health check, or the traffic, came to believe. Not durable.
#[derive(Debug, Clone)]
pub struct Observed {
    pub service: ServiceKey,
    pub instance: InstanceId,
    pub check: CheckName,
    /// `None` = this check is no longer made.
    pub verdict: Option<Verdict>,
}

/// Why the registry did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    #[error("there is no service `{0}`")]
    NoService(ServiceKey),
    #[error("service `{0}` has no instance `{1}`")]
    NoInstance(ServiceKey, InstanceId),
    #[error("no service is in group `{0}`")]
    NoGroup(GroupName),
    #[error("there is no subscription `{0}`")]
    NoSubscription(String),
    #[error(
        "`{subject}` changed at index {found}, after {expected}: read it again, and decide again"
    )]
    Conflict { subject: String, expected: Index, found: Index },
    #[error("instance `{1}` of `{0}` is part of the configuration: edit the file")]
    Configured(ServiceKey, InstanceId),
    #[error("service `{0}` still has {1} instances: deregister them first")]
    NotEmpty(ServiceKey, usize),
    #[error("the registry holds {limit} {what}, as many as `[registry]` allows")]
    Full { what: &'static str, limit: usize },
    #[error("the registry is overloaded: {0} changes wait already")]
    Busy(usize),
    #[error("not kept: {0}")]
    Store(Arc<StoreError>),
    #[error("the process ends")]
    Stopping,
}
