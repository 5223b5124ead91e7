"""A delegate: on one connection to the system bus, says for whom it speaks, and then asks.

assume.py PRINCIPAL [DEPLOYMENT/ASSEMBLY]... prints a line for each call: what it was, and `ok` with the texts of the reply,
or the name of the error. PRINCIPAL may be empty: then it speaks for itself."""

import os, re, socket, struct, sys

serial = 0


def aligned(data, to):
    return data + b"\0" * (-len(data) % to)


def text(value):
    return struct.pack("<I", len(value)) + value.encode() + b"\0"


def call(bus, destination, path, interface, member, signature="", body=b""):
    global serial
    serial += 1
    fields = b""
    for code, kind, value in [(1, "o", path), (6, "s", destination), (2, "s", interface), (3, "s", member)]:
        fields = aligned(fields, 8) + bytes([code, 1]) + kind.encode() + b"\0" + text(value)
    if signature:
        fields = aligned(fields, 8) + bytes([8, 1]) + b"g\0" + bytes([len(signature)]) + signature.encode() + b"\0"
    header = struct.pack("<cBBBII", b"l", 1, 0, 1, len(body), serial) + struct.pack("<I", len(fields)) + fields
    bus.sendall(aligned(header, 8) + body)
    while True:
        head = bus.recv(16, socket.MSG_WAITALL)
        _, kind, _, _, size, _, length = struct.unpack("<cBBBIII", head)
        rest = bus.recv(length + -length % 8 + size, socket.MSG_WAITALL)
        answered = re.search(rb"\x05\x01u\0(....)", rest[:length], re.S)
        if kind in (2, 3) and answered and struct.unpack("<I", answered.group(1))[0] == serial:
            found = rest[len(rest) - size :] if kind == 2 else rest[:length]
            words = [word.decode() for word in re.findall(rb"[A-Za-z0-9_.*/-]{3,}", found)]
            return "ok " + " ".join(words) if kind == 2 else next(w for w in words if ".Error." in w)


bus = socket.socket(socket.AF_UNIX)
bus.connect("/run/dbus/system_bus_socket")
bus.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
bus.recv(4096)
bus.sendall(b"BEGIN\r\n")
call(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")

CPE = "org.cloudpolicy.Cpe1"
ROOT = "/org/cloudpolicy/cpe1"
principal, deployments = sys.argv[1], sys.argv[2:]
if principal:
    print("Assume", call(bus, CPE, ROOT, CPE + ".Manager", "Assume", "s", text(principal)))
print("List", call(bus, CPE, ROOT, CPE + ".Manager", "ListDeployments"))
for name, assembly in (both.split("/") for both in deployments):
    path = f"{ROOT}/deployment/{name}"
    print("Status", name, call(bus, CPE, path, CPE + ".Deployment", "GetStatus").split()[0])
    print("Document", name, call(bus, CPE, path, CPE + ".Deployment", "GetDocument", "t", struct.pack("<Q", 0)).split()[0])
    standby = text(assembly)
    standby = aligned(standby, 4) + struct.pack("<I", 0)
    print("Standby", name, call(bus, CPE, path, CPE + ".Deployment", "SetStandby", "sb", standby).split()[0])
