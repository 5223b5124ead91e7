//! The client in `examples/python` is what its generator makes of the introspection files.

use std::path::Path;
use std::process::Command;

#[test]
fn the_client_is_that_of_the_introspection_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/python");
    let output = Command::new("python3")
        .arg(folder.join("generate.py"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let made = String::from_utf8(output.stdout).unwrap();
    let path = folder.join("cloudpolicy.py");
    if std::env::var_os("RECORD_CLIENT").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert!(
        made == std::fs::read_to_string(&path).unwrap(),
        "examples/python/cloudpolicy.py differs: look at `RECORD_CLIENT=1 cargo test -p manual --test python`, then at `git diff`"
    );
}
