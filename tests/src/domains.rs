//! Two virtual machines as domains of libvirt, and what switches their power.

use crate::{Lab, System};

/// The machines and the last numbers of their addresses. The first has our agent, behind a
/// certificate; the second the QEMU guest agent alone.
pub const MACHINES: [(&str, u32); 2] = [("vm1", 21), ("vm2", 22)];

/// The power switch of both, as docs/fencing.md says it.
pub const FENCE_VIRSH: &str = r#"<fencing mode="agent" agent="fence_virsh" timeout="30s"><parameters>
      <parameter name="ip" value="localhost"/><parameter name="username" value="power"/><parameter name="ssh" value="1"/>
      <parameter name="identity_file" path_of="/etc/cpe/secrets/shop/virsh"/></parameters></fencing>"#;

/// Boots them in a private system: `tests/lab/vm.sh` has how.
#[track_caller]
pub fn boot(name: &str) -> Lab {
    let lab = Lab::boot_with_machines(name);
    lab.sh(
        "cpectl pki init; cpectl pki issue shop vm1 --output /srv/vm1
         /srv/lab/vm.sh libvirt; /srv/lab/vm.sh domain vm1 21 /srv/vm1; /srv/lab/vm.sh domain vm2 22
         virsh --quiet start vm1; virsh --quiet start vm2
         for at in 21 22; do until ping -q -c 1 -W 1 10.77.0.$at > /dev/null; do :; done; done
         ssh-keygen -q -t ed25519 -N '' -f /srv/key
         install -o power -m 0600 /srv/key.pub ~power/.ssh/authorized_keys
         install -d -m 0700 /etc/cpe/secrets/shop; install -m 0600 /srv/key /etc/cpe/secrets/shop/virsh
         install -d -m 0750 -g cpe-fence /var/lib/cpe-fence/.ssh
         ssh-keyscan localhost > /var/lib/cpe-fence/.ssh/known_hosts
         chmod 0640 /var/lib/cpe-fence/.ssh/known_hosts; chgrp cpe-fence /var/lib/cpe-fence/.ssh/known_hosts",
    )
    .ok();
    lab
}

/// The machines whose web server answers with its own name.
pub fn serving(lab: &Lab) -> Vec<&'static str> {
    let answers = |(name, number): &(&str, u32)| {
        let url = format!("http://10.77.0.{number}:8080/");
        let visit = lab.run(&["curl", "-fsS", "--max-time", "2", &url]);
        visit.stdout.contains(name)
    };
    let serving = MACHINES.into_iter().filter(answers);
    serving.map(|(name, _)| name).collect()
}
