#!/usr/bin/python3
"""Makes a client of the introspection files: generate.py [FOLDER] > cloudpolicy.py

FOLDER has org.cloudpolicy.Cpe1.*.xml: docs/bus of the sources, /usr/share/dbus-1/interfaces of an installation. Every method becomes
a method with types and the first sentence of its documentation, every property a property, every error that is named after `Errors:`
an exception of its own. Needs nothing but Python; the client needs python3-gi."""

import keyword, pathlib, re, sys, xml.etree.ElementTree as tree

HEAD = '''"""A client of the Cloud Policy Engine. Made by generate.py of the introspection files: do not edit.

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


{errors}


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
    raise TypeError(f"give a GLib.Variant in place of {{value!r}}")


class Proxy:
    """An object on the bus."""

    interface, timeout = "", 120

    def __init__(self, bus: Gio.DBusConnection, path: str = ROOT):
        self.bus, self.path = bus, path

    def _call(self, interface, member, signature, *values):
        values = tuple({{k: variant(v) for k, v in it.items()}} if isinstance(it, dict) else it for it in values)
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
'''

EXTRA = {
    "Deployment": '''
    @classmethod
    def named(cls, bus: Gio.DBusConnection, name: str) -> "Deployment":
        """That of a name; there need not be one."""
        escaped = "".join(c if c.isascii() and c.isalnum() and (at or not c.isdigit()) else f"_{ord(c):02x}" for at, c in enumerate(name))
        return cls(bus, f"{ROOT}/deployment/{escaped}")
''',
    "Events": '''
    def follow(self, after: int = 0, pause: float = 0.5, **filter):
        """All events after a cursor, then those that come, without end. Each has its `cursor`: remember that, and `log_id`."""
        log = self.log_id
        while True:
            events, cursor = self.query(after, 0, {"log": log, **filter})
            yield from events
            if cursor == after:
                time.sleep(pause)
            after = cursor
''',
}

TYPES = {"s": "str", "o": "str", "b": "bool", "d": "float", "h": "int"} | dict.fromkeys("yuntqix", "int")


def python_type(signature: str) -> str:
    if signature.startswith("a{"):
        return "dict"
    return "list" if signature[0] == "a" else TYPES[signature]


def snake(name: str) -> str:
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return name + "_" * keyword.iskeyword(name)


def documentation(comment: str) -> str:
    """The first sentence that is not about an argument."""
    paragraphs = re.split(r"\n\s*\n", comment.strip())
    first = re.sub(r"^\w+:\s*", "", paragraphs[0].strip())
    told = [first] if first and not first.startswith("@") else []
    told += [p for p in paragraphs[1:] if not re.match(r"\w+:", p.strip())]
    text = " ".join(told[0].split()) if told else ""
    sentence = re.split(r"(?<=[.])\s(?=[A-Z])", text)[0]
    return sentence.replace("\\", "\\\\").replace('"""', "'''") or "See the introspection."


def errors_of(comment: str) -> set:
    """The names after `Errors:`; what is in parentheses explains them."""
    found = re.search(r"Errors:(.*?)(?:\n\s*\n|\Z)", comment, re.S)
    text = found.group(1) if found else ""
    while "(" in text and text != (less := re.sub(r"\([^()]*\)", "", text)):
        text = less
    return {word.strip(" .\n") for word in text.replace(" and ", ",").split(",") if re.fullmatch(r"[A-Z][a-z]+[A-Za-z]*", word.strip(" .\n"))}


def method(node, comment: str) -> str:
    given = [(snake(a.get("name")), a.get("type")) for a in node.findall("arg") if a.get("direction") == "in"]
    answered = [python_type(a.get("type")) for a in node.findall("arg") if a.get("direction") == "out"]
    arguments = "".join(f", {name}: {python_type(kind)}" + (" = {}" if name == "options" else "") for name, kind in given)
    result = "None" if not answered else answered[0] if len(answered) == 1 else f"tuple[{', '.join(answered)}]"
    values = "".join(f", {name}" for name, _ in given)
    signature = "(" + "".join(kind for _, kind in given) + ")"
    return (
        f"\n    def {snake(node.get('name'))}(self{arguments}) -> {result}:\n"
        f'        """{documentation(comment)}"""\n'
        f"        return self._call(self.interface, \"{node.get('name')}\", \"{signature}\"{values})\n"
    )


def getter(node, comment: str) -> str:
    name = node.get("name")
    return (
        f"\n    @property\n    def {snake(name)}(self) -> {python_type(node.get('type'))}:\n"
        f'        """{documentation(comment)}"""\n        return self._get("{name}")\n'
    )


def interface(path: pathlib.Path, errors: set) -> str:
    parser = tree.XMLParser(target=tree.TreeBuilder(insert_comments=True))
    root = tree.parse(path, parser).getroot()
    node = root.find("interface")
    name = node.get("name").rsplit(".", 1)[1]
    about = [child.text for child in root if child.tag is tree.Comment][-1]
    short = re.search(r"@short_description: (.*)", about).group(1)
    text = f'\n\nclass {name}(Proxy):\n    """{short}."""\n\n    interface = "{node.get("name")}"\n' + EXTRA.get(name, "")
    comment = ""
    for child in node:
        if child.tag is tree.Comment:
            comment = child.text
            errors |= errors_of(comment)
        elif any("h" in arg.get("type") for arg in child.iter("arg")):
            continue  # files go beside the values, which the call below does not do
        elif child.tag in ("method", "property"):
            text += (method if child.tag == "method" else getter)(child, comment)
    return text


def main(folder: str) -> str:
    errors, classes = set(), ""
    for name in ("Manager", "Deployment", "Events", "Hosts"):
        classes += interface(pathlib.Path(folder) / f"org.cloudpolicy.Cpe1.{name}.xml", errors)
    told = "\n\n\n".join(f'class {name}(Error):\n    """org.cloudpolicy.Error.{name}"""' for name in sorted(errors))
    told += "\n\n\nERRORS = {kind.__doc__: kind for kind in Error.__subclasses__()}"
    return HEAD.format(errors=told) + classes


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parents[2] / "docs/bus"
    sys.stdout.write(main(sys.argv[1] if len(sys.argv) > 1 else str(here)))
