//! Names the build: the version and, where there is a repository, the commit.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/refs/heads");
    println!("cargo::rerun-if-changed=web/dist");
    let commit = Command::new("git").args(["rev-parse", "--short=9", "HEAD"]).output();
    let commit = commit.ok().filter(|out| out.status.success());
    let commit = commit.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    let version = env!("CARGO_PKG_VERSION");
    let build = commit.map_or(version.to_owned(), |commit| format!("{version}+{commit}"));
    println!("cargo::rustc-env=PANTAU_BUILD={build}");
}
