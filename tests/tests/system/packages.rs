//! The packages, of Debian and RPM.

use end_to_end::packages;

#[test]
fn debian_packages_are_made_and_lintian_has_nothing_to_say() {
    packages::lintian_has_nothing_to_say();
}

#[test]
fn rpm_packages_hold_every_file_once_and_rpmlint_has_nothing_to_say() {
    packages::rpmlint_has_nothing_to_say();
}

#[test]
fn packages_are_installed_upgraded_refused_removed_and_purged() {
    packages::debian_packages_live_and_go();
}

#[test]
fn rpm_packages_are_installed_upgraded_refused_and_removed() {
    packages::rpm_packages_live_and_go();
}
