//! What a requested change comes to, given what there is: steps to make, or why not.
//!
//! Pure: it is told what there is, what was asked and the time. What becomes of the steps, and what
//! indexes they get, is the writer's business.

use std::sync::Arc;

use super::change::{Author, Change, RegistryError, Request};
use super::event::EventKind;
use super::picture;
use super::snapshot::{Index, Instance};
use super::state::{Delta, PutInstance, State};
use super::vitals::Vitals;
use crate::config;
use crate::model::{
    Duty, GroupName, InstanceId, InstanceRecord, Origin, ServiceKey, ServiceRecord, UnixMillis,
};
use crate::store::{StoredInstance, Subscription, Write};

/// A request's worth of steps: all are made, or none.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub steps: Vec<Step>,
    /// What is changed was not there before.
    pub created: bool,
    pub subject: Subject,
    /// It counts as a heart-beat of the subject.
    pub beat: bool,
}

/// What a request is about, so that the answer can show it.
#[derive(Debug, Default)]
pub(super) struct Subject {
    pub service: Option<ServiceKey>,
    pub instance: Option<InstanceId>,
}

/// One change with everything that goes with it.
#[derive(Debug)]
pub(super) struct Step {
    pub delta: Delta,
    /// `None` for what no store keeps.
    pub write: Option<Write>,
    pub audit: Audit,
    /// `None` for what is no matter of membership.
    pub event: Option<Draft>,
}

/// An audit record without its circumstances.
#[derive(Debug)]
pub(super) struct Audit {
    pub action: &'static str,
    pub subject: String,
    pub before: String,
    pub after: String,
}

/// An event without its index and time.
#[derive(Debug)]
pub(super) struct Draft {
    pub kind: EventKind,
    pub service: Option<ServiceKey>,
    pub instance: Option<InstanceId>,
    pub message: String,
}

/// Why an instance is removed without anybody asking at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    /// It was drained.
    Drained,
    /// Its heart-beats stayed away.
    Lapsed,
    /// The configuration lists an instance of the same name.
    Replaced,
    /// The configuration does not list it any more.
    Unlisted,
}

impl Removal {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Removal::Drained => "drained",
            Removal::Lapsed => "its heart-beats stayed away for longer than the grace",
            Removal::Replaced => "the configuration has an instance of the same name",
            Removal::Unlisted => "the configuration does not list it any more",
        }
    }
}

/// Plans what was asked.
pub(super) fn plan(
    state: &State,
    request: &Request,
    limits: &config::Registry,
    now: UnixMillis,
) -> Result<Plan, RegistryError> {
    let asker = Asker { state, expected: request.expected, author: &request.author, limits, now };
    match &request.change {
        Change::DescribeService(record) => asker.describe(record),
        Change::ForgetService(service) => asker.forget(service),
        Change::Register(record) => asker.register(record),
        Change::SetDuty(service, id, duty) => asker.set_duty(service, id, duty),
        Change::SetGroupDuty(group, duty) => asker.set_group_duty(group, duty),
        Change::Deregister(service, id) => asker.deregister(service, id),
        Change::Subscribe(subscription) => asker.subscribe(subscription),
        Change::Unsubscribe(id) => asker.unsubscribe(id),
    }
}

/// Plans the removal of an instance that is there.
pub(super) fn removal(instance: &Instance, why: Removal) -> Step {
    let record = &instance.record;
    let registered = instance.origin == Origin::Registration;
    Step {
        delta: Delta::Remove(record.service.clone(), record.id.clone()),
        write: registered.then(|| Write::DeleteInstance(record.service.clone(), record.id.clone())),
        audit: Audit {
            action: "instance.remove",
            subject: subject_of(&record.service, &record.id),
            before: picture::of_instance(instance),
            after: String::new(),
        },
        event: Some(Draft {
            kind: EventKind::Deregistered,
            service: Some(record.service.clone()),
            instance: Some(record.id.clone()),
            message: why.reason().to_owned(),
        }),
    }
}

/// `default/web/web-1`
pub(super) fn subject_of(service: &ServiceKey, id: &InstanceId) -> String {
    format!("{service}/{id}")
}

struct Asker<'a> {
    state: &'a State,
    expected: Option<Index>,
    author: &'a Author,
    limits: &'a config::Registry,
    now: UnixMillis,
}

impl Asker<'_> {
    fn describe(&self, record: &ServiceRecord) -> Result<Plan, RegistryError> {
        let old = self.state.snapshot.services.get(&record.key);
        let described = old.filter(|view| view.described);
        let revision = match (described, self.expected) {
            (None, Some(0)) => None,
            _ => old.map(|view| view.revision),
        };
        self.expect(&record.key.to_string(), revision)?;
        let mut plan = Plan::about(&record.key, None);
        if described.is_some_and(|view| *view.record == *record) {
            return Ok(plan);
        }
        if old.is_none() {
            self.has_room_for_service()?;
        }
        plan.created = described.is_none();
        plan.steps.push(Step {
            delta: Delta::Describe(Arc::new(record.clone())),
            write: Some(Write::PutService(record.clone())),
            audit: Audit {
                action: "service.describe",
                subject: record.key.to_string(),
                before: described.map(|v| picture::of_service(&v.record)).unwrap_or_default(),
                after: picture::of_service(record),
            },
            event: Some(self.draft(EventKind::Described, &record.key, None, "described")),
        });
        Ok(plan)
    }

    fn forget(&self, service: &ServiceKey) -> Result<Plan, RegistryError> {
        let view = self.state.snapshot.services.get(service);
        let view = view.ok_or_else(|| RegistryError::NoService(service.clone()))?;
        self.expect(&service.to_string(), Some(view.revision))?;
        if !view.described {
            return Err(RegistryError::NotEmpty(service.clone(), view.instances.len()));
        }
        let mut plan = Plan::about(service, None);
        plan.steps.push(Step {
            delta: Delta::Forget(service.clone()),
            write: Some(Write::DeleteService(service.clone())),
            audit: Audit {
                action: "service.forget",
                subject: service.to_string(),
                before: picture::of_service(&view.record),
                after: String::new(),
            },
            event: Some(self.draft(EventKind::Forgotten, service, None, "description removed")),
        });
        Ok(plan)
    }

    fn register(&self, record: &InstanceRecord) -> Result<Plan, RegistryError> {
        let view = self.state.snapshot.services.get(&record.service);
        let old = view.and_then(|view| view.instances.get(&record.id));
        self.expect_instance(&record.service, &record.id, old.map(|old| &**old))?;
        let mut plan = Plan::about(&record.service, Some(&record.id));
        plan.beat = true;
        let duty = match old {
            Some(old) if old.origin == Origin::Configuration => {
                return Err(RegistryError::Configured(record.service.clone(), record.id.clone()));
            }
            Some(old) if old.duty != Duty::Draining => old.duty.clone(),
            Some(_) | None => Duty::Active,
        };
        if old.is_some_and(|old| *old.record == *record && old.duty == duty) {
            return Ok(plan);
        }
        if view.is_none() {
            self.has_room_for_service()?;
        }
        if old.is_none() && self.state.census.registered >= self.limits.max_instances {
            let limit = self.limits.max_instances;
            return Err(RegistryError::Full { what: "instances", limit });
        }
        plan.created = old.is_none();
        let mut record = record.clone();
        if let Some(view) = view {
            record.service = view.record.key.clone(); // one text for all of its instances
        }
        let registered = old.map_or(self.now, |old| old.registered);
        let (action, kind) = match old {
            None => ("instance.register", EventKind::Registered),
            Some(_) => ("instance.update", EventKind::Updated),
        };
        let message = format!("at {}:{}", record.host, record.port);
        plan.steps.push(Step {
            write: Some(Write::PutInstance(StoredInstance {
                record: record.clone(),
                duty: duty.clone(),
                registered,
                updated: self.now,
            })),
            audit: Audit {
                action,
                subject: subject_of(&record.service, &record.id),
                before: old.map(|old| picture::of_instance(old)).unwrap_or_default(),
                after: picture::instance_with(&record, &duty),
            },
            event: Some(self.draft(kind, &record.service, Some(&record.id), &message)),
            delta: Delta::Put(PutInstance {
                record: Arc::new(record),
                origin: Origin::Registration,
                duty,
                registered,
                updated: self.now,
                vitals: Arc::new(Vitals::new(self.now)),
            }),
        });
        Ok(plan)
    }

    fn set_duty(
        &self,
        service: &ServiceKey,
        id: &InstanceId,
        duty: &Duty,
    ) -> Result<Plan, RegistryError> {
        let instance = self.instance(service, id)?;
        self.expect_instance(service, id, Some(instance))?;
        let action = match duty {
            Duty::Active => "instance.activate",
            Duty::Maintenance { .. } => "instance.maintenance",
            Duty::Draining => "instance.drain",
        };
        let mut plan = Plan::about(service, Some(id));
        plan.steps.extend(self.duty_step(instance, duty, action));
        Ok(plan)
    }

    fn deregister(&self, service: &ServiceKey, id: &InstanceId) -> Result<Plan, RegistryError> {
        let instance = self.instance(service, id)?;
        self.expect_instance(service, id, Some(instance))?;
        if instance.origin == Origin::Configuration {
            return Err(RegistryError::Configured(service.clone(), id.clone()));
        }
        let mut plan = Plan::about(service, Some(id));
        plan.steps.extend(self.duty_step(instance, &Duty::Draining, "instance.deregister"));
        Ok(plan)
    }

    fn set_group_duty(&self, group: &GroupName, duty: &Duty) -> Result<Plan, RegistryError> {
        let services = self.state.snapshot.services.values();
        let mut members =
            services.filter(|view| view.record.group.as_ref() == Some(group)).peekable();
        if members.peek().is_none() {
            return Err(RegistryError::NoGroup(group.clone()));
        }
        let instances = members.flat_map(|view| view.instances.values());
        let steps =
            instances.filter_map(|instance| self.duty_step(instance, duty, "group.duty")).collect();
        Ok(Plan { steps, ..Plan::default() })
    }

    /// `None` if the instance's duty is that already.
    fn duty_step(&self, instance: &Instance, duty: &Duty, action: &'static str) -> Option<Step> {
        if instance.duty == *duty {
            return None;
        }
        let record = &instance.record;
        let (kind, what) = match duty {
            Duty::Active => (EventKind::Activated, "called back".to_owned()),
            Duty::Maintenance { reason } if reason.is_empty() => {
                (EventKind::Maintenance, "maintenance".to_owned())
            }
            Duty::Maintenance { reason } => {
                (EventKind::Maintenance, format!("maintenance: {reason}"))
            }
            Duty::Draining => (EventKind::Draining, "takes no new requests".to_owned()),
        };
        let message = format!("{what}, by {}", self.author.who);
        let stored = (instance.origin == Origin::Registration).then(|| StoredInstance {
            record: InstanceRecord::clone(record),
            duty: duty.clone(),
            registered: instance.registered,
            updated: self.now,
        });
        Some(Step {
            delta: Delta::SetDuty(record.service.clone(), record.id.clone(), duty.clone()),
            write: stored.map(Write::PutInstance),
            audit: Audit {
                action,
                subject: subject_of(&record.service, &record.id),
                before: picture::of_instance(instance),
                after: picture::instance_with(record, duty),
            },
            event: Some(self.draft(kind, &record.service, Some(&record.id), &message)),
        })
    }

    fn subscribe(&self, subscription: &Subscription) -> Result<Plan, RegistryError> {
        let all = &self.state.subscriptions;
        let old = all.iter().find(|old| old.id == subscription.id);
        let mut plan = Plan { created: old.is_none(), ..Plan::default() };
        if old == Some(subscription) {
            return Ok(plan);
        }
        if old.is_none() && all.len() >= self.limits.max_subscriptions {
            let limit = self.limits.max_subscriptions;
            return Err(RegistryError::Full { what: "subscriptions", limit });
        }
        plan.steps.push(Step {
            delta: Delta::Subscribe(subscription.clone()),
            write: Some(Write::PutSubscription(subscription.clone())),
            audit: Audit {
                action: "subscription.put",
                subject: subscription.id.clone(),
                before: old.map(picture::of_subscription).unwrap_or_default(),
                after: picture::of_subscription(subscription),
            },
            event: None,
        });
        Ok(plan)
    }

    fn unsubscribe(&self, id: &str) -> Result<Plan, RegistryError> {
        let old = self.state.subscriptions.iter().find(|old| old.id == id);
        let old = old.ok_or_else(|| RegistryError::NoSubscription(id.to_owned()))?;
        let mut plan = Plan::default();
        plan.steps.push(Step {
            delta: Delta::Unsubscribe(id.to_owned()),
            write: Some(Write::DeleteSubscription(id.to_owned())),
            audit: Audit {
                action: "subscription.delete",
                subject: id.to_owned(),
                before: picture::of_subscription(old),
                after: String::new(),
            },
            event: None,
        });
        Ok(plan)
    }

    fn instance(&self, service: &ServiceKey, id: &InstanceId) -> Result<&Instance, RegistryError> {
        let view = self.state.snapshot.services.get(service);
        let view = view.ok_or_else(|| RegistryError::NoService(service.clone()))?;
        let instance = view.instances.get(id);
        instance
            .map(|instance| &**instance)
            .ok_or_else(|| RegistryError::NoInstance(service.clone(), id.clone()))
    }

    fn has_room_for_service(&self) -> Result<(), RegistryError> {
        let limit = self.limits.max_services;
        match self.state.snapshot.services.len() {
            count if count < limit => Ok(()),
            _ => Err(RegistryError::Full { what: "services", limit }),
        }
    }

    fn expect_instance(
        &self,
        service: &ServiceKey,
        id: &InstanceId,
        found: Option<&Instance>,
    ) -> Result<(), RegistryError> {
        self.expect(&subject_of(service, id), found.map(|instance| instance.revision))
    }

    /// Refuses what was decided on something older than `revision`; `None` = it is not there.
    fn expect(&self, subject: &str, revision: Option<Index>) -> Result<(), RegistryError> {
        let Some(expected) = self.expected else { return Ok(()) };
        let newest = self.state.snapshot.index;
        let holds = match revision {
            None => expected == 0,
            Some(revision) => (revision..=newest).contains(&expected),
        };
        if holds {
            return Ok(());
        }
        let found = revision.unwrap_or(0);
        Err(RegistryError::Conflict { subject: subject.to_owned(), expected, found })
    }

    fn draft(
        &self,
        kind: EventKind,
        service: &ServiceKey,
        instance: Option<&InstanceId>,
        message: &str,
    ) -> Draft {
        Draft {
            kind,
            service: Some(service.clone()),
            instance: instance.cloned(),
            message: message.to_owned(),
        }
    }
}

impl Plan {
    fn about(service: &ServiceKey, instance: Option<&InstanceId>) -> Self {
        let subject = Subject { service: Some(service.clone()), instance: instance.cloned() };
        Self { subject, ..Self::default() }
    }
}
