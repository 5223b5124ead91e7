//! Links the DPE with relocations in their short form where the C library reads it, from glibc 2.36
//! on. There is a DPE for each deployment, and half a megabyte of each would be lists of pointers
//! to correct.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let native = std::env::var("HOST") == std::env::var("TARGET");
    if native && glibc().is_some_and(|version| version >= (2, 36)) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Version of the C library that programs are linked with. `None`: not known, or not glibc.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf")
        .arg("GNU_LIBC_VERSION")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
