#!/usr/bin/python3
"""fake-clouds.py FOLDER GUEST...: FAKES of two clouds, for the fence agents that ask them. They switch guests of a private
system, so it runs inside one only. The first guest is number 101 of a Proxmox VE at https://127.0.0.1:8006, the second is
instance i-00000000000000102 of an EC2 at https://127.0.0.1:443, and so on. The host is said to be i-00000000000000100, by a
fake of the metadata service at http://169.254.169.254.

FOLDER has `cert.pem` and `key.pem`, and gets `log`: a line for each call, `pve GET nodes/…` or `ec2 StopInstances …`.
Proxmox wants user cpe@pve with the password `s3cret`, then the ticket and its token. EC2 looks at the id of the access key,
AKIAFAKE, and at nothing else of a signature. Neither is more than what the agents ask."""
import http.server
import json
import os
import re
import ssl
import subprocess
import sys
import threading
import urllib.parse

if not os.path.isdir("/srv/data") or subprocess.run(["systemd-detect-virt", "--quiet"]).returncode != 0:
    sys.exit("runs inside a private system only")
FOLDER, GUESTS = sys.argv[1], sys.argv[2:]
HOST = "i-00000000000000100"
TICKET, TOKEN = "PVE:cpe@pve:FAKE", "fake-token"
XML = "http://ec2.amazonaws.com/doc/2016-11-15/"


def unit(number):
    return "systemd-nspawn@%s.service" % GUESTS[number - 101]


def is_on(number):
    state = subprocess.run(["systemctl", "is-active", unit(number)], capture_output=True, text=True).stdout.strip()
    return state not in ("inactive", "failed")


def switch(number, on):
    if on:
        subprocess.run(["systemctl", "start", "--no-block", unit(number)], check=True)
    else:
        subprocess.run(["systemctl", "kill", "--signal=KILL", unit(number)])
        subprocess.run(["systemctl", "stop", unit(number)], check=True)


def note(text):
    with open(FOLDER + "/log", "a") as log:
        log.write(text + "\n")


class Handler(http.server.BaseHTTPRequestHandler):
    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()

    def reply(self, code, text, kind):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Proxmox(Handler):
    def say(self, data, code=200):
        self.reply(code, json.dumps({"data": data}), "application/json")

    def do_POST(self):
        path, form = self.path.removeprefix("/api2/json/"), urllib.parse.parse_qs(self.body())
        note("pve POST " + path)
        if path == "access/ticket":
            known = form.get("username") == ["cpe@pve"] and form.get("password") == ["s3cret"]
            return self.say({"ticket": TICKET, "CSRFPreventionToken": TOKEN} if known else None, 200 if known else 401)
        command = re.fullmatch(r"nodes/pve1/qemu/(\d+)/status/(start|stop)", path)
        if not self.is_known() or self.headers.get("CSRFPreventionToken") != TOKEN or not command:
            return self.say(None, 401)
        switch(int(command[1]), command[2] == "start")
        self.say("UPID:pve1:FAKE")

    def do_GET(self):
        path = self.path.removeprefix("/api2/json/")
        note("pve GET " + path)
        own = re.fullmatch(r"nodes/pve1/qemu/(\d+)/status/current", path)
        numbers = range(101, 101 + len(GUESTS))
        if not self.is_known():
            self.say(None, 401)
        elif path == "nodes":
            self.say([{"node": "pve1"}])
        elif path == "nodes/pve1/qemu":
            self.say([{"vmid": number, "name": GUESTS[number - 101], "status": self.status(number)} for number in numbers])
        elif own and int(own[1]) in numbers:
            self.say({"status": self.status(int(own[1]))})
        else:
            self.say(None, 500)

    def is_known(self):
        return ("PVEAuthCookie=" + TICKET) in (self.headers.get("Cookie") or "")

    def status(self, number):
        return "running" if is_on(number) else "stopped"


class Ec2(Handler):
    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.body()))
        action = form["Action"]
        named = [value for key, value in form.items() if re.fullmatch(r"(Filter\.1\.Value|InstanceId)\.\d+", key)]
        note("ec2 %s %s" % (action, " ".join(named)))
        if "Credential=AKIAFAKE/" not in (self.headers.get("Authorization") or ""):
            text = "<Response><Errors><Error><Code>AuthFailure</Code><Message>fake: no such key</Message></Error></Errors></Response>"
            return self.reply(401, text, "text/xml")
        for instance in named:
            if action != "DescribeInstances" and instance != HOST:
                switch(self.number(instance), action == "StartInstances")
        items = "".join(map(self.item, named))
        if action == "DescribeInstances":
            items = "<reservationSet><item><reservationId>r-1</reservationId><instancesSet>%s</instancesSet></item></reservationSet>" % items
        else:
            items = "<instancesSet>%s</instancesSet>" % items
        self.reply(200, '<%sResponse xmlns="%s"><requestId>fake</requestId>%s</%sResponse>' % (action, XML, items, action), "text/xml")

    def number(self, instance):
        return int(instance[-3:])

    def item(self, instance):
        code, name = (16, "running") if instance == HOST or is_on(self.number(instance)) else (80, "stopped")
        state = "<code>%d</code><name>%s</name>" % (code, name)
        return "<item><instanceId>%s</instanceId><instanceState>%s</instanceState><currentState>%s</currentState></item>" % (instance, state, state)


class Metadata(Handler):
    def do_PUT(self):
        self.body()
        self.reply(200, "fake-token", "text/plain")

    def do_GET(self):
        self.reply(200, HOST, "text/plain")


def serve(address, handler, secure):
    server = http.server.ThreadingHTTPServer(address, handler)
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(FOLDER + "/cert.pem", FOLDER + "/key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever).start()


serve(("127.0.0.1", 8006), Proxmox, True)
serve(("127.0.0.1", 443), Ec2, True)
serve(("169.254.169.254", 80), Metadata, False)
