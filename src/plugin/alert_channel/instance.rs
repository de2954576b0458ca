//! One instance of an alert channel: a store and its typed exports, for one notification.

use wasmtime::Store;
use wasmtime::component::{InstancePre, TypedFunc};

use super::super::contract::AlertChannelExports;
use super::super::exports::{function, settled};
use super::super::patient::{Fault, PatientState, Permit, instantiate};
use super::super::refusal::Refusal;
use super::bindings::{Error, Notification};

pub(super) struct Instance {
    store: Store<PatientState>,
    configure: TypedFunc<(String,), (Result<(), String>,)>,
    send: TypedFunc<(Notification,), (Result<String, Error>,)>,
}

impl Instance {
    pub(super) async fn new(
        component: &InstancePre<PatientState>,
        exports: &AlertChannelExports,
        state: PatientState,
    ) -> Result<Self, Refusal> {
        let (mut store, instance) = instantiate(component, state).await?;
        let channel = exports.channel.as_str();
        let configure = function(&mut store, instance, channel, "configure")?;
        let send = function(&mut store, instance, channel, "send")?;
        Ok(Self { store, configure, send })
    }

    /// Calls `configure`.
    pub(super) async fn configure(&mut self, config_json: &str) -> Result<(), Refusal> {
        let result = self.configure.call_async(&mut self.store, (config_json.to_owned(),)).await;
        settled("configure", result, |error| Fault::of(error).words())
    }

    /// Calls `send`, with a permission for it.
    pub(super) async fn send(
        &mut self,
        notification: Notification,
        permit: Permit,
    ) -> Result<Result<String, Error>, Fault> {
        self.store.data().gate.set(permit);
        match self.send.call_async(&mut self.store, (notification,)).await {
            Ok((result,)) => Ok(result),
            Err(error) => Err(Fault::of(&error)),
        }
    }
}
