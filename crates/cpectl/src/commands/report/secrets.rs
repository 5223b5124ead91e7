//! What a report does not tell unless it is asked to: values of parameters, attributes and options.

use cpe_bus::Event;
use cpe_status::DeploymentStatus;
use deployment::Masked;

const MASK: &str = "***";

/// A document or an input, and what to say about it.
pub(super) fn of_xml(text: String, with_secrets: bool) -> Result<(String, String), String> {
    if with_secrets {
        return Ok((text, "as it is".to_owned()));
    }
    let Masked {
        text,
        values,
        comments,
    } = deployment::mask(&text)
        .map_err(|error| format!("what is secret in it cannot be told: {error}"))?;
    let what = format!("{values} values and {comments} comments masked");
    Ok((text, what))
}

/// Takes the values of attributes and options out of a status.
pub(super) fn mask_status(status: &mut DeploymentStatus) {
    for value in status.values_mut() {
        MASK.clone_into(value);
    }
}

/// Takes the value of an attribute that was set out of an event.
pub(super) fn mask_event(event: &mut Event) {
    let Some(value) = event.details.get_mut("value") else {
        return;
    };
    if !value.is_empty() {
        event.reason = event.reason.replace(value.as_str(), MASK);
    }
    MASK.clone_into(value);
}

#[cfg(test)]
mod tests {
    use cpe_status::{AssemblyStatus, ReferenceStatus};

    use super::*;

    #[test]
    fn no_value_is_left_and_every_name_is() {
        let values = || [("name".to_owned(), "hunter2".to_owned())].into();
        let mut status = DeploymentStatus {
            options: values(),
            assemblies: vec![AssemblyStatus {
                attributes: values(),
                permanent: values(),
                told: values(),
                ..AssemblyStatus::default()
            }],
            references: vec![ReferenceStatus {
                value: Some("hunter2".to_owned()),
                settling: Some("hunter2".to_owned()),
                ..ReferenceStatus::default()
            }],
            ..DeploymentStatus::default()
        };
        mask_status(&mut status);
        let text = cpe_bus::json::to_json(&status).unwrap();
        assert_eq!(text.matches("***").count(), 6);
        assert!(!text.contains("hunter2"), "{text}");
        let mut event = Event {
            reason: "set-attribute name hunter2 forever, asked for by root".into(),
            details: [("value".to_owned(), "hunter2".to_owned())].into(),
            ..Event::default()
        };
        mask_event(&mut event);
        assert_eq!(
            event.reason,
            "set-attribute name *** forever, asked for by root"
        );
        assert_eq!(event.details["value"], "***");
    }

    #[test]
    fn what_cannot_be_masked_is_not_given() {
        assert!(of_xml("password=hunter2".into(), false).is_err());
        assert_eq!(of_xml("x".into(), true).unwrap().0, "x");
    }
}
