//! Writes the man pages of sections 5 and 7 while installing: `manual FOLDER`, which has `man5/`
//! and `man7/`.

use std::path::Path;

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder] = arguments.as_slice() else {
        anyhow::bail!("usage: manual FOLDER");
    };
    for page in manual::pages::all()? {
        let path = Path::new(folder).join(page.path());
        std::fs::write(&path, page.roff())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
