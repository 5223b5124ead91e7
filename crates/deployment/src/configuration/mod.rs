//! `<configuration>`: Pacemaker's own elements.

use crate::model::Deployment;
use crate::problem::Problems;
use crate::tree::Element;

pub(crate) fn read(element: &Element<'_>, problems: &mut Problems, _deployment: &mut Deployment) {
    problems.error(element.offset, "<configuration> is not read yet", None);
}
