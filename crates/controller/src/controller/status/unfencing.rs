//! What is said of assemblies whose devices have to let them in.

use crate::controller::Controller;
use crate::machines::assembly::Assembly;
use crate::vocabulary::{AssemblyId, SECOND, Time};

impl Controller {
    /// The assemblies that are not let in yet, each with what it waits for.
    pub fn not_let_in(&self, now: Time) -> Vec<(String, String)> {
        let all = self.assemblies.iter();
        let said = all.map(|(name, own)| (name.to_string(), self.unfencing_text(now, name, own)));
        said.filter(|(_, text)| !text.is_empty()).collect()
    }

    /// What is to be seen of that in a status; empty: nothing.
    pub(super) fn unfencing_text(
        &self,
        now: Time,
        name: &AssemblyId,
        assembly: &Assembly,
    ) -> String {
        let own = assembly.unfencing();
        let devices = assembly.spec().unfenced_by.iter();
        let ids: Vec<&str> = devices.map(|it| it.device.id.as_str()).collect();
        let ids = ids.join(", ");
        if ids.is_empty() || !assembly.contact().is_up() {
            return String::new();
        }
        if self.is_cut_off(name) {
            let (were, do_not) = match assembly.spec().unfenced_by.len() {
                1 => ("was", "does not"),
                _ => ("were", "do not"),
            };
            return format!(
                "has to boot: {ids} {were} asked to cut it off, and {do_not} let it in before that"
            );
        }
        let is_wanted = self.execution.unfencing_of(name).is_some();
        let (failed, trouble) = own.failures();
        let failures = match failed {
            1 => format!("1 attempt failed: {trouble}"),
            _ => format!("{failed} attempts failed, the last: {trouble}"),
        };
        match (own.until_us(), own.deadline_us()) {
            (Some(_), _) if failed == 0 => format!("is being unfenced by {ids}"),
            (Some(_), _) => format!("is being unfenced by {ids}; {failures}"),
            (None, Some(next_us)) if failed > 0 || is_wanted => {
                let left_s = next_us.saturating_sub(now.boottime_us).div_ceil(SECOND);
                match failed {
                    0 => format!(
                        "waits to be unfenced by {ids}, in {left_s} s at the latest: a device may still be at work there"
                    ),
                    _ => format!("waits to be unfenced by {ids}, next in {left_s} s; {failures}"),
                }
            }
            _ => String::new(),
        }
    }
}
