//! Alert channels in WebAssembly text: they pass the proxy's trial, and misbehave for each notification
//! that is meant.

use super::plugin::{component, own_wit};

/// A channel that does `evil` in each sending but the proxy's own trial, and then says that all is well.
///
/// There are the functions `$forever` and `$bomb` (takes memory until there is none). The answer is what
/// is at address 1024: all zeros are an empty receipt.
pub fn hostile(evil: &str) -> Vec<u8> {
    const CHANNEL: &str = "proconsul:alert-channel/channel@0.1.0";
    let text = format!(
        r#"(module
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
          (func (export "{CHANNEL}#configure") (param i32 i32) (result i32) (i32.const 16))
          (func (export "{CHANNEL}#send")
            (param i32 i32) (param $sequence i64)
            (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32) (result i32)
            (if (i64.ne (local.get $sequence) (i64.const 0)) (then {evil}))
            (i32.const 1024))
        )"#
    );
    component(&text, &own_wit("alert-channel"), "alert-channel")
}
