//! `cpectl explain`: why a service is where it is, as the policy engine notes it while it decides.

use serde_json::json;

use crate::client::Client;
use crate::failure::Failure;
use crate::options::Explain;
use crate::output::Output;

pub(crate) async fn run(
    client: &Client,
    arguments: &Explain,
    output: &Output,
) -> Result<(), Failure> {
    let Explain {
        name,
        service,
        assembly,
    } = arguments;
    let text = client
        .deployment(name)
        .await?
        .explain(service, assembly.as_deref().unwrap_or(""))
        .await;
    let text = match text {
        Ok(text) => text,
        Err(error) => return Err(client.with_deployments(error).await),
    };
    if output.json {
        return output.json(&json!({
            "name": name, "service": service, "assembly": assembly, "explanation": text,
        }));
    }
    output.text(&text);
    Ok(())
}
