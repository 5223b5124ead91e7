//! vsock: ports of the virtual machines of this host, which need no network.
//!
//! Whoever is root in any virtual machine of the host, or a process of the machine itself, may
//! connect: both sides show certificates, as on a network.

use std::io;
use std::os::fd::OwnedFd;

use cpe_status::{DEFAULT_PORT, PeerAddress};
use tokio_vsock::{VsockAddr, VsockListener, VsockStream};

use crate::{Error, Result};

/// Connects to a port of a virtual machine.
///
/// # Errors
/// [`Error::NotReady`] that names the address.
pub(super) async fn connect(address: &PeerAddress, cid: u32, port: Option<u32>) -> Result<OwnedFd> {
    let place = VsockAddr::new(cid, port.unwrap_or(DEFAULT_PORT.into()));
    let stream = VsockStream::connect(place).await.map_err(|error| {
        Error::NotReady(match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::AFNOSUPPORT) => format!(
                "{address} cannot be reached: this kernel has no vsock (modprobe vhost_vsock)"
            ),
            Some(rustix::io::Errno::NODEV) => format!(
                "no agent listens on {address}: there is no virtual machine {cid} with a vsock device, or this host has none for its virtual machines (modprobe vhost_vsock)"
            ),
            _ => format!("no agent listens on {address}: {error}"),
        })
    })?;
    prepare(stream).map_err(|error| Error::Failed(format!("cannot use {address}: {error}")))
}

/// Listens at a port of this machine.
///
/// # Errors
/// [`Error::Failed`] that names the address.
pub(super) fn bind(address: &PeerAddress, cid: u32, port: Option<u32>) -> Result<VsockListener> {
    let place = VsockAddr::new(cid, port.unwrap_or(DEFAULT_PORT.into()));
    VsockListener::bind(place)
        .map_err(|error| Error::Failed(format!("cannot listen on {address}: {error}")))
}

/// The socket of a connection, which does not block.
///
/// # Errors
/// Those of ioctl(2).
pub(super) fn prepare(stream: VsockStream) -> io::Result<OwnedFd> {
    let socket = OwnedFd::from(stream);
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}
