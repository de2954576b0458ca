//! `wasi:sockets`: connecting by TCP, to addresses that were vetted. What else there is, is refused.

use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::p2::bindings::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, Network,
};
use wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket;
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::Host as _;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, InputStream, Pollable, SocketError, StreamError,
    StreamResult, TcpSocket, UdpSocket, subscribe,
};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, poll_noop};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsView};

use super::super::state::PatientState;
use super::permit::{NoWay, Permit};

/// The WASI whose functions are put in place of wasmtime's. One of another `0.2` finds them too.
const VERSION: &str = "0.2.12";

/// Whether a guest may use an address so. Asked by wasmtime immediately before it does.
pub fn may_use(permit: &Permit, address: SocketAddr, usage: SocketAddrUse) -> bool {
    match usage {
        SocketAddrUse::TcpConnect => permit.vet(address),
        // What a connection that is made from here has, if nobody chooses.
        SocketAddrUse::TcpBind if address.ip().is_unspecified() && address.port() == 0 => true,
        _ => {
            permit.deny(&address, "a plugin connects by TCP, and does nothing else");
            false
        }
    }
}

/// Puts what is vetted here in the place of wasmtime's own functions.
pub fn add_to_linker(linker: &mut Linker<PatientState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    add_tcp(linker)?;
    add_udp(linker)?;
    add_lookup(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn add_tcp(linker: &mut Linker<PatientState>) -> wasmtime::Result<()> {
    linker.instance(&format!("wasi:sockets/tcp-create-socket@{VERSION}"))?.func_wrap(
        "create-tcp-socket",
        |mut store: StoreContextMut<'_, PatientState>, (family,): (IpAddressFamily,)| {
            if !store.data().gate.permit().take_connection() {
                return Ok((Err(ErrorCode::NewSocketLimit),));
            }
            let created = store.data_mut().sockets().create_tcp_socket(family);
            Ok((settled(created)?,))
        },
    )?;
    linker.instance(&format!("wasi:sockets/tcp@{VERSION}"))?.func_wrap(
        "[method]tcp-socket.finish-connect",
        |mut store: StoreContextMut<'_, PatientState>, (socket,): (Resource<TcpSocket>,)| {
            type Streams = (Resource<DynInputStream>, Resource<DynOutputStream>);
            let state = store.data_mut();
            let connected: Result<Streams, ErrorCode> =
                settled(state.sockets().finish_connect(socket))?;
            if let Ok((input, _)) = &connected {
                let permit = state.gate.permit();
                let stream = state.table.get_mut(input)?;
                let inner = mem::replace(stream, Box::new(Ended));
                *stream = Box::new(Counted { inner, permit });
            }
            Ok((connected,))
        },
    )
}

fn add_udp(linker: &mut Linker<PatientState>) -> wasmtime::Result<()> {
    linker.instance(&format!("wasi:sockets/udp-create-socket@{VERSION}"))?.func_wrap(
        "create-udp-socket",
        |store: StoreContextMut<'_, PatientState>, (_,): (IpAddressFamily,)| {
            let refused: Result<Resource<UdpSocket>, _> = Err(ErrorCode::AccessDenied);
            store
                .data()
                .gate
                .permit()
                .deny(&"UDP", "a plugin connects by TCP, and does nothing else");
            Ok((refused,))
        },
    )
}

fn add_lookup(linker: &mut Linker<PatientState>) -> wasmtime::Result<()> {
    let mut lookup = linker.instance(&format!("wasi:sockets/ip-name-lookup@{VERSION}"))?;
    let resource = ResourceType::host::<Lookup>();
    lookup.resource("resolve-address-stream", resource, |mut store, rep| {
        store.data_mut().table.delete(Resource::<Lookup>::new_own(rep))?;
        Ok(())
    })?;
    lookup.func_wrap(
        "resolve-addresses",
        |mut store: StoreContextMut<'_, PatientState>, (_, name): (Resource<Network>, String)| {
            let permit = store.data().gate.permit();
            let lookup = Lookup::Asking(wasmtime_wasi::runtime::spawn(async move {
                permit.look_up(&name).await
            }));
            let lookup: Result<_, ErrorCode> = Ok(store.data_mut().table.push(lookup)?);
            Ok((lookup,))
        },
    )?;
    lookup.func_wrap(
        "[method]resolve-address-stream.resolve-next-address",
        |mut store: StoreContextMut<'_, PatientState>, (lookup,): (Resource<Lookup>,)| {
            Ok((store.data_mut().table.get_mut(&lookup)?.next(),))
        },
    )?;
    lookup.func_wrap(
        "[method]resolve-address-stream.subscribe",
        |mut store: StoreContextMut<'_, PatientState>, (lookup,): (Resource<Lookup>,)| {
            let pollable: Resource<DynPollable> = subscribe(&mut store.data_mut().table, lookup)?;
            Ok((pollable,))
        },
    )
}

/// A trap stays one; an error is an answer for the guest.
fn settled<T>(result: Result<T, SocketError>) -> wasmtime::Result<Result<T, ErrorCode>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => error.downcast().map(Err),
    }
}

/// A name that was asked for.
enum Lookup {
    Asking(AbortOnDropJoinHandle<Result<Vec<IpAddr>, NoWay>>),
    Told(std::vec::IntoIter<IpAddr>),
    Failed(ErrorCode),
}

impl Lookup {
    fn answered(answer: Result<Vec<IpAddr>, NoWay>) -> Self {
        match answer {
            Ok(addresses) => Lookup::Told(addresses.into_iter()),
            Err(NoWay::Denied) => Lookup::Failed(ErrorCode::AccessDenied),
            Err(NoWay::Unresolved(_)) => Lookup::Failed(ErrorCode::NameUnresolvable),
        }
    }

    fn next(&mut self) -> Result<Option<IpAddress>, ErrorCode> {
        if let Lookup::Asking(answer) = self
            && let Some(answer) = poll_noop(Pin::new(answer))
        {
            *self = Lookup::answered(answer);
        }
        match self {
            Lookup::Asking(_) => Err(ErrorCode::WouldBlock),
            Lookup::Told(addresses) => Ok(addresses.next().map(IpAddress::from)),
            Lookup::Failed(code) => Err(*code),
        }
    }
}

#[async_trait]
impl Pollable for Lookup {
    async fn ready(&mut self) {
        if let Lookup::Asking(answer) = self {
            *self = Lookup::answered(answer.await);
        }
    }
}

/// What a guest reads from a connection, as far as the check's budget goes.
struct Counted {
    inner: DynInputStream,
    permit: Arc<Permit>,
}

#[async_trait]
impl InputStream for Counted {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let bytes = self.inner.read(size)?;
        if !self.permit.budget.take_bytes(bytes.len()) {
            self.permit.note_flood();
            self.inner = Box::new(Ended);
            return Err(StreamError::Closed);
        }
        Ok(bytes)
    }
}

#[async_trait]
impl Pollable for Counted {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

/// A stream of which nothing more comes.
struct Ended;

#[async_trait]
impl InputStream for Ended {
    fn read(&mut self, _: usize) -> StreamResult<Bytes> {
        Err(StreamError::Closed)
    }
}

#[async_trait]
impl Pollable for Ended {
    async fn ready(&mut self) {}
}
