//! A strategy that behaves for its first picks, so that it is let in, and then never returns.

use std::path::Path;

use anyhow::Result;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wit");

/// What the contract's functions look like in a core module: a string or list is a pointer and a
/// length, a result that is more than one number is a pointer to it. Zeroed memory is `ok`.
const MODULE: &str = r#"(module
  (memory (export "memory") 2)
  (global $free (mut i32) (i32.const 1024))
  (global $picks (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    global.get $free
    global.get $free
    local.get 3
    i32.add
    i32.const 7
    i32.add
    i32.const -8
    i32.and
    global.set $free)
  (func (export "proconsul:balancer/strategy@0.1.0#configure") (param i32 i32) (result i32)
    i32.const 0)
  (func (export "proconsul:balancer/strategy@0.1.0#set-endpoints") (param i32 i32) (result i32)
    i32.const 0)
  (func (export "proconsul:balancer/strategy@0.1.0#pick") (param i64 i32) (result i32)
    (global.set $picks (i32.add (global.get $picks) (i32.const 1)))
    (if (i32.gt_u (global.get $picks) (i32.const 20)) (then (loop $for_ever (br $for_ever))))
    (i32.store8 (i32.const 16) (i32.const 1)) ;; some
    (i32.store (i32.const 20) (i32.const 0)) ;; the first endpoint
    i32.const 16))"#;

/// The component.
pub fn component() -> Result<Vec<u8>> {
    let mut module = wat::parse_str(MODULE)?;
    let mut resolve = Resolve::default();
    resolve.push_path(Path::new(CONTRACT).join("host/host.wit"))?;
    let (package, _) = resolve.push_path(Path::new(CONTRACT).join("balancer/balancer.wit"))?;
    let world = resolve.select_world(&[package], Some("balancer"))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    ComponentEncoder::default().validate(true).module(&module)?.encode()
}
