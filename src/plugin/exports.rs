//! Finding a component's functions, and what became of calls that set it up.

use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Instance, Lift, Lower, TypedFunc};

use super::log_gate::tame;
use super::refusal::Refusal;

/// A function of an interface that an instance exports, by the interface's full name.
pub(super) fn function<T, P, R>(
    store: &mut Store<T>,
    instance: Instance,
    interface: &str,
    name: &'static str,
) -> Result<TypedFunc<P, R>, Refusal>
where
    T: 'static,
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let wrong = |detail: String| Refusal::WrongType { function: name, detail };
    let interface = instance
        .get_export_index(&mut *store, None, interface)
        .ok_or_else(|| wrong(format!("`{interface}` is no instance")))?;
    let function = instance
        .get_export_index(&mut *store, Some(&interface), name)
        .ok_or_else(|| wrong("it is not there".to_owned()))?;
    instance.get_typed_func(&mut *store, function).map_err(|error| wrong(format!("{error:#}")))
}

/// What a call of `export` gave that may say no. `fault` puts a failure into words.
pub(super) fn settled(
    export: &'static str,
    result: wasmtime::Result<(Result<(), String>,)>,
    fault: impl FnOnce(&wasmtime::Error) -> String,
) -> Result<(), Refusal> {
    match result {
        Ok((Ok(()),)) => Ok(()),
        Ok((Err(message),)) => Err(Refusal::Declined { export, message: tame(&message) }),
        Err(error) => Err(Refusal::Failed { export, fault: fault(&error) }),
    }
}
