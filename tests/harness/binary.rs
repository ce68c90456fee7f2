//! The binary `annals`, as a user runs it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The binary, built from this checkout in the profile of the tests.
///
/// # Panics
/// If it cannot be built.
pub fn annals() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build).clone()
}

fn build() -> PathBuf {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // What cargo tells a test of its package: build scripts that look at it would run again, and with
    // them everything above them would be compiled again.
    for (name, _) in std::env::vars_os() {
        let known = name.to_string_lossy();
        if known.starts_with("CARGO_PKG_") || known.starts_with("CARGO_MANIFEST_") || known == "OUT_DIR" {
            command.env_remove(&name);
        }
    }
    let status = command
        // A selection of tests, as the tests' own run is one: with the same features, nothing is
        // compiled a second time, and the binary is built because the tests of its package ask for it.
        .args([
            "test",
            "--no-run",
            "--quiet",
            "--locked",
            "--workspace",
            "--test",
            "cli",
            "--manifest-path",
            manifest,
        ])
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the binary must build");
    // This test lies in `<target>/<profile>/deps`, the binary one folder up.
    let test = std::env::current_exe().expect("the path of this test");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("the folder of the profile");
    folder.join(format!("annals{}", std::env::consts::EXE_SUFFIX))
}

/// A command with nothing of the caller's settings in it.
pub fn command() -> Command {
    let mut command = Command::new(annals());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ANNALS_")) {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1").env("TERM", "dumb");
    command
}
