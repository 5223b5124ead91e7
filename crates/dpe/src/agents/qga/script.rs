//! The script that carries an operation out in the guest, as `sh` runs it there: what each resource
//! class means. Exit codes are OCF's; `guest.sh` says what becomes of them.

use controller::Operation;
use cpe_bus::records::{EXIT_REASON, FEATURE_SET};
use cpe_bus::{Configure, Error, GuestSecret, ResourceClass};

use crate::convert::{self, begins_with_secrets};

/// Search path of resource agents and init scripts.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Timeout of operations that come without one.
const DEFAULT_TIMEOUT_MS: u32 = 20_000;
/// The last line: a script without it was cut short on its way.
const END: &str = "# end\n";

/// How long an operation may run, in whole seconds: what `timeout` of every guest takes.
pub(super) fn timeout_s(operation: &Operation) -> u32 {
    timeout_ms(operation).div_ceil(1000)
}

fn timeout_ms(operation: &Operation) -> u32 {
    match operation.timeout_ms {
        0 => DEFAULT_TIMEOUT_MS,
        given => given,
    }
}

/// The script; `ocf_root` is where resource agents are in the guest.
pub(super) fn of(operation: &Operation, ocf_root: &str) -> cpe_bus::Result<String> {
    if let Some(refusal) = unread(operation)? {
        return Ok(format!("{refusal}\n{END}"));
    }
    let before = before(operation, ocf_root)?;
    let own = match operation.class.parse::<ResourceClass>()? {
        ResourceClass::Ocf => ocf(operation, ocf_root)?,
        ResourceClass::Lsb => lsb(operation)?,
        ResourceClass::Systemd => unit(operation)?,
        ResourceClass::Service => service(operation)?,
    };
    Ok(format!("{before}{own}{END}"))
}

/// Why nothing is begun with a value that only our own agent reads in its guest.
fn unread(operation: &Operation) -> cpe_bus::Result<Option<String>> {
    let mut values = operation.parameters.iter();
    let place = values.find_map(|(name, value)| Some((name, GuestSecret::of_value(value)?)));
    match place.filter(|_| begins_with_secrets(operation)) {
        Some((name, place)) => {
            let reason = format!(
                "nothing reads the value of parameter {name} ({place}) in a guest without cpe-agent: run it there, or keep the service off it"
            );
            refusal(&reason, 7, 5).map(Some)
        }
        None => Ok(None),
    }
}

/// What is run before a start: in a shell of its own, by the helper, which knows whether it was.
fn before(operation: &Operation, ocf_root: &str) -> cpe_bus::Result<String> {
    let asked = convert::operation(operation.clone());
    let Some(configure) = &asked.configure else {
        return Ok(String::new());
    };
    let digest = configure.digest(&asked.parameters);
    let (name, file) = (quoted(configure.name())?, "\"$CPE_QGA_RECORD/script\"");
    let mut script = String::new();
    let program = match configure {
        Configure::Path(path) => quoted(path)?,
        Configure::Content { interpreter, text } => {
            // The shell has this file open; nobody else is to find the text in it.
            script += "rm -f \"$CPE_QGA_RECORD/act\"\n";
            script += &format!("printf %s {} > {file} || exit 1\n", quoted(text)?);
            let words = interpreter.split_whitespace().map(quoted);
            let words: Vec<String> = words.collect::<cpe_bus::Result<_>>()?;
            format!("{} {file}", words.join(" "))
        }
    };
    let (exports, odd) = exported(operation, ocf_root)?;
    script += &format!(
        "mkdir -p /run/resource-agents\n({exports}exec env{odd} sh \"$CPE_QGA\" \"$CPE_QGA_FOLDER\" - configure {name} {digest} {program}) || exit $?\n"
    );
    Ok(script)
}

/// The commands that export the environment of a resource agent, and words for `env` that give what
/// a shell cannot export.
fn exported(operation: &Operation, ocf_root: &str) -> cpe_bus::Result<(String, String)> {
    let (mut exports, mut odd) = (String::new(), String::new());
    for (name, value) in environment(operation, ocf_root) {
        let value = quoted(&value)?;
        if is_variable(&name) {
            exports += &format!("export {name}={value}\n");
        } else {
            odd += &format!(" {}={value}", quoted(&name)?);
        }
    }
    Ok((exports, odd))
}

/// A word of the shell.
pub(super) fn quoted(text: &str) -> cpe_bus::Result<String> {
    if text.contains('\0') {
        let text = "a value has the character NUL, which no program can be given";
        return Err(Error::InvalidArgument(text.to_owned()));
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// Says why nothing is run, with Pacemaker's status and OCF's exit code.
fn refusal(reason: &str, status: u32, code: u32) -> cpe_bus::Result<String> {
    let reason = quoted(&format!("{EXIT_REASON}{reason}"))?;
    Ok(format!(
        "{{ printf '%s\\n' {reason}; echo {status} > \"$CPE_QGA_RECORD/status\"; exit {code}; }}"
    ))
}

fn ocf(operation: &Operation, ocf_root: &str) -> cpe_bus::Result<String> {
    let (provider, kind) = (&operation.provider, &operation.kind);
    if provider.is_empty() {
        let reason = format!("ocf:{kind} has no provider");
        return Ok(format!("{}\n", refusal(&reason, 7, 5)?));
    }
    let path = format!("{ocf_root}/resource.d/{provider}/{kind}");
    let absent =
        format!("resource agent ocf:{provider}:{kind} is not installed: there is no {path}");
    let program = quoted(&path)?;
    let mut script = format!("[ -f {program} ] || {}\n", refusal(&absent, 7, 5)?);
    let locked = format!("{path} cannot be executed");
    script += &format!("[ -x {program} ] || {}\n", refusal(&locked, 5, 4)?);
    script += "mkdir -p /run/resource-agents\nunset CPE_QGA CPE_QGA_FOLDER CPE_QGA_RECORD\n";
    let (exports, odd) = exported(operation, ocf_root)?;
    script += &exports;
    let action = quoted(operation.action.as_str())?;
    script += &match odd.as_str() {
        "" => format!("exec {program} {action}\n"),
        odd => format!("exec env{odd} {program} {action}\n"),
    };
    Ok(script)
}

fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next();
    first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// As of our own agent, but for the tools of node attributes, which such a guest does not have.
fn environment(operation: &Operation, ocf_root: &str) -> Vec<(String, String)> {
    let parameters = &operation.parameters;
    let level = parameters.get("OCF_CHECK_LEVEL");
    let mut all: Vec<(String, String)> = [
        ("PATH", PATH),
        ("LANG", "C.UTF-8"),
        ("HOME", "/root"),
        ("OCF_RA_VERSION_MAJOR", "1"),
        ("OCF_RA_VERSION_MINOR", "1"),
        ("OCF_ROOT", ocf_root),
        ("OCF_RESOURCE_INSTANCE", &operation.resource),
        ("OCF_RESOURCE_TYPE", &operation.kind),
        ("OCF_RESOURCE_PROVIDER", &operation.provider),
        ("OCF_EXIT_REASON_PREFIX", EXIT_REASON),
        ("OCF_CHECK_LEVEL", level.map_or("0", String::as_str)),
        ("HA_RSCTMP", "/run/resource-agents"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let given = parameters.iter();
    all.extend(given.map(|(name, value)| (format!("OCF_RESKEY_{name}"), value.clone())));
    let (name, value) = FEATURE_SET;
    if !parameters.contains_key(name) {
        all.push((format!("OCF_RESKEY_{name}"), value.to_owned()));
    }
    let given = operation.meta.iter();
    all.extend(given.map(|(name, value)| (meta_variable(name), value.clone())));
    for (name, value) in [
        ("timeout", timeout_ms(operation).to_string()),
        ("interval", operation.interval_ms.to_string()),
        ("name", operation.action.to_string()),
    ] {
        let variable = meta_variable(name);
        if !all.iter().any(|(known, _)| *known == variable) {
            all.push((variable, value));
        }
    }
    all
}

/// `CRM_meta_on-fail` and `on-fail` → `OCF_RESKEY_CRM_meta_on_fail`.
fn meta_variable(name: &str) -> String {
    let name = name.strip_prefix("CRM_meta_").unwrap_or(name);
    format!("OCF_RESKEY_CRM_meta_{}", name.replace('-', "_"))
}

/// The codes of an init script's `status` are others than those of its actions (Linux Standard Base
/// 5.0, "Init Script Actions").
fn lsb(operation: &Operation) -> cpe_bus::Result<String> {
    let kind = &operation.kind;
    let (argument, codes) = match operation.action.as_str() {
        "monitor" | "status" => ("status", "0) exit 0 ;; 1 | 2 | 3) exit 7 ;;"),
        action @ ("start" | "stop" | "restart" | "reload" | "force-reload") => {
            (action, "[0-7]) exit $code ;;")
        }
        other => {
            let reason = format!("init scripts have no action {other}");
            return Ok(format!("{}\n", refusal(&reason, 3, 3)?));
        }
    };
    let path = format!("/etc/init.d/{kind}");
    let absent = refusal(&format!("there is no init script {path}"), 7, 5)?;
    let script = quoted(&path)?;
    // Debian's init functions would hand the action to systemd; class systemd is for that.
    Ok(format!(
        "[ -f {script} ] || {absent}\n\
         export LANG=C.UTF-8 HOME=/root _SYSTEMCTL_SKIP_REDIRECT=true SYSTEMCTL_SKIP_REDIRECT=true\n\
         {script} {argument}\n\
         code=$?\n\
         case $code in {codes} *) exit 1 ;; esac\n"
    ))
}

fn unit(operation: &Operation) -> cpe_bus::Result<String> {
    let name = quoted(&unit_name(&operation.kind))?;
    let action = quoted(operation.action.as_str())?;
    Ok(format!(
        "exec sh \"$CPE_QGA\" \"$CPE_QGA_FOLDER\" - unit {action} {name}\n"
    ))
}

/// The unit, or the init script where systemd says that there is no unit, or there is no systemd.
fn service(operation: &Operation) -> cpe_bus::Result<String> {
    let name = quoted(&unit_name(&operation.kind))?;
    let (unit, script) = (unit(operation)?, lsb(operation)?);
    let reason = format!(
        "systemd cannot be asked whether it has a unit named {}",
        operation.kind
    );
    let unknown = refusal(&reason, 4, 1)?;
    Ok(format!(
        "if command -v systemctl > /dev/null && [ -d /run/systemd/system ]; then\n\
         sh \"$CPE_QGA\" \"$CPE_QGA_FOLDER\" - has-unit {name}\n\
         case $? in 1) ;; 0) {unit} ;; *) {unknown} ;; esac\n\
         fi\n\
         {script}"
    ))
}

/// `nginx` → `nginx.service`; names that have a unit type stay.
fn unit_name(name: &str) -> String {
    let types = [
        "service",
        "socket",
        "device",
        "mount",
        "automount",
        "swap",
        "target",
        "path",
        "timer",
        "slice",
        "scope",
    ];
    match name.rsplit_once('.') {
        Some((_, kind)) if types.contains(&kind) => name.to_owned(),
        _ => format!("{name}.service"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::process::Command;

    use super::*;

    fn operation(class: &str, action: &str) -> Operation {
        Operation {
            id: "1:1:0:u".into(),
            resource: "web".into(),
            class: class.into(),
            provider: "own".into(),
            kind: "Thing".into(),
            action: action.into(),
            ..Operation::default()
        }
    }

    #[test]
    fn every_class_is_a_script_that_a_shell_can_read() {
        for class in ["ocf", "lsb", "systemd", "service"] {
            for action in ["start", "monitor", "migrate_to"] {
                let script = of(&operation(class, action), "/usr/lib/ocf").unwrap();
                assert!(script.ends_with(END), "{script}");
                let read = Command::new("sh").args(["-n", "-c", &script]).status();
                assert!(read.unwrap().success(), "{script}");
            }
        }
    }

    #[test]
    fn values_reach_the_agent_as_they_are_and_are_no_commands() {
        let folder = tempfile::tempdir().unwrap();
        let agents = folder.path().join("resource.d/own");
        std::fs::create_dir_all(&agents).unwrap();
        let agent = agents.join("Thing");
        std::fs::write(
            &agent,
            "#!/bin/sh\ntr '\\0' '\\n' < /proc/$$/environ; echo \"did $1\"\n",
        )
        .unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&agent, mode).unwrap();
        let strange = "a'b\"c $(touch /nonexistent/x) `id` \\ ;&";
        let asked = Operation {
            parameters: BTreeMap::from([
                ("plain".into(), strange.into()),
                ("odd-name".into(), strange.into()),
            ]),
            meta: BTreeMap::from([("CRM_meta_on-fail".into(), "restart".into())]),
            timeout_ms: 1500,
            ..operation("ocf", "start")
        };
        let script = of(&asked, folder.path().to_str().unwrap()).unwrap();
        let mut shell = Command::new("sh");
        let ran = shell.args(["-c", &script]).env_clear().output().unwrap();
        let said = String::from_utf8(ran.stdout).unwrap();
        assert!(ran.status.success(), "{said}");
        for expected in [
            &format!("OCF_RESKEY_plain={strange}"),
            &format!("OCF_RESKEY_odd-name={strange}"),
            "OCF_RESKEY_CRM_meta_on_fail=restart",
            "OCF_RESKEY_CRM_meta_timeout=1500",
            "OCF_RESOURCE_INSTANCE=web",
            "did start",
        ] {
            assert!(
                said.lines().any(|line| line == expected),
                "{expected}: {said}"
            );
        }
        assert_eq!(timeout_s(&asked), 2);
    }

    #[test]
    fn what_no_program_can_be_given_is_refused() {
        let asked = Operation {
            parameters: BTreeMap::from([("a".into(), "b\0c".into())]),
            ..operation("ocf", "start")
        };
        assert!(
            of(&asked, "/usr/lib/ocf")
                .unwrap_err()
                .message()
                .contains("NUL")
        );
    }
}
