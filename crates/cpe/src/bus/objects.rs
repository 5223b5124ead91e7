//! The objects of the deployments: one for each deployment of the registry, with a task that sends
//! PropertiesChanged when the registry says that something changed.

use std::collections::HashMap;
use std::sync::Arc;

use cpe_bus::names::{CPE_PATH, deployment_path};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use zbus::fdo::ObjectManager;

use super::deployment::{Announced, DeploymentObject, announce};
use crate::host::Host;
use crate::registry::Deployment;
use crate::rights::Strangers;

/// What is on the bus of one connection.
#[derive(Default)]
pub(crate) struct Objects {
    published: Mutex<HashMap<String, Published>>,
    /// Whether the list of all objects is there, for everybody to read and to follow.
    listed: Mutex<bool>,
}

struct Published {
    deployment: Arc<Deployment>,
    announcing: Option<AbortHandle>,
}

impl Objects {
    /// Follows the registry until the connection ends.
    pub(crate) async fn follow(self: Arc<Objects>, host: Arc<Host>) {
        let mut registry = host.core.registry.watch();
        loop {
            registry.mark_unchanged();
            if let Err(error) = self.synchronize(&host).await {
                tracing::warn!("cannot bring the objects on the bus up to date: {error}");
            }
            if registry.changed().await.is_err() {
                return;
            }
        }
    }

    /// Follows the rights until the connection ends.
    pub(crate) async fn follow_rights(self: Arc<Objects>, host: Arc<Host>) {
        let mut rights = host.core.rights.subscribe();
        loop {
            if let Err(error) = self.list(&host).await {
                tracing::warn!("cannot change whether objects on the bus are listed: {error}");
            }
            if rights.changed().await.is_err() {
                return;
            }
        }
    }

    /// Lists the objects (`org.freedesktop.DBus.ObjectManager`), or does not where strangers see
    /// nothing: who comes and goes is told to everybody on the bus.
    pub(crate) async fn list(&self, host: &Host) -> zbus::Result<()> {
        let mut listed = self.listed.lock().await;
        let wanted = host.core.policy().strangers == Strangers::Look;
        let server = host.connection.object_server();
        match (*listed, wanted) {
            (false, true) => {
                server.at(CPE_PATH, ObjectManager).await?;
            }
            (true, false) => {
                server.remove::<ObjectManager, _>(CPE_PATH).await?;
            }
            _ => {}
        }
        *listed = wanted;
        Ok(())
    }

    /// Brings the objects in line with the registry. A deployment that was destroyed and created
    /// again is another deployment under the same name: its object is replaced.
    pub(crate) async fn synchronize(&self, host: &Arc<Host>) -> zbus::Result<()> {
        let mut published = self.published.lock().await;
        let wanted = host.core.registry.all();
        let by_name: HashMap<&str, &Arc<Deployment>> = wanted
            .iter()
            .map(|deployment| (deployment.name.as_str(), deployment))
            .collect();
        let gone: Vec<Published> = published
            .extract_if(|name, object| {
                let same = by_name.get(name.as_str());
                !same.is_some_and(|wanted| Arc::ptr_eq(wanted, &object.deployment))
            })
            .map(|(_, object)| object)
            .collect();
        for object in gone {
            if let Some(announcing) = object.announcing {
                announcing.abort();
            }
            remove(host, &object.deployment.name).await;
        }
        for deployment in &wanted {
            if !published.contains_key(&deployment.name) {
                let object = add(host, deployment).await?;
                published.insert(deployment.name.clone(), object);
            }
        }
        Ok(())
    }
}

async fn add(host: &Arc<Host>, deployment: &Arc<Deployment>) -> zbus::Result<Published> {
    // Read before the object can be: what changes in between is announced.
    let current = deployment.watch();
    let announced = Announced::of(&current.borrow());
    let path = deployment_path(&deployment.name);
    let server = host.connection.object_server();
    server
        .at(path.as_str(), DeploymentObject::new(host, deployment))
        .await?;
    let object = server.interface::<_, DeploymentObject>(path).await?;
    let announcing = host.spawn(announce(Arc::clone(&host.core), object, current, announced));
    Ok(Published {
        deployment: Arc::clone(deployment),
        announcing,
    })
}

async fn remove(host: &Host, deployment: &str) {
    let path = deployment_path(deployment);
    let server = host.connection.object_server();
    if let Err(error) = server.remove::<DeploymentObject, _>(path).await {
        tracing::debug!("object of {deployment}: {error}");
    }
}
