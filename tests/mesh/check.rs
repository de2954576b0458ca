//! Health checks in WebAssembly text: they pass the proxy's trial, and misbehave for each instance that there is.

use super::plugin::{MISCHIEF, component, own_wit};

/// A check that does `evil` for each instance, and then says that it is well.
///
/// There are the functions `$forever` and `$bomb` (takes memory until there is none). The verdict is what is at
/// address 1024: all zeros are passing.
pub fn hostile(evil: &str) -> Vec<u8> {
    const CHECKER: &str = "proconsul:health-check/checker@0.1.0";
    let text = format!(
        r#"(module
          {MISCHIEF}
          (func (export "{CHECKER}#configure") (param i32 i32) (result i32) (i32.const 16))
          (func (export "{CHECKER}#check") (param $endpoint i32) (result i32)
            ;; what a component is tried with is at port 1
            (if (i32.ne (i32.load16_u offset=32 (local.get $endpoint)) (i32.const 1)) (then {evil}))
            (global.set $heap (i32.const 4096))
            (i32.const 1024))
        )"#
    );
    component(&text, &own_wit("health-check"), "health-check")
}
