//! The answers to what a patient component imports.

use wasmtime::Engine;
use wasmtime::StoreContextMut;
use wasmtime::component::{HasSelf, Linker};

use super::super::bindings::{log, random};
use super::network;
use super::state::PatientState;

/// The interface by which a channel appends to its file.
const JOURNAL: &str = "proconsul:alert-channel/journal@0.1.0";

/// The standard interfaces, with a network that is vetted, and the host's own.
pub fn linker(engine: &Engine) -> wasmtime::Result<Linker<PatientState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    log::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    random::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    network::add_to_linker(&mut linker)?;
    linker.instance(JOURNAL)?.func_wrap_async(
        "append",
        |store: StoreContextMut<'_, PatientState>, (line,): (String,)| {
            let journal = store.data().journal();
            Box::new(async move {
                let appended = match journal {
                    Some(journal) => journal.append(line).await,
                    None => Err("the channel has no `file`".to_owned()),
                };
                Ok((appended,))
            })
        },
    )?;
    Ok(linker)
}
