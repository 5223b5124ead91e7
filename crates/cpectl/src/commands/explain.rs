//! `cpectl explain`: why a service is where it is, why an assembly is not used, what is not as it
//! should be; as the policy engine notes it while it decides.

use std::borrow::Cow;

use cpe_bus::Fields;
use cpe_bus::fields::put;
use cpe_terminal::escape_text;
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::Failure;
use crate::options::Explain;
use crate::output::Output;

pub(crate) async fn run(
    client: &Client,
    arguments: &Explain,
    output: &Output,
) -> Result<(), Failure> {
    let Explain { name, service, .. } = arguments;
    let assembly = arguments.of_assembly.as_ref();
    let assembly = assembly.or(arguments.assembly.as_ref());
    let mut options = Fields::new();
    if let Some(service) = service {
        put(&mut options, "service", service.as_str());
    }
    if let Some(assembly) = assembly {
        put(&mut options, "assembly", assembly.as_str());
    }
    put(&mut options, "scores", arguments.scores);
    let deployment = client.deployment(name).await?;
    let answer = match deployment.get_explanation(options).await {
        Ok(answer) => answer,
        Err(error) => return Err(client.with_deployments(error).await),
    };
    let answer: Value = cpe_bus::json::from_json(&answer)?;
    let text = answer["text"].as_str().unwrap_or_default();
    if output.json {
        return output.json(&json!({
            "name": name, "service": service, "assembly": assembly,
            "explanation": text, "explanations": answer["explanations"],
        }));
    }
    output.text(&shown(text));
    Ok(())
}

/// The text for people, wherever it goes: what resource agents gave as reasons is in it.
fn shown(text: &str) -> Cow<'_, str> {
    escape_text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_an_agent_drives_no_terminal_behind_a_pipe() {
        let text = "s2 is stopped:\n  \"\u{1b}]0;owned\u{7} \u{202e}reverse\"";
        let escaped = "s2 is stopped:\n  \"\\u{1b}]0;owned\\u{7} \\u{202e}reverse\"";
        assert_eq!(shown(text), escaped);
    }
}
