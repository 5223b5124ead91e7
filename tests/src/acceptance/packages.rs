//! Check 11: packages, in private systems of their own in which nothing of ours is.

use end_to_end::packages;

use crate::report::Findings;
use crate::stage::Stage;

pub(crate) fn packages(_: &Stage, findings: &mut Findings) {
    findings.attempt(
        "lintian --fail-on error,warning has nothing to say of the four Debian packages",
        packages::lintian_has_nothing_to_say,
    );
    findings.attempt(
        "rpmlint has nothing to say of the four RPMs, which hold every file once",
        packages::rpmlint_has_nothing_to_say,
    );
    findings.attempt(
        "Debian packages: installed, used, man -w finds the pages of programs, files and words, upgraded with the same processes of services, no downgrade, removal refused with a deployment, purged: no file, no unit left",
        packages::debian_packages_live_and_go,
    );
    findings.attempt(
        "RPMs: installed, used, upgraded with the same processes of services, removal refused with a deployment, removed",
        packages::rpm_packages_live_and_go,
    );
}
