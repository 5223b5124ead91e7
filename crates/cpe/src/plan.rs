//! What would be done with a document, without doing it.

use std::sync::Arc;

use cpe_bus::Result;

use crate::documents::Accepted;
use crate::session::Session;
use crate::supervisor;

/// The plan as JSON: of the running DPE, which knows the state of the guests.
pub async fn plan(session: &Arc<Session>, accepted: Accepted) -> Result<String> {
    supervisor::proxy(session, &accepted.name)
        .await?
        .plan(&accepted.text)
        .await
}
