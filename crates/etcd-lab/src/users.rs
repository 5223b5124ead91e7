//! Users by the names of certificates, and what each may do.

use anyhow::Result;
use cpe_etcd::{CALL, Settings, Tls};
use etcd_client::{Client, Permission, UserAddOptions};

use crate::certificates::Authority;

/// What hosts may do.
#[derive(Clone, Copy, Debug)]
pub struct Rights<'a> {
    /// Keys that begin so, they read;
    pub read: &'a [&'a str],
    /// keys that begin so, they write too;
    pub write: &'a [&'a str],
    /// and the key that begins so and ends with its name, each writes alone.
    pub own: &'a [&'a str],
}

/// The user that may do everything, and its role: etcd's own name.
pub(crate) const ROOT: &str = "root";

/// The role of all hosts.
const HOST: &str = "host";

/// What a client of that user is given.
pub(crate) fn settings(
    authority: &Authority,
    user: &str,
    endpoints: Vec<String>,
) -> Result<Settings> {
    let identity = authority.user(user)?;
    Ok(Settings {
        endpoints,
        tls: Tls {
            authority: authority.certificate.clone(),
            certificate: identity.certificate,
            key: identity.key,
        },
        call: CALL,
    })
}

/// A client with calls of administrators, which [`cpe_etcd::Client`] does not have.
pub(crate) async fn connect(
    authority: &Authority,
    user: &str,
    endpoints: &[String],
) -> Result<Client> {
    let identity = authority.user(user)?;
    let tls = etcd_client::TlsOptions::new()
        .ca_certificate(etcd_client::Certificate::from_pem(&authority.certificate))
        .identity(etcd_client::Identity::from_pem(
            identity.certificate,
            identity.key,
        ));
    let options = etcd_client::ConnectOptions::new().with_tls(tls);
    Ok(Client::connect(endpoints, Some(options)).await?)
}

/// Makes the users, and turns on that they count.
pub(crate) async fn make(client: &mut Client, hosts: &[&str], rights: &Rights<'_>) -> Result<()> {
    client.role_add(ROOT).await?;
    add(client, ROOT, ROOT).await?;
    client.role_add(HOST).await?;
    for prefix in rights.read {
        let permission = Permission::read(*prefix).with_prefix();
        client.role_grant_permission(HOST, permission).await?;
    }
    for prefix in rights.write {
        let permission = Permission::read_write(*prefix).with_prefix();
        client.role_grant_permission(HOST, permission).await?;
    }
    for host in hosts {
        let role = format!("host-{host}");
        client.role_add(role.as_str()).await?;
        for prefix in rights.own {
            let permission = Permission::read_write(format!("{prefix}{host}"));
            client
                .role_grant_permission(role.as_str(), permission)
                .await?;
        }
        add(client, host, HOST).await?;
        client.user_grant_role(*host, role).await?;
    }
    client.auth_enable().await?;
    Ok(())
}

/// It comes with a certificate, and has no password.
async fn add(client: &mut Client, user: &str, role: &str) -> Result<()> {
    let options = UserAddOptions::new().with_no_pwd();
    client.user_add(user, "", Some(options)).await?;
    client.user_grant_role(user, role).await?;
    Ok(())
}
