//! Secrets: which parameters have one, and how a document names where it is instead.
//!
//! Those of fence agents are in files of the host, those of services in their guests. They are read
//! where agents are run, by root. So such a secret is in no document, no saved state, no input of
//! the policy engine and no message.

use cpe_status::GuestSecret;

/// Where the files are: those in it are for every deployment, those in a folder of a deployment's
/// name for that one.
pub const SECRETS: &str = "/etc/cpe/secrets/";
/// Before the path of a file, as a value: what is in the file.
const CONTENT: &str = "cpe-secret-file:";
/// Before the path of a file, as a value: the path of a copy of the file.
const PATH: &str = "cpe-secret-path:";
/// Words of which one is in the name of each parameter with a secret, as the usual agents call
/// them.
const WORDS: [&str; 5] = ["passw", "secret", "token", "community", "passphrase"];
/// Other names.
const NAMES: [&str; 8] = [
    "access_key",
    "apikey",
    "api_key",
    "credentials",
    "pass",
    "private_key",
    "pwd",
    "snmp_priv_passwd",
];
/// How other names end.
const ENDS: [&str; 3] = ["_pass", "_pwd", "_private_key"];
/// The value by which Pacemaker's cibsecret says that it is in files of the cluster's nodes.
pub(crate) const CIBSECRET: &str = "lrm://";
/// What is wrong with that.
const IN_CIBSECRET: &str = "is kept by Pacemaker's cibsecret on the nodes of a cluster, where nothing of this system reads it";

/// A value that is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretUse<'a> {
    /// What is in the file of this path.
    Content(&'a str),
    /// The path of a copy of the file of this path, which the agent can read.
    Copy(&'a str),
}

/// Whether a value is in a file, as the attributes `file` and `path_of` say it, and as the
/// parameters of `<configuration>` say it in words.
pub fn secret_use(value: &str) -> Option<SecretUse<'_>> {
    let content = value.strip_prefix(CONTENT).map(SecretUse::Content);
    content.or_else(|| value.strip_prefix(PATH).map(SecretUse::Copy))
}

/// Whether the value of a parameter of that name is a secret, by its name: password, passwd,
/// secret_key, token_value and the like, not the file or the program that gives it.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let leads = ["_script", "_file", "_path"]
        .iter()
        .any(|end| name.ends_with(end));
    let is_one = WORDS.iter().any(|word| name.contains(word))
        || NAMES.contains(&name.as_str())
        || ENDS.iter().any(|end| name.ends_with(end));
    !leads && is_one
}

/// What is wrong with a value, and what would be right.
pub(crate) type Wrong = (&'static str, String);

/// Checks where a service's parameter has its value, if it is not in the document.
///
/// # Errors
/// If nothing reads it from there.
pub(crate) fn check_of_service(value: &str) -> Result<(), Wrong> {
    let instead = "put it into a file of each guest in which the service may run (root's, and only root may write to it), \
                   and write file=\"/etc/app/password\" (in <configuration>: value=\"cpe-guest-file:/etc/app/password\")";
    if value.starts_with(CIBSECRET) {
        return Err((IN_CIBSECRET, instead.to_owned()));
    }
    if secret_use(value).is_some() {
        let what = "is in a file of the host, and only fence agents run there";
        return Err((what, instead.to_owned()));
    }
    let guest = GuestSecret::of_value(value);
    let checked = guest.map_or(Ok(()), |secret| secret.check());
    checked.map_err(|expected| ("is in no place of a guest that can be read", expected))
}

/// The same of a fence agent; which file of the host it may be, [`check`] says.
///
/// # Errors
/// If nothing reads it from there.
pub(crate) fn check_of_fencing(value: &str, deployment: &str) -> Result<(), Wrong> {
    let what = if value.starts_with(CIBSECRET) {
        IN_CIBSECRET
    } else if GuestSecret::of_value(value).is_some() {
        "is in a file of a guest, and fence agents run on the host"
    } else {
        return Ok(());
    };
    let file = format!("{SECRETS}{deployment}/password");
    let hint = format!(
        "put it into a file of the host (root only), and write file=\"{file}\" (in <configuration>: value=\"{}\")",
        content_of(&file)
    );
    Err((what, hint))
}

/// The value that stands for what is in a file.
pub(crate) fn content_of(path: &str) -> String {
    format!("{CONTENT}{path}")
}

/// The value that stands for the path of a copy of a file.
pub(crate) fn path_of(path: &str) -> String {
    format!("{PATH}{path}")
}

/// Checks a value of a deployment's fence agent: if it is in a file, in one that the deployment
/// may use.
///
/// # Errors
/// What would be right.
pub(crate) fn check(value: &str, deployment: &str) -> Result<(), String> {
    let (SecretUse::Content(path) | SecretUse::Copy(path)) = match secret_use(value) {
        Some(used) => used,
        None => return Ok(()),
    };
    let plain = |part: &&str| {
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        (1..=128).contains(&part.len()) && !part.starts_with('.') && part.chars().all(valid)
    };
    let parts: Vec<&str> = path
        .strip_prefix(SECRETS)
        .unwrap_or_default()
        .split('/')
        .collect();
    let own = match parts[..] {
        [_] => true,
        [folder, _] => folder == deployment,
        _ => false,
    };
    match own && parts.iter().all(plain) {
        true => Ok(()),
        false => Err(format!(
            "expected a file in {SECRETS} or in {SECRETS}{deployment}/, such as '{SECRETS}{deployment}/password'"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_the_names_of_the_usual_agents() {
        for name in [
            "password",
            "passwd",
            "snmp_priv_passwd",
            "secret_key",
            "access_key",
            "token_value",
            "pve_token",
            "community",
            "Client-Secret",
            "inet4_passwd",
            "db_pass",
            "db_pwd",
            "private_key",
            "ssh_private_key",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "username",
            "ip",
            "identity_file",
            "passwd_script",
            "password_script",
            "key_file",
            "bypass",
            "pass_through",
            "private_key_file",
            "primary_key",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn services_have_files_of_guests_and_fence_agents_those_of_the_host() {
        let guest = GuestSecret::File("/etc/app/password".into()).to_value();
        let host = content_of("/etc/cpe/secrets/ipmi");
        for value in ["", "hunter2", &guest] {
            check_of_service(value).unwrap();
        }
        for value in [
            &host,
            "lrm://",
            "cpe-guest-file:password",
            "cpe-guest-credential:a/b",
        ] {
            check_of_service(value).unwrap_err();
        }
        for value in ["", "hunter2", &host] {
            check_of_fencing(value, "shop").unwrap();
        }
        for value in [&guest, "lrm://"] {
            let (_, hint) = check_of_fencing(value, "shop").unwrap_err();
            assert!(hint.contains("/etc/cpe/secrets/shop/"), "{hint}");
        }
    }

    #[test]
    fn a_deployment_may_use_the_common_files_and_its_own() {
        for path in ["/etc/cpe/secrets/ipmi", "/etc/cpe/secrets/shop/key.pem"] {
            check(&content_of(path), "shop").unwrap();
            check(&path_of(path), "shop").unwrap();
        }
        for path in [
            "/etc/cpe/secrets/other/key",
            "/etc/cpe/secrets/../shadow",
            "/etc/cpe/secrets/.x",
            "/etc/cpe/secrets/",
            "/etc/shadow",
            "ipmi",
            "",
        ] {
            assert!(check(&content_of(path), "shop").is_err(), "{path}");
        }
        assert!(
            check("/etc/shadow", "shop").is_ok(),
            "a value like any other"
        );
    }
}
