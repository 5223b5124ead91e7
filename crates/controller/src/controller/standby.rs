//! Standby: services are kept off an assembly, or off all of them at once.

use super::Controller;
use super::plan::PlanInput;
use crate::vocabulary::{AssemblyId, Refusal, Time};

impl Controller {
    /// Keeps services off an assembly, or lets them back.
    pub(crate) fn standby(
        &mut self,
        assembly: &AssemblyId,
        on: bool,
        by: &str,
    ) -> Result<(), Refusal> {
        self.known_assembly(assembly)?;
        if self.store.assembly(assembly).standby != on {
            self.store.assembly_mut(assembly).standby = on;
            let word = if on { "on" } else { "off" };
            self.world_changed(&format!("standby of {assembly} is {word}{by}"));
        }
        Ok(())
    }

    /// Keeps services off all assemblies of the document, or lets them back: of all or of none.
    pub(crate) fn standby_of_all(&mut self, on: bool, by: &str) -> Result<(), Refusal> {
        self.known_deployment()?;
        let spec = self.document.spec();
        let names = spec.into_iter().flat_map(|spec| spec.assemblies.keys());
        let changed: Vec<AssemblyId> = names
            .filter(|name| self.store.assembly(name).standby != on)
            .cloned()
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        for name in &changed {
            self.store.assembly_mut(name).standby = on;
        }
        let word = if on { "on" } else { "off" };
        self.world_changed(&format!("standby of all assemblies is {word}{by}"));
        Ok(())
    }

    /// Asks what standby of an assembly (`None`: of all), or its end, would bring. Standby of one
    /// is refused if what runs there, or is on its way there, has no other place. That of all is
    /// not: who empties all knows that nothing runs then.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::NotReady`] while there are assemblies of which nothing is
    /// known.
    pub fn plan_standby(
        &self,
        now: Time,
        assembly: Option<&AssemblyId>,
        on: bool,
    ) -> Result<PlanInput, Refusal> {
        self.must_be_in_force()?;
        if let Some(name) = assembly {
            self.known_assembly(name)?;
        }
        let input = self.plan_with(now, |node| {
            let meant = match assembly {
                Some(name) => node.name == name,
                None => !node.retired,
            };
            if meant {
                node.standby = on;
            }
        })?;
        Ok(match assembly {
            Some(_) if on => input.that_keeps_all_of(self.cib(now)),
            _ => input,
        })
    }
}
