//! Killing the proxy (SIGKILL) at random moments while it takes registrations: what it acknowledged is
//! there afterwards, what it refused is not, and it always starts again.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Bench;
use crate::client::Client;
use crate::registry::{Node, register_path, registration};
use crate::report::Row;

const WRITERS: usize = 8;
/// It runs for at most this long before it is killed.
const LONGEST_LIFE_MS: u64 = 300;

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    let kills = bench.rounds(200, 10);
    let mut acknowledged: BTreeSet<String> = BTreeSet::new();
    let mut refused: BTreeSet<String> = BTreeSet::new();
    let mut life_ms = 137;
    for round in 0..kills {
        let node = Node::start(bench, directory.path(), "")?;
        // A generator with a period of its own: the moments differ, and a run can be repeated.
        life_ms = (life_ms * 75 + 74) % 65_537;
        let outcomes = write_until_killed(node, round, life_ms % LONGEST_LIFE_MS)?;
        for (id, outcome) in outcomes {
            match outcome {
                Some(true) => _ = acknowledged.insert(id),
                Some(false) => _ = refused.insert(id),
                None => {} // killed before it answered: either is right
            }
        }
    }
    let node = Node::start(bench, directory.path(), "")?;
    let there = node.instance_ids()?;
    let lost = acknowledged.difference(&there).count();
    let ghosts = refused.intersection(&there).count();
    ensure!(!acknowledged.is_empty(), "nothing was ever acknowledged: killed too early");
    Ok(vec![Row::judged(
        "registrations lost / refused ones that appear, killed at random moments",
        format!("{lost} / {ghosts} of {} acknowledged, {kills} kills", acknowledged.len()),
        "0 / 0".to_owned(),
        lost == 0 && ghosts == 0,
    )])
}

/// What was asked for, and whether it was acknowledged (`None` = no answer came).
fn write_until_killed(node: Node, round: u32, life_ms: u64) -> Result<Vec<(String, Option<bool>)>> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (over, admin) = (&over, node.admin);
                scope.spawn(move || {
                    let mut client = Client::new(admin);
                    let mut outcomes = Vec::new();
                    for number in 0.. {
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                        let id = format!("r{round}-w{writer}-{number}");
                        // One in eight is wrong, and has to be refused.
                        let port = if number % 8 == 7 { 0 } else { 9000 };
                        let path = register_path("killed", &id);
                        let body = registration(port);
                        let answer = client.send_json("PUT", &path, &body);
                        let outcome = answer.ok().map(|answer| answer.status < 300);
                        outcomes.push((id, outcome));
                    }
                    outcomes
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(life_ms));
        node.kill()?;
        over.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for writer in writers {
            all.extend(writer.join().ok().context("a writer panicked")?);
        }
        Ok(all)
    })
}
