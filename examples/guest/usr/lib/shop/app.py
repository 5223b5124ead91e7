"""The application of examples/three-tier.xml: counts its visitors in the database and says who it is.

    GET /        a greeting, the number of this visit, the assembly it runs in
    GET /health  "ok" if the database answers; 503 otherwise
"""

import argparse
import http.server
import socket


def redis(address, *words):
    """One command to Redis in its own protocol (RESP); the answer as text."""
    request = f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
    with socket.create_connection(address, timeout=2) as connection:
        connection.sendall(request.encode())
        line = connection.makefile("rb").readline().decode().strip()
    if not line or line[0] not in "+:":
        raise OSError(f"the database answered {line!r}")
    return line[1:]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            if self.path == "/health":
                redis(self.server.database, "PING")
                status, text = 200, "ok\n"
            else:
                visit = redis(self.server.database, "INCR", "visits")
                database = "%s:%d" % self.server.database
                text = f"{self.server.greeting}\nvisit {visit}, app in {socket.gethostname()}, database at {database}\n"
                status = 200
        except OSError as error:
            status, text = 503, f"no database: {error}\n"
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--database", default="127.0.0.1:6379", help="HOST:PORT")
    parser.add_argument("--greeting", default="Welcome to the shop.")
    arguments = parser.parse_args()
    host, _, port = arguments.database.rpartition(":")
    server = http.server.ThreadingHTTPServer((arguments.address, arguments.port), Handler)
    server.daemon_threads = True
    server.database = (host, int(port))
    server.greeting = arguments.greeting
    server.serve_forever()


if __name__ == "__main__":
    main()
