//! The words for states, each an enum: written in kebab case, and `Unknown` for a word of a later
//! version, so that an old reader survives a new writer.

/// Declares an enum of states with its words, `Unknown` last.
macro_rules! states {
    (
        $(#[$doc:meta])*
        $name:ident { $( $(#[$variant_doc:meta])* $variant:ident = $word:literal, )* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $( $(#[$variant_doc])* $variant, )* }

        impl Default for $name {
            fn default() -> Self {
                $name::Unknown
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Ok($name::from_word(&word))
            }
        }

        impl $name {
            /// All of them, `Unknown` last.
            pub const ALL: &[$name] = &[$( $name::$variant, )*];

            /// Its word, as on the bus.
            pub const fn as_str(self) -> &'static str {
                match self { $( $name::$variant => $word, )* }
            }

            /// The state of a word; `Unknown` for a word that this version does not know.
            pub fn from_word(word: &str) -> $name {
                match word { $( $word => $name::$variant, )* _ => $name::Unknown }
            }
        }
    };
}

states! {
    /// The state of a deployment: does everything run that its policy asks for?
    DeploymentState {
        /// The CPE has the document; nothing runs yet.
        Stored = "stored",
        /// The DPE's unit is being started.
        Starting = "starting",
        /// The DPE is loading the document and taking up the state from the agents.
        Loading = "loading",
        /// Everything that the policy asks for runs.
        Active = "active",
        /// Not everything runs, or an assembly is lost.
        Degraded = "degraded",
        /// It cannot be kept running.
        Failed = "failed",
        /// It is being destroyed.
        Destroying = "destroying",
        /// A state of a later version.
        Unknown = "unknown",
    }
}

states! {
    /// The state of a DPE, as it says it on the bus.
    DpeState {
        /// It has no document.
        Empty = "empty",
        /// It loads the document and takes up the state from the agents.
        Loading = "loading",
        /// Everything that the policy asks for runs.
        Active = "active",
        /// Not everything runs, or an assembly is lost.
        Degraded = "degraded",
        /// It cannot keep the deployment running.
        Failed = "failed",
        /// It stops or releases the services, because the deployment ends.
        Unloading = "unloading",
        /// The deployment has ended.
        Unloaded = "unloaded",
        /// A state of a later version.
        Unknown = "unknown",
    }
}

states! {
    /// The state of an assembly as its DPE sees it.
    AssemblyState {
        /// Its agent answers.
        Online = "online",
        /// Online, but keeps no services.
        Standby = "standby",
        /// Online, but its services are left alone.
        Maintenance = "maintenance",
        /// Online, but its guest goes down as planned, or its agent for good: its services move or
        /// stop.
        Leaving = "leaving",
        /// Its heartbeats are missing.
        Lost = "lost",
        /// It is being made safe.
        Fencing = "fencing",
        /// Known to be down.
        Offline = "offline",
        /// The guest at its address belongs to another deployment or assembly. It is left alone.
        Occupied = "occupied",
        /// Nothing is known about it yet. Unknown is not down.
        Unknown = "unknown",
    }
}

states! {
    /// The state of one instance of a service.
    ServiceState {
        /// Runs nowhere, as it should.
        Stopped = "stopped",
        /// Is being started.
        Starting = "starting",
        /// Runs.
        Started = "started",
        /// Runs in the promoted role.
        Promoted = "promoted",
        /// Is being stopped.
        Stopping = "stopping",
        /// Its last operation failed.
        Failed = "failed",
        /// Should run, but can run nowhere.
        Blocked = "blocked",
        /// Is left alone (unmanaged or in maintenance).
        Unmanaged = "unmanaged",
        /// Nothing is known about it yet.
        Unknown = "unknown",
    }
}

states! {
    /// The role of one instance of a service.
    ServiceRole {
        /// It does not run.
        Stopped = "stopped",
        /// It runs.
        Started = "started",
        /// It runs and is promoted.
        Promoted = "promoted",
        /// Nothing is known about it, or it is just changing.
        Unknown = "unknown",
    }
}

states! {
    /// What a part of the tree of services is.
    ResourceKind {
        /// One service.
        Service = "service",
        /// Services that run together.
        Group = "group",
        /// Instances of a service or a group.
        Clone = "clone",
        /// Replicas of a container.
        Bundle = "bundle",
        /// A kind of a later version.
        Unknown = "unknown",
    }
}

states! {
    /// How an attempt to make an assembly safe ended.
    FencingResult {
        /// It has not ended.
        Pending = "pending",
        /// The assembly is safe.
        Succeeded = "succeeded",
        /// The assembly is not known to be safe.
        Failed = "failed",
        /// It came to no end, since there was no need any more: the agent is back.
        GivenUp = "given-up",
        /// A result of a later version.
        Unknown = "unknown",
    }
}

states! {
    /// How an operation of a service ended.
    OperationOutcome {
        /// It has not ended.
        Pending = "pending",
        /// Its agent ran to its end, and gave an exit code.
        Done = "done",
        /// It took longer than its timeout, and was killed.
        TimedOut = "timed-out",
        /// It could not be run, or died of a signal.
        Error = "error",
        /// An outcome of a later version.
        Unknown = "unknown",
    }
}

states! {
    /// How far an operation is that an administrator had run once.
    DebugState {
        /// It was sent to its agent, and has not ended as far as is known.
        Running = "running",
        /// It has ended, and it is to be looked at again what runs.
        Looking = "looking",
        /// It has ended, and what it has changed is known.
        Done = "done",
        /// It was not run.
        NotRun = "not-run",
        /// Nobody knows what became of it.
        Lost = "lost",
        /// A state of a later version.
        Unknown = "unknown",
    }
}

states! {
    /// The state of a transition.
    TransitionState {
        /// Its actions are being carried out.
        Running = "running",
        /// Everything that it asks for was done.
        Completed = "completed",
        /// It was given up before its end.
        Aborted = "aborted",
        /// A state of a later version.
        Unknown = "unknown",
    }
}

states! {
    /// What a plan starts from.
    PlanBasis {
        /// The state of a running DPE.
        Live = "live",
        /// Nothing runs, and every assembly answers.
        Empty = "empty",
        /// A basis of a later version.
        Unknown = "unknown",
    }
}

impl AssemblyState {
    /// Its agent answers, and it does not go down: whether or not it may have services.
    pub const fn is_online(self) -> bool {
        matches!(
            self,
            AssemblyState::Online | AssemblyState::Standby | AssemblyState::Maintenance
        )
    }
}

impl ServiceState {
    /// It runs, whether or not it is managed.
    pub const fn runs(self) -> bool {
        matches!(
            self,
            ServiceState::Started | ServiceState::Promoted | ServiceState::Unmanaged
        )
    }
}

impl From<DpeState> for DeploymentState {
    /// What the state of its DPE means for a deployment.
    fn from(state: DpeState) -> DeploymentState {
        match state {
            DpeState::Empty | DpeState::Loading => DeploymentState::Loading,
            DpeState::Active => DeploymentState::Active,
            DpeState::Degraded => DeploymentState::Degraded,
            DpeState::Failed => DeploymentState::Failed,
            DpeState::Unloading | DpeState::Unloaded => DeploymentState::Destroying,
            DpeState::Unknown => DeploymentState::Unknown,
        }
    }
}

states! {
    /// What an administrator wants of a service beside the document.
    OverlayKind {
        /// It is to run in an assembly.
        Move = "move",
        /// It is not to run in an assembly.
        Ban = "ban",
        /// It is to be stopped.
        Disable = "disable",
        /// It is to be left alone.
        Unmanage = "unmanage",
        /// It is to be stopped once, and started again.
        Restart = "restart",
        /// A kind of a later version.
        Unknown = "unknown",
    }
}

states! {
    /// What ends something that an administrator wants beside the document.
    OverlayEnd {
        /// The service is where it is wanted, and would stay there by itself.
        Placed = "placed",
        /// A time.
        Time = "time",
        /// An administrator.
        Cleared = "cleared",
        /// The service is stopped: it starts again then.
        Stopped = "stopped",
        /// Something of a later version.
        Unknown = "unknown",
    }
}

states! {
    /// Which losses a question about room is about.
    RoomScope {
        /// That of any one assembly.
        Any = "any",
        /// That of any one host, with all assemblies that the document says run there.
        AnyHost = "any-host",
        /// That of any two assemblies at once.
        Two = "two",
        /// That of the named assemblies, at once.
        Named = "named",
        /// Others, of a later version.
        Unknown = "unknown",
    }
}

states! {
    /// What would become of a service if assemblies were lost.
    RoomOutcome {
        /// It would run nowhere.
        Down = "down",
        /// It would run, and none of its instances would be promoted.
        NotPromoted = "not-promoted",
        /// It would run with fewer instances.
        Fewer = "fewer",
        /// Something of a later version.
        Unknown = "unknown",
    }
}

impl RoomOutcome {
    /// The service is still there for those who use it.
    pub fn is_bearable(self) -> bool {
        self == RoomOutcome::Fewer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_promoted_or_left_alone_runs_and_what_keeps_no_services_is_online() {
        use ServiceState::{Promoted, Started, Unmanaged};
        let runs = ServiceState::ALL.iter().filter(|state| state.runs());
        assert!(runs.eq(&[Started, Promoted, Unmanaged]));
        use AssemblyState::{Maintenance, Online, Standby};
        let online = AssemblyState::ALL.iter().filter(|state| state.is_online());
        assert!(online.eq(&[Online, Standby, Maintenance]));
    }

    #[test]
    fn every_word_is_read_as_the_state_that_wrote_it() {
        for state in DpeState::ALL {
            assert_eq!(DpeState::from_word(state.as_str()), *state);
        }
        for state in DeploymentState::ALL {
            let text = serde_json::to_string(state).unwrap();
            assert_eq!(
                serde_json::from_str::<DeploymentState>(&text).unwrap(),
                *state
            );
        }
    }

    #[test]
    fn a_word_of_a_later_version_is_unknown() {
        assert_eq!(
            ServiceState::from_word("hibernating"),
            ServiceState::Unknown
        );
    }
}
