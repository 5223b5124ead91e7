"""A client of the Cloud Policy Engine. Made by generate.py of the introspection files: do not edit.

    import cloudpolicy
    bus = cloudpolicy.connect()
    manager = cloudpolicy.Manager(bus)
    name, generation = manager.create_deployment(open("shop.xml").read())
    for event in cloudpolicy.Events(bus).follow(deployment=name):
        print(event["time"], event["kind"], event.get("reason", ""))

Texts, numbers, lists and dicts are Python's own. Needs Debian's python3-gi, or PyGObject."""

import time
from gi.repository import Gio, GLib

CPE, ROOT = "org.cloudpolicy.Cpe1", "/org/cloudpolicy/cpe1"


class Error(Exception):
    """An error of the bus; its name is in `name`."""

    def __init__(self, name: str, text: str):
        super().__init__(text)
        self.name = name


class AccessDenied(Error):
    """org.cloudpolicy.Error.AccessDenied"""


class Busy(Error):
    """org.cloudpolicy.Error.Busy"""


class Exists(Error):
    """org.cloudpolicy.Error.Exists"""


class Failed(Error):
    """org.cloudpolicy.Error.Failed"""


class GenerationConflict(Error):
    """org.cloudpolicy.Error.GenerationConflict"""


class InvalidArgument(Error):
    """org.cloudpolicy.Error.InvalidArgument"""


class InvalidDocument(Error):
    """org.cloudpolicy.Error.InvalidDocument"""


class NotFound(Error):
    """org.cloudpolicy.Error.NotFound"""


class NotReady(Error):
    """org.cloudpolicy.Error.NotReady"""


class OtherLog(Error):
    """org.cloudpolicy.Error.OtherLog"""


class OutcomeUnknown(Error):
    """org.cloudpolicy.Error.OutcomeUnknown"""


class Refused(Error):
    """org.cloudpolicy.Error.Refused"""


class TooLarge(Error):
    """org.cloudpolicy.Error.TooLarge"""


ERRORS = {kind.__doc__: kind for kind in Error.__subclasses__()}


def connect(address: str = "system") -> Gio.DBusConnection:
    """The system bus, or the one at an address such as unix:path=/run/dbus/system_bus_socket."""
    if address == "system":
        return Gio.bus_get_sync(Gio.BusType.SYSTEM)
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    return Gio.DBusConnection.new_for_address_sync(address, flags)


def variant(value):
    """A value of a dict whose values may be of any type."""
    if isinstance(value, GLib.Variant):
        return value
    for kind, signature in ((bool, "b"), (int, "t"), (float, "d"), (str, "s")):
        if isinstance(value, kind):
            return GLib.Variant(signature, value)
    raise TypeError(f"give a GLib.Variant in place of {value!r}")


class Proxy:
    """An object on the bus."""

    interface, timeout = "", 120

    def __init__(self, bus: Gio.DBusConnection, path: str = ROOT):
        self.bus, self.path = bus, path

    def _call(self, interface, member, signature, *values):
        values = tuple({k: variant(v) for k, v in it.items()} if isinstance(it, dict) else it for it in values)
        body = GLib.Variant(signature, values)
        try:
            reply = self.bus.call_sync(CPE, self.path, interface, member, body, None, 0, self.timeout * 1000).unpack()
        except GLib.Error as error:
            name = Gio.DBusError.get_remote_error(error) or "org.freedesktop.DBus.Error.Failed"
            Gio.DBusError.strip_remote_error(error)
            raise ERRORS.get(name, Error)(name, error.message) from None
        return reply[0] if len(reply) == 1 else reply or None

    def _get(self, name):
        return self._call("org.freedesktop.DBus.Properties", "Get", "(ss)", self.interface, name)


class Manager(Proxy):
    """Creates, changes and destroys deployments."""

    interface = "org.cloudpolicy.Cpe1.Manager"

    def create_deployment(self, document: str, options: dict = {}) -> tuple[str, int]:
        """Stores a document and starts its DPE."""
        return self._call(self.interface, "CreateDeployment", "(sa{sv})", document, options)

    def update_deployment(self, name: str, expected_generation: int, document: str, options: dict = {}) -> int:
        """Stores the next generation of a document and gives it to its DPE, which carries out the difference only."""
        return self._call(self.interface, "UpdateDeployment", "(stsa{sv})", name, expected_generation, document, options)

    def destroy_deployment(self, name: str, stop_services: bool) -> None:
        """Replies when the deployment is durably marked for destruction, which continues over all restarts."""
        return self._call(self.interface, "DestroyDeployment", "(sb)", name, stop_services)

    def destroy_deployment_at(self, name: str, expected_generation: int, stop_services: bool) -> None:
        """As DestroyDeployment, if the deployment is at that generation at the moment in which it is marked: nobody has changed it since."""
        return self._call(self.interface, "DestroyDeploymentAt", "(stb)", name, expected_generation, stop_services)

    def validate_deployment(self, document: str) -> tuple[bool, list]:
        """Checks a document; nothing is stored."""
        return self._call(self.interface, "ValidateDeployment", "(s)", document)

    def plan_deployment(self, document: str) -> str:
        """What creating or updating with this document would do, given the state of the DPE if it runs."""
        return self._call(self.interface, "PlanDeployment", "(s)", document)

    def check_room(self, document: str, options: dict = {}) -> str:
        """With this document in force and all done that follows from it, would every service run after the loss of any one assembly? Each is simulated to its end."""
        return self._call(self.interface, "CheckRoom", "(sa{sv})", document, options)

    def list_sinks(self) -> str:
        """How the delivery of events to sinks stands, as cpe-notify tells it now."""
        return self._call(self.interface, "ListSinks", "()")

    def redeliver(self, sink: str, id: str) -> int:
        """As Redeliver of org.cloudpolicy.Notify1, which it is passed on to."""
        return self._call(self.interface, "Redeliver", "(ss)", sink, id)

    def host_failed(self, host: str, options: dict = {}) -> list:
        """Confirms that a host is down, and with it every assembly on it: as ConfirmFenced for the present loss of each."""
        return self._call(self.interface, "HostFailed", "(sa{sv})", host, options)

    def assume(self, principal: str) -> list:
        """From now on, this connection is that principal and nobody else, until it ends: grants and ownership of the principal count, not those of the caller, and nobody is root or a member of group `cpe` by this."""
        return self._call(self.interface, "Assume", "(s)", principal)

    def list_deployments(self) -> list:
        """See the introspection."""
        return self._call(self.interface, "ListDeployments", "()")

    @property
    def version(self) -> str:
        """The CPE's version."""
        return self._get("Version")


class Deployment(Proxy):
    """One deployment."""

    interface = "org.cloudpolicy.Cpe1.Deployment"

    @classmethod
    def named(cls, bus: Gio.DBusConnection, name: str) -> "Deployment":
        """That of a name; there need not be one."""
        escaped = "".join(c if c.isascii() and c.isalnum() and (at or not c.isdigit()) else f"_{ord(c):02x}" for at, c in enumerate(name))
        return cls(bus, f"{ROOT}/deployment/{escaped}")

    def get_document(self, generation: int) -> tuple[str, int]:
        """A document may hold passwords of services."""
        return self._call(self.interface, "GetDocument", "(t)", generation)

    def list_generations(self) -> list:
        """The generations of the document that are kept: the newest `limits.generations`, as long as they have no more than `limits.generations_size` bytes together."""
        return self._call(self.interface, "ListGenerations", "()")

    def get_status(self) -> str:
        """While the DPE is starting or away, the CPE answers with what it knows itself: state, summary and generation."""
        return self._call(self.interface, "GetStatus", "()")

    def get_operations(self, options: dict = {}) -> str:
        """The last operations, as the agents of the guests have told them."""
        return self._call(self.interface, "GetOperations", "(a{sv})", options)

    def get_input(self) -> str:
        """See the introspection."""
        return self._call(self.interface, "GetInput", "()")

    def list_inputs(self) -> str:
        """What the policy engine was given for the last transitions, and for decisions that were refused."""
        return self._call(self.interface, "ListInputs", "()")

    def get_kept_input(self, name: str) -> str:
        """See the introspection."""
        return self._call(self.interface, "GetKeptInput", "(s)", name)

    def explain(self, service: str, assembly: str) -> str:
        """Why a service runs where it does and not elsewhere, what is done about it, and what that waits for; why an assembly is fenced, or not used; or what of the whole is not as it should be, with cause and remedy: the reasons of the decision that is taken about the present state."""
        return self._call(self.interface, "Explain", "(ss)", service, assembly)

    def get_explanation(self, options: dict = {}) -> str:
        """The same as Explain, as data."""
        return self._call(self.interface, "GetExplanation", "(a{sv})", options)

    def check_room(self, options: dict = {}) -> str:
        """Would every service run after a loss? Each is simulated from the present state to its end, with the assemblies lost and made safe, and what runs then is compared with what runs without it."""
        return self._call(self.interface, "CheckRoom", "(a{sv})", options)

    def list_agents(self, class_: str) -> str:
        """Which resource agents the guests have."""
        return self._call(self.interface, "ListAgents", "(s)", class_)

    def describe_agent(self, agent: str, assembly: str) -> str:
        """What a resource agent says about itself in the guests."""
        return self._call(self.interface, "DescribeAgent", "(ss)", agent, assembly)

    def check_agents(self, document: str) -> str:
        """What the guests' resource agents say about a document: parameters that an agent does not know, lacks or reads as something else, actions that it does not have, deprecated agents and parameters, agents that are not installed."""
        return self._call(self.interface, "CheckAgents", "(s)", document)

    def cleanup(self, service: str, assembly: str) -> None:
        """Forgets failures: fail counts become zero, and bans because of them end."""
        return self._call(self.interface, "Cleanup", "(ss)", service, assembly)

    def plan_service(self, verb: str, service: str, options: dict = {}) -> str:
        """What an order about a service would bring, without doing it: the policy engine on a copy of the state, before and after."""
        return self._call(self.interface, "PlanService", "(ssa{sv})", verb, service, options)

    def order_service(self, verb: str, service: str, options: dict = {}) -> str:
        """Gives an order about a service: plans it again, and has it done if it holds."""
        return self._call(self.interface, "OrderService", "(ssa{sv})", verb, service, options)

    def debug(self, verb: str, service: str, assembly: str) -> str:
        """Has the service's resource agent do something once, as the engine's own operation would be: with the same parameters, meta attributes, program before a start, and timeout."""
        return self._call(self.interface, "Debug", "(sss)", verb, service, assembly)

    def get_debug(self, id: str) -> str:
        """What has become of it by now."""
        return self._call(self.interface, "GetDebug", "(s)", id)

    def cleanup_operation(self, service: str, assembly: str, operation: str, options: dict = {}) -> None:
        """Forgets the failures of this operation, and no others: their fail counts stay, and what they forbid."""
        return self._call(self.interface, "CleanupOperation", "(sssa{sv})", service, assembly, operation, options)

    def refresh(self, service: str, assembly: str) -> None:
        """Forgets failures, and looks at everything again that agents can be asked for: what is well, what has failed, and where nothing is known to run."""
        return self._call(self.interface, "Refresh", "(ss)", service, assembly)

    def set_standby_of_all(self, on: bool) -> None:
        """As SetStandby, of all at once: of all or, if it is refused, of none."""
        return self._call(self.interface, "SetStandbyOfAll", "(b)", on)

    def give_order(self, id: str, order: str) -> str:
        """Gives an order once, however often it is sent: the order is durable, with its id, before anything is done, and what came of it before that is told."""
        return self._call(self.interface, "GiveOrder", "(ss)", id, order)

    def get_order(self, id: str) -> str:
        """What has become of an order by now."""
        return self._call(self.interface, "GetOrder", "(s)", id)

    def plan_upkeep(self, verb: str, options: dict = {}) -> str:
        """What that would bring in the present state, and whether it would hold."""
        return self._call(self.interface, "PlanUpkeep", "(sa{sv})", verb, options)

    def order_upkeep(self, verb: str, options: dict = {}) -> None:
        """Has it done, if it holds: what Cleanup, CleanupOperation, Refresh, SetMaintenance, SetStandby and SetStandbyOfAll do, which have no options."""
        return self._call(self.interface, "OrderUpkeep", "(sa{sv})", verb, options)

    def plan_standby(self, assembly: str, on: bool) -> str:
        """What that would change in the present state."""
        return self._call(self.interface, "PlanStandby", "(sb)", assembly, on)

    def set_standby(self, assembly: str, on: bool) -> None:
        """Durable before the reply, and kept over restarts and new generations."""
        return self._call(self.interface, "SetStandby", "(sb)", assembly, on)

    def set_maintenance(self, assembly: str, on: bool) -> None:
        """In maintenance an assembly has no lease: its agent stops nothing when the DPE is away."""
        return self._call(self.interface, "SetMaintenance", "(sb)", assembly, on)

    def confirm_fenced(self, assembly: str, attempt: str) -> None:
        """Confirms that a lost assembly is down, so that its services may start elsewhere."""
        return self._call(self.interface, "ConfirmFenced", "(ss)", assembly, attempt)

    def fence(self, assembly: str, action: str) -> None:
        """Switches the power of an assembly by an administrator's word. `off` and `reboot` make it safe by its fencing, whatever its state, and its services run elsewhere then: events assembly.fencing-requested and what follows it tell how that goes on."""
        return self._call(self.interface, "Fence", "(ss)", assembly, action)

    def grant_ticket(self, ticket: str) -> None:
        """This site holds the ticket from now on: what needs it may run."""
        return self._call(self.interface, "GrantTicket", "(s)", ticket)

    def revoke_ticket(self, ticket: str) -> None:
        """This site does not hold the ticket any more: what needs it is stopped, demoted, left as it is, or its assemblies are fenced, as the `loss-policy` of each constraint says."""
        return self._call(self.interface, "RevokeTicket", "(s)", ticket)

    def set_ticket_standby(self, ticket: str, on: bool) -> None:
        """Durable before the reply, and kept as a grant is, but also over the restoration of a backup."""
        return self._call(self.interface, "SetTicketStandby", "(sb)", ticket, on)

    def set_attribute(self, assembly: str, lifetime: str, name: str, value: str) -> None:
        """What is set here is stronger than the document's of the same name, until it is deleted; of an assembly, what is set for a boot is stronger than what is set forever."""
        return self._call(self.interface, "SetAttribute", "(ssss)", assembly, lifetime, name, value)

    def set_owner(self, owner: str, options: dict = {}) -> None:
        """Gives the deployment to another owner."""
        return self._call(self.interface, "SetOwner", "(sa{sv})", owner, options)

    def delete_attribute(self, assembly: str, lifetime: str, name: str) -> None:
        """The document's of the same name is in force again, if it has one."""
        return self._call(self.interface, "DeleteAttribute", "(sss)", assembly, lifetime, name)

    @property
    def name(self) -> str:
        """The deployment's name."""
        return self._get("Name")

    @property
    def uuid(self) -> str:
        """The uuid of the current document."""
        return self._get("Uuid")

    @property
    def generation(self) -> int:
        """The current generation; it counts up from 1 with every change."""
        return self._get("Generation")

    @property
    def host(self) -> str:
        """The host that owns the deployment, of those that share it (see org.cloudpolicy.Cpe1.Hosts)."""
        return self._get("Host")

    @property
    def since(self) -> int:
        """Since when that host owns it, microseconds since the Unix epoch. 0: not known, because the host that answers began to look after that."""
        return self._get("Since")

    @property
    def state(self) -> str:
        """`stored` (accepted, nothing runs yet), `starting` (its DPE is being started), `loading` (its DPE takes up the document and the agents' state), `active` (everything that the policy asks for runs), `degraded` (not everything does), `failed` (it cannot be kept running), `destroying`."""
        return self._get("State")

    @property
    def dpe_pid(self) -> int:
        """The DPE's process; 0 while it does not run."""
        return self._get("DpePid")

    @property
    def unit(self) -> str:
        """The DPE's systemd unit, dpe@NAME.service."""
        return self._get("Unit")


class Events(Proxy):
    """The event log."""

    interface = "org.cloudpolicy.Cpe1.Events"

    def follow(self, after: int = 0, pause: float = 0.5, **filter):
        """All events after a cursor, then those that come, without end. Each has its `cursor`: remember that, and `log_id`."""
        log = self.log_id
        while True:
            events, cursor = self.query(after, 0, {"log": log, **filter})
            yield from events
            if cursor == after:
                time.sleep(pause)
            after = cursor

    def query(self, after_cursor: int, limit: int, filter: dict) -> tuple[list, int]:
        """Events of deployments that are hidden from the caller are left out."""
        return self._call(self.interface, "Query", "(tua{sv})", after_cursor, limit, filter)

    def record(self, event: dict) -> int:
        """Records an event, durably before the reply."""
        return self._call(self.interface, "Record", "(a{sv})", event)

    @property
    def log_id(self) -> str:
        """The id of the log that the cursors belong to: another one after the database was lost, or restored from a backup."""
        return self._get("LogId")


class Hosts(Proxy):
    """Hosts that share deployments, and the store through which they do."""

    interface = "org.cloudpolicy.Cpe1.Hosts"

    def list(self) -> str:
        """All hosts, as the one that answers knows them."""
        return self._call(self.interface, "List", "()")

    def get(self, host: str) -> str:
        """A host, with what it owns."""
        return self._call(self.interface, "Get", "(s)", host)

    def drain(self, host: str) -> None:
        """From now on it takes no deployments, and it hands over its own, five each second, to hosts that can take them."""
        return self._call(self.interface, "Drain", "(s)", host)

    def activate(self, host: str) -> None:
        """It takes deployments again."""
        return self._call(self.interface, "Activate", "(s)", host)

    def remove(self, host: str) -> None:
        """It is forgotten."""
        return self._call(self.interface, "Remove", "(s)", host)

    def confirm_lost(self, host: str) -> None:
        """Where very many hosts seem to be gone at once, others take nothing from them: more likely something else is wrong."""
        return self._call(self.interface, "ConfirmLost", "(s)", host)

    def move(self, deployment: str, host: str) -> None:
        """The host that owns the deployment hands it over to that one."""
        return self._call(self.interface, "Move", "(ss)", deployment, host)

    def get_store(self) -> str:
        """How the store is."""
        return self._call(self.interface, "GetStore", "()")
