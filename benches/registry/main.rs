//! What the registry does in a second, how long a change takes to be seen, and what a large one weighs.
//!
//! `cargo bench --bench registry`. One `key value` a line; each key has its unit last. `--quick` takes
//! smaller numbers. Over a real file: a commit is a sync to the disk of the folder for temporary files, or
//! of the one that `--in FOLDER` names. Memory and start are those of a process of its own (`--load FILE`).

mod large;
mod pace;
mod subject;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use subject::Size;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let mut size = Size::FULL;
    let mut folder: Option<PathBuf> = None;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => size = Size::QUICK,
            "--in" => folder = Some(arguments.next().context("--in FOLDER")?.into()),
            "--load" => {
                let file = arguments.next().context("--load FILE")?;
                return runtime()?.block_on(large::load(Path::new(&file)));
            }
            other => bail!("`{other}` is not known; --quick, --in FOLDER, --load FILE"),
        }
    }
    let folder = match folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let file = folder.path().join("registry.db");
    runtime()?.block_on(async {
        large::fill(&file, &size).await?;
        large::load_in_child(&file)?;
        pace::registrations(&folder.path().join("empty.db"), &size).await?;
        pace::of_a_filled_registry(&file, &size).await
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Prints a figure.
fn say(key: &str, value: f64) {
    println!("{key} {value:.3}");
}
