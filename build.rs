//! Names the build: the version and, where there is a repository, the commit.

use std::path::Path;
use std::process::Command;

fn main() {
    // Where these are, git knows; a path that is not there would build everything anew each time. Of branches
    // only the own one: a commit on another changes nothing here.
    let branch = git(&["symbolic-ref", "-q", "HEAD"]);
    for name in ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        let path = git(&["rev-parse", "--git-path", name]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    if Path::new("web/dist").exists() {
        println!("cargo::rerun-if-changed=web/dist");
    }
    let commit = git(&["rev-parse", "--short=9", "HEAD"]);
    let version = env!("CARGO_PKG_VERSION");
    let build = commit.map_or(version.to_owned(), |commit| format!("{version}+{commit}"));
    println!("cargo::rustc-env=PANTAU_BUILD={build}");
}

fn git(args: &[&str]) -> Option<String> {
    let out = Command::new("git").args(args).output().ok().filter(|out| out.status.success())?;
    Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}
