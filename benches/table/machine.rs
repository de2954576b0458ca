//! What the figures were measured on: they mean nothing without it.

use std::fs;
use std::process::Command;

use super::proxies::program;

/// The head of the results: date, machine, versions.
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let nginx = first_line(Command::new(program("nginx")).arg("-v"));
    let haproxy = first_line(Command::new(program("haproxy")).arg("-v"));
    let rustc = first_line(Command::new("rustc").arg("--version"));
    format!(
        "# Results\n\n\
         Written by `make bench` on {date}. Ratios are from rounds that take turns.\n\n\
         - {cpu}, {cores} cores, Linux {kernel}\n\
         - {rustc}; {nginx}; {haproxy}\n",
        date = first_line(Command::new("date").args(["-u", "+%F %H:%M UTC"])),
        cpu = cpu_model(),
        kernel = kernel.trim(),
    )
}

fn cpu_model() -> String {
    let facts = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = facts.lines().find_map(|line| line.strip_prefix("model name"));
    model.map_or("unknown processor", |model| model.trim_start_matches([' ', '\t', ':'])).to_owned()
}

/// What a program says first, on either stream.
fn first_line(command: &mut Command) -> String {
    let Ok(output) = command.output() else {
        return format!("no {}", command.get_program().display());
    };
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).lines().next().unwrap_or_default().trim().to_owned()
}
