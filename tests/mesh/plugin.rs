//! Balancers in WebAssembly text, so that a test can write one that no compiler would make.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const STRATEGY: &str = "proconsul:balancer/strategy@0.1.0";

/// What hostile modules have in common: memory, an allocator, and the functions `$forever` and `$bomb` (takes
/// memory until there is none).
pub const MISCHIEF: &str = r#"
(memory (export "memory") 1)
(global $heap (mut i32) (i32.const 4096))
(func $forever (loop $again (br $again)))
(func $bomb (loop $again
  (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (local $at i32)
  (local.set $at (i32.and
    (i32.add (global.get $heap) (i32.sub (local.get 2) (i32.const 1)))
    (i32.sub (i32.const 0) (local.get 2))))
  (global.set $heap (i32.add (local.get $at) (local.get 3)))
  (local.get $at))
"#;

/// A balancer that always picks its first endpoint, apart from what a test puts into it.
///
/// Each part is instructions at the beginning of an export's body. There are `$picks`, how often
/// `pick` was called on this instance, `$answer`, what it says, and the functions `$forever`,
/// `$deep`, `$bomb` (takes memory until there is none) and `$trap`.
#[derive(Default, Clone)]
pub struct Balancer {
    pub world: &'static str,
    pub configure: &'static str,
    pub set_endpoints: &'static str,
    pub pick: &'static str,
    pub realloc: &'static str,
    /// Imports, functions, anything else of the module.
    pub module: &'static str,
}

impl Balancer {
    /// The component's bytes.
    pub fn build(&self) -> Vec<u8> {
        let world = if self.world.is_empty() { "balancer" } else { self.world };
        component(&self.text(), &own_wit("balancer"), world)
    }

    fn text(&self) -> String {
        let Self { world: _, configure, set_endpoints, pick, realloc, module } = self;
        let imports: String = module.lines().filter(|line| line.contains("(import")).collect();
        let rest: String = module.lines().filter(|line| !line.contains("(import")).collect();
        format!(
            r#"(module
              {imports}
              (memory (export "memory") 1)
              (global $heap (mut i32) (i32.const 4096))
              (global $picks (mut i32) (i32.const 0))
              (global $answer (mut i32) (i32.const 0))
              (data (i32.const 256) "flood")
              (func $forever (loop $again (br $again)))
              (func $deep (param i32) (result i32)
                (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
              (func $bomb (loop $again
                (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))))
              (func $trap unreachable)
              {rest}
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                {realloc}
                (local.set $at (i32.and
                  (i32.add (global.get $heap) (i32.sub (local.get 2) (i32.const 1)))
                  (i32.sub (i32.const 0) (local.get 2))))
                (global.set $heap (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
              (func (export "{STRATEGY}#configure") (param i32 i32) (result i32)
                {configure}
                (i32.store8 (i32.const 16) (i32.const 0)) (i32.const 16))
              (func (export "{STRATEGY}#set-endpoints") (param i32 i32) (result i32)
                {set_endpoints}
                (global.set $heap (i32.const 4096))
                (i32.store8 (i32.const 16) (i32.const 0)) (i32.const 16))
              (func (export "{STRATEGY}#pick") (param $key i64) (param $attempt i32) (result i32)
                (global.set $picks (i32.add (global.get $picks) (i32.const 1)))
                {pick}
                (i32.store8 (i32.const 32) (i32.const 1))
                (i32.store (i32.const 36) (global.get $answer))
                (i32.const 32))
            )"#
        )
    }
}

/// The contract of a kind, as it is in `wit/`.
pub fn own_wit(kind: &str) -> Resolve {
    let mut resolve = Resolve::default();
    let wit = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("wit");
    resolve.push_dir(wit.join("host")).unwrap();
    resolve.push_dir(wit.join(kind)).unwrap();
    resolve
}

/// A component of a module in text, for a world of some WIT.
pub fn component(module: &str, wit: &Resolve, world: &str) -> Vec<u8> {
    let mut module = wat::parse_str(module).unwrap_or_else(|error| panic!("{error}\n{module}"));
    let (world, _) = wit.worlds.iter().find(|(_, found)| found.name == world).unwrap();
    embed_component_metadata(&mut module, wit, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

/// A component of a module in text, for a world that is written here.
pub fn foreign(module: &str, wit: &str, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_str("test.wit", wit).unwrap();
    component(module, &resolve, world)
}
