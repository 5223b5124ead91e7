//! How man pages are written: from the command line's own description.

use std::path::Path;

use anyhow::Context;
use roff::{Roff, bold, italic, roman};

/// Writes a program's man page, `NAME.SECTION`, to a directory; `more` is what the options do not
/// say, in roff.
///
/// # Errors
/// If the file cannot be written.
pub fn man_page(
    command: clap::Command,
    section: &str,
    more: &str,
    directory: &Path,
) -> anyhow::Result<()> {
    let path = directory.join(format!("{}.{section}", command.get_name()));
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .section(section)
        .manual("Cloud Policy Engine")
        .render(&mut page)?;
    page.extend_from_slice(more.as_bytes());
    std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes the man page of a file of variables, `NAME.5`: one for each option that has a variable.
///
/// # Errors
/// If the file cannot be written.
pub fn variables_page(
    command: &clap::Command,
    name: &str,
    file: &str,
    about: &str,
    directory: &Path,
) -> anyhow::Result<()> {
    let path = directory.join(format!("{name}.5"));
    let page = variables(command, name, file, about);
    std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
}

fn variables(command: &clap::Command, name: &str, file: &str, about: &str) -> String {
    let (program, mut page) = (command.get_name(), Roff::new());
    // The library quotes what has a space, not what is empty.
    let title = [name, "5", "\"\"", "\"\"", "Cloud Policy Engine"];
    page.control("TH", title).control("SH", ["NAME"]);
    page.text([roman(format!("{name} - {about}"))]);
    page.control("SH", ["SYNOPSIS"]).text([italic(file)]);
    page.control("SH", ["DESCRIPTION"]).text([roman(format!(
        "A line for each setting: VARIABLE=VALUE, without quotes, as systemd.exec(5) has it for EnvironmentFile=. Every variable may be \
         left out; one that is wrong is left out too, and said in the journal. They are those of {program}.service and count after its restart."
    ))]);
    page.control("SH", ["VARIABLES"]);
    for argument in command.get_arguments() {
        let Some(variable) = argument.get_env().and_then(|name| name.to_str()) else {
            continue;
        };
        let value = argument.get_value_names().and_then(|names| names.first());
        let value = value.map_or_else(String::new, ToString::to_string);
        page.control("TP", []);
        page.text([bold(variable), roman("="), italic(value)]);
        let help = argument.get_help().map(ToString::to_string);
        let defaults: Vec<_> = argument
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        let default = match defaults.join(",") {
            none if none.is_empty() => "Not set by default.".to_owned(),
            value => format!("Without it: {value}."),
        };
        let option = argument.get_long().unwrap_or_default();
        page.text([roman(format!("{}.", help.unwrap_or_default()))]);
        page.text([
            roman(format!("{default} The option is ")),
            bold(format!("--{option}")),
        ]);
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([roman(format!("{program}(8), systemd.exec(5)"))]);
    page.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_is_told_and_nothing_else() {
        let option = |name: &'static str| clap::Arg::new(name).long(name).help("What it is");
        let command = clap::Command::new("it")
            .arg(
                option("listen")
                    .value_name("ADDRESS")
                    .env("IT_LISTEN")
                    .default_value("here"),
            )
            .arg(option("other"));
        let page = variables(&command, "it.conf", "/etc/it.conf", "settings of it");
        let expected = ".TP\n\\fBIT_LISTEN\\fR=\\fIADDRESS\\fR\nWhat it is.\nWithout it: here. The option is \\fB\\-\\-listen\\fR\n.SH \"SEE ALSO\"";
        assert!(page.contains(expected), "{page}");
        assert!(!page.contains("other"), "{page}");
    }
}
