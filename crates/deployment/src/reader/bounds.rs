//! How much a service may say: it all goes to its guest with each operation.

use cpe_status::limits::{MAX_PARAMETER, MAX_PARAMETERS, MAX_PARAMETERS_SIZE};

use super::names::Names;
use crate::model::Deployment;
use crate::problem::{Problems, quote};
use crate::tree::Element;

/// What to do instead.
const HINT: &str = "put what is long into a file of the guest, and name the file";

/// Refuses what no guest would be given; in services, and in primitives of `raw`.
pub(super) fn check(
    deployment: &Deployment,
    names: &Names,
    raw: Option<&Element<'_>>,
    problems: &mut Problems,
) {
    for (index, offset) in names.services() {
        let service = &deployment.services[index];
        let parameters = service.parameters.iter();
        let pairs = parameters.map(|it| (it.name.as_str(), it.value.as_str()));
        let (who, pairs): (_, Vec<_>) = (quote(&service.name), pairs.collect());
        check_one(&format!("service {who}"), offset, &pairs, problems);
    }
    let Some(raw) = raw else { return };
    raw.visit(&mut |element| {
        if element.name != "primitive" && element.name != "template" {
            return;
        }
        let sets = element.children.iter();
        let sets = sets.filter(|set| set.name == "instance_attributes");
        let pairs = sets.flat_map(|set| &set.children);
        let pairs = pairs.filter_map(|pair| Some((pair.value("name")?, pair.value("value")?)));
        let name = quote(element.value("id").unwrap_or_default());
        let (who, pairs): (_, Vec<_>) = (format!("<{}> {name}", element.name), pairs.collect());
        check_one(&who, element.offset, &pairs, problems);
    });
}

fn check_one(who: &str, offset: usize, pairs: &[(&str, &str)], problems: &mut Problems) {
    let long = pairs.iter().find(|pair| pair.1.len() > MAX_PARAMETER);
    let size: usize = pairs.iter().map(|pair| pair.0.len() + pair.1.len()).sum();
    let message = match long {
        Some((name, value)) => format!(
            "the parameter {} of {who} has {} bytes: at most {MAX_PARAMETER} go to a guest",
            quote(name),
            value.len()
        ),
        None if size > MAX_PARAMETERS_SIZE => format!(
            "the parameters of {who} have {size} bytes with their names: at most {MAX_PARAMETERS_SIZE} go to a guest"
        ),
        None if pairs.len() > MAX_PARAMETERS => format!(
            "{who} has {} parameters: at most {MAX_PARAMETERS} go to a guest",
            pairs.len()
        ),
        None => return,
    };
    problems.refuse(offset, message, HINT.to_owned());
}
