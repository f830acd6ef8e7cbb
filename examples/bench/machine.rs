//! What the figures were measured on, and what the kernel says of a process.

use std::fs;
use std::process::Command;

use anyhow::Context;
use pantau::clock::{Clock, SystemClock};

/// Date, commit, machine: the lines at the top of the table.
pub fn describe() -> anyhow::Result<Vec<String>> {
    let date = SystemClock::new().now().timestamp().strftime("%Y-%m-%d %H:%M UTC").to_string();
    let commit = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=9"]).output();
    let commit = commit.ok().filter(|out| out.status.success());
    let commit =
        commit.map_or("unknown".to_owned(), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    let build = std::env::var("PANTAU_BENCH_BUILD").unwrap_or("release".to_owned());
    let cores = std::thread::available_parallelism()?;
    let cpu = first_value("/proc/cpuinfo", "model name", ':').unwrap_or("unknown processor".to_owned());
    let memory_kib: f64 = first_value("/proc/meminfo", "MemTotal", ':')
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or(0.0);
    let system = first_value("/etc/os-release", "PRETTY_NAME", '=').unwrap_or("Linux".to_owned());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(2).collect();
    Ok(vec![
        format!("Date: {date}"),
        format!("Commit: {commit}, {build} build"),
        format!(
            "Machine: {cores} cores of {cpu}, {:.0} GiB, {}, Linux {}; load {} at the start",
            memory_kib / 1024.0 / 1024.0,
            system.trim_matches('"'),
            kernel.trim(),
            load.join(" "),
        ),
    ])
}

fn first_value(file: &str, key: &str, separator: char) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(separator)?.1.trim().to_owned())
}

/// Memory of a process that stands in RAM, in bytes.
pub fn resident_bytes(pid: u32) -> anyhow::Result<f64> {
    let kib = first_value(&format!("/proc/{pid}/status"), "VmRSS", ':').context("the process is gone")?;
    let kib: f64 = kib.split_whitespace().next().context("VmRSS has a number")?.parse()?;
    Ok(kib * 1024.0)
}

/// Processor seconds that a process has used, user and system.
pub fn cpu_s(pid: u32) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
    // The name in brackets may hold anything; the numbers come after it.
    let rest = text.rsplit_once(')').context("a stat line")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    // USER_HZ is 100 on every Linux that Rust runs on.
    Ok(ticks / 100.0)
}
