//! Who is at the other end of a connection: the kernel says which process, and its control group of
//! which deployment's unit it is. What a request says of itself is not believed.

use std::os::unix::net::UnixStream;

use anyhow::{Context, bail};

/// Whose requests are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Processes of a unit `dpe@NAME.service`, for the deployment NAME.
    Units,
    /// Everybody who can connect, for any deployment. For tests.
    Anyone,
}

impl Callers {
    /// Makes sure that the other end may speak for a deployment.
    pub(crate) fn check(self, stream: &UnixStream, deployment: &str) -> anyhow::Result<()> {
        if self == Callers::Anyone {
            return Ok(());
        }
        let peer =
            rustix::net::sockopt::socket_peercred(stream).context("it is not known who asks")?;
        let pid = peer.pid.as_raw_nonzero();
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup"))
            .with_context(|| format!("it is not known of which unit process {pid} is"))?;
        match deployment_of(&groups, rustix::process::geteuid().is_root()) {
            Some(own) if own == deployment => Ok(()),
            Some(own) => bail!("the DPE of \"{own}\" asks for deployment \"{deployment}\""),
            None => bail!("process {pid}, which asks, is not of a unit dpe@NAME.service"),
        }
    }
}

/// The deployment of a DPE's unit, by /proc/PID/cgroup. `as_root`: what a user's own manager has
/// started may have any name, and does not count.
fn deployment_of(groups: &str, as_root: bool) -> Option<&str> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let of_a_user = path.split('/').any(|part| part.starts_with("user@"));
    if as_root && of_a_user {
        return None;
    }
    let unit = path.rsplit('/').next()?;
    unit.strip_prefix("dpe@")?.strip_suffix(".service")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_is_known_by_the_unit_of_its_dpe() {
        let system = "0::/system.slice/system-dpe.slice/dpe@shop.service\n";
        assert_eq!(deployment_of(system, true), Some("shop"));
        let user = "1:x:/a\n0::/user.slice/user@7.service/app.slice/dpe@a-1.service\n";
        assert_eq!(deployment_of(user, false), Some("a-1"));
        assert_eq!(
            deployment_of(user, true),
            None,
            "any user may call a unit so"
        );
        for other in [
            "0::/system.slice/cpe.service\n",
            "0::/system.slice/dpe@shop.service/inner\n",
            "0::/user.slice/user-1000.slice/session-1.scope\n",
            "",
        ] {
            assert_eq!(deployment_of(other, false), None, "{other}");
        }
    }

    #[test]
    fn who_is_of_no_such_unit_is_refused() {
        let (ours, _its) = UnixStream::pair().unwrap();
        let refused = Callers::Units.check(&ours, "shop").unwrap_err();
        assert!(
            refused.to_string().contains("dpe@NAME.service"),
            "{refused}"
        );
        assert!(Callers::Anyone.check(&ours, "shop").is_ok());
    }
}
