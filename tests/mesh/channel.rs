//! Alert channels in WebAssembly text: they pass the proxy's trial, and misbehave for each notification
//! that is meant.

use super::plugin::{MISCHIEF, component, own_wit};

/// A channel that does `evil` in each sending but the proxy's own trial, and then says that all is well.
///
/// There are the functions `$forever` and `$bomb` (takes memory until there is none). The answer is what
/// is at address 1024: all zeros are an empty receipt.
pub fn hostile(evil: &str) -> Vec<u8> {
    const CHANNEL: &str = "proconsul:alert-channel/channel@0.1.0";
    let text = format!(
        r#"(module
          {MISCHIEF}
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
