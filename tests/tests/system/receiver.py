"""A webhook's receiver for tests: an HTTP server with a check of signatures of its own.

receiver.py PORT SECRET FILE: appends `ID STATUS SIGNATURE` to FILE for each request. It fails the first five with 503,
and answers 400 while FILE.refuse is there. The signature is checked by Standard Webhooks' text alone.
"""
import base64
import hashlib
import hmac
import http.server
import json
import os
import sys
import time

port, secret, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
key = base64.b64decode(secret.removeprefix("whsec_"))


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    failures = 5

    def verify(self, body):
        identity, timestamp = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        if abs(time.time() - int(timestamp)) > 60:
            return "old"
        signed = identity.encode() + b"." + timestamp.encode() + b"." + body
        expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        if not any(hmac.compare_digest(one, expected) for one in self.headers["webhook-signature"].split(" ")):
            return "forged"
        return "right" if json.loads(body)["id"] == identity else "other"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        status = 200
        if os.path.exists(path + ".refuse"):
            status = 400
        elif Receiver.failures > 0:
            Receiver.failures -= 1
            status = 503
        with open(path, "a") as file:
            print(self.headers["webhook-id"], status, self.verify(body), file=file)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", port), Receiver).serve_forever()
