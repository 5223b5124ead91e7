//! What scrapers are told: numbers of what the mirror knows, in the formats of Prometheus.
//!
//! ```text
//! facts      what a page is made of: what the caller may see, and nothing else
//! selection  which deployments fit, with their services and assemblies
//! families   writing series of one name
//! deployment, process, pacemaker   the pages
//! format     which of the two formats
//! requests   what the gateway itself is asked
//! ```
//!
//! A label never changes for its series, so that a service that moves makes no new one (on
//! Pacemaker's page it does). All states are told, with 0 where there is nothing: what is not there
//! is not known.

mod deployment;
mod facts;
mod families;
mod format;
mod pacemaker;
mod process;
mod requests;
mod selection;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;

use families::Families;

pub use facts::{Facts, Whole};
pub use format::Format;
pub use requests::Requests;

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The numbers of this system.
    Own,
    /// Those that Pacemaker's exporter has, for dashboards that are there.
    Pacemaker,
}

/// A page, as text.
///
/// # Errors
/// Never: what is written to is a text.
pub fn page(facts: Arc<Facts>, page: Page, format: Format) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Of(facts, page)));
    let mut text = String::new();
    format.write(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Of(Arc<Facts>, Page);

impl Collector for Of {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        let Of(facts, page) = self;
        match page {
            Page::Own => {
                let selection = selection::of_services(facts);
                process::for_all(facts, selection.dropped, &mut families)?;
                deployment::write(facts, &selection, &mut families)?;
                match &facts.whole {
                    Some(whole) => {
                        process::for_those_who_see_all(whole, &facts.tally, &mut families)
                    }
                    None => Ok(()),
                }
            }
            Page::Pacemaker => pacemaker::write(facts, &mut families),
        }
    }
}

#[cfg(test)]
mod tests;
