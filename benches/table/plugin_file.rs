//! Plugin files that are saved again and again, each time with other content, as a plugin's author
//! does.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/dist");

/// Puts a shipped strategy in place of the file, as never seen before: whatever keeps results by
/// content must compile it anew.
pub fn save(path: &Path, strategy: &str, number: u32) -> Result<()> {
    let shipped = format!("{SHIPPED}/{strategy}.wasm");
    let mut component = fs::read(&shipped).with_context(|| shipped.clone())?;
    // A custom section (id 0, length, length of the name, name, content) changes nothing but bytes.
    component.extend_from_slice(&[0, 9, 4]);
    component.extend_from_slice(b"save");
    component.extend_from_slice(&number.to_le_bytes());
    replace(path, &component)
}

/// Writes beside the file and renames over it, as editors and compilers do.
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, content)?;
    fs::rename(&beside, path).with_context(|| path.display().to_string())
}
