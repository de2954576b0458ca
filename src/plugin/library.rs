//! Finding a component's bytes, and compiling them once for everybody who uses them.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::builtin;
use super::cache::Cache;
use super::kind::Kind;
use super::log_gate::tame;
use super::refusal::Refusal;
use crate::config::PluginSource;

/// A compiled component, and what it was compiled from.
pub struct LoadedComponent {
    component: Component,
    digest: String,
    bytes: usize,
}

impl LoadedComponent {
    /// SHA-256 of the component file, in hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Size of the component file.
    pub fn file_bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn wasmtime(&self) -> &Component {
        &self.component
    }
}

/// Compiled components by content, shared while somebody uses them.
pub struct Library {
    engine: Engine,
    cache: Option<Cache>,
    loaded: Mutex<HashMap<String, Weak<LoadedComponent>>>,
}

impl Library {
    /// A library that keeps compiled components in `cache_directory`. A folder that cannot be used
    /// is logged and done without.
    ///
    /// Libraries of several engines may share the folder: an entry is found by the engine's settings too.
    pub fn new(engine: impl Into<Engine>, cache_directory: Option<&Path>) -> Self {
        let cache = cache_directory.and_then(|directory| match Cache::open(directory) {
            Ok(cache) => Some(cache),
            Err(error) => {
                let directory = directory.display();
                tracing::warn!(%directory, %error, "plugins are compiled at every start");
                None
            }
        });
        Self { engine: engine.into(), cache, loaded: Mutex::default() }
    }

    /// The engine that components are compiled for.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Reads and compiles a component that is to be of `kind`, unless the same bytes are in use already.
    pub fn load(
        &self,
        kind: Kind,
        source: &PluginSource,
        file_limit_bytes: u64,
    ) -> Result<Arc<LoadedComponent>, Refusal> {
        match source {
            PluginSource::BuiltIn(name) => match (builtin::component(name), builtin::kind(name)) {
                (Some(bytes), Some(of)) if of == kind => self.compile(bytes),
                (_, Some(of)) => {
                    Err(Refusal::OtherBuiltIn { name: name.clone(), of, wanted: kind })
                }
                (_, None) => Err(Refusal::UnknownBuiltIn {
                    kind,
                    name: name.clone(),
                    known: builtin::names(kind).collect::<Vec<_>>().join(", "),
                }),
            },
            PluginSource::File(path) => self.compile(&read_bounded(path, file_limit_bytes)?),
        }
    }

    /// Compiles a component's bytes.
    pub fn compile(&self, bytes: &[u8]) -> Result<Arc<LoadedComponent>, Refusal> {
        let digest = format!("{:x}", Sha256::digest(bytes));
        if let Some(loaded) = self.loaded.lock().get(&digest).and_then(Weak::upgrade) {
            return Ok(loaded);
        }
        check_magic(bytes)?;
        let component = self.cached_or_compiled(&digest, bytes)?;
        let loaded =
            Arc::new(LoadedComponent { component, digest: digest.clone(), bytes: bytes.len() });
        let mut table = self.loaded.lock();
        table.retain(|_, entry| entry.strong_count() > 0);
        table.insert(digest, Arc::downgrade(&loaded));
        Ok(loaded)
    }

    fn cached_or_compiled(&self, digest: &str, bytes: &[u8]) -> Result<Component, Refusal> {
        let engine = &self.engine;
        let mut compatibility = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut compatibility);
        let key = format!("{digest}-{:016x}", compatibility.finish());
        if let Some(component) = self.cache.as_ref().and_then(|cache| cache.load(engine, &key)) {
            return Ok(component);
        }
        let component = Component::new(engine, bytes)
            .map_err(|error| Refusal::Invalid(tame(&format!("{error:#}"))))?;
        if let Some(Err(error)) = self.cache.as_ref().map(|cache| cache.store(&key, &component)) {
            tracing::warn!(%error, "compiled plugin is not kept");
        }
        Ok(component)
    }
}

fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, Refusal> {
    let file = File::open(path).map_err(Refusal::Unreadable)?;
    let bytes = file.metadata().map_err(Refusal::Unreadable)?.len();
    if bytes > limit {
        return Err(Refusal::TooLarge { bytes, limit });
    }
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).map_err(Refusal::Unreadable)?;
    if content.len() as u64 > limit {
        return Err(Refusal::TooLarge { bytes: content.len() as u64, limit });
    }
    Ok(content)
}

/// The first eight bytes tell a component from a module, and both from something else.
fn check_magic(bytes: &[u8]) -> Result<(), Refusal> {
    match bytes {
        [] => Err(Refusal::Empty),
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(Refusal::CoreModule),
        [0, b'a', b's', b'm', ..] => Err(Refusal::Invalid("its header is cut off".into())),
        other => Err(Refusal::NotWasm(other[..other.len().min(4)].to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::{AsyncEngine, HotEngine};
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        let library = Library::new(HotEngine::new().unwrap(), None);
        library.compile(bytes).err().expect("refused").to_string()
    }

    #[test]
    fn what_is_no_component_is_refused_in_words() {
        assert!(refusal(b"").contains("still being written"));
        assert!(refusal(b"\0asm\x01\0\0\0").contains("plugin build"));
        assert!(refusal(b"\x7fELF").contains("begins with [7f, 45, 4c, 46]"));
        assert!(refusal(b"\0asm\x0d\0\x01\0\xff\xff").contains("truncated"));
    }

    #[test]
    fn the_same_bytes_are_compiled_once() {
        let library = Library::new(HotEngine::new().unwrap(), None);
        let first = library.compile(b"\0asm\x0d\0\x01\0").unwrap();
        assert!(Arc::ptr_eq(&first, &library.compile(b"\0asm\x0d\0\x01\0").unwrap()));
    }

    #[test]
    fn a_built_in_of_another_kind_is_refused_in_words() {
        let library = Library::new(AsyncEngine::new().unwrap(), None);
        let refusal = |kind, name: &str| {
            let source = PluginSource::BuiltIn(name.into());
            library.load(kind, &source, 16 << 20).err().expect("refused").to_string()
        };
        let words = refusal(Kind::HealthCheck, "maglev");
        assert_eq!(
            words,
            "`maglev` is a built-in strategy, for [strategies]; here a health check is wanted"
        );
        let words = refusal(Kind::Balancer, "redis-ping");
        assert_eq!(
            words,
            "`redis-ping` is a built-in health check, for [checks]; here a strategy is wanted"
        );
        let words = refusal(Kind::HealthCheck, "redis-pong");
        assert!(
            words.starts_with("there is no built-in health check `redis-pong`; there are "),
            "{words}"
        );
    }

    #[test]
    fn a_huge_file_is_refused_without_being_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(100 << 20).unwrap();
        let library = Library::new(HotEngine::new().unwrap(), None);
        let source = PluginSource::File(file.path().into());
        let refusal =
            library.load(Kind::Balancer, &source, 16 << 20).err().expect("refused").to_string();
        assert!(refusal.contains("has 104857600 bytes, and the limit is 16777216"), "{refusal}");
    }
}
