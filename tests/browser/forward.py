"""forward.py PORT SOCKET: takes connections on 127.0.0.1 to a Unix socket, as `ssh -L PORT:SOCKET` does."""
import socket
import sys
import threading


def pipe(source, sink):
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = listener.accept()
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(sys.argv[2])
    except OSError:
        client.close()
        continue
    for pair in ((client, server), (server, client)):
        threading.Thread(target=pipe, args=pair, daemon=True).start()
