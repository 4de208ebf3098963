"""What the transcripts of client/README.md talk to beside the server on port 8443, each on a free port of 127.0.0.1.

Proxies are the real ones of Debian's packages tinyproxy and microsocks; the peers that misbehave are made here.
"""

import http.server
import shutil
import socket
import ssl
import subprocess
import threading
import time

# How long the relay leaves its first connection alone: TLS, the handshake and an exchange of a debug build fit well.
LIFE_OF_FIRST = 2.5


def free_ports(names):
    """A free port for each name, all of them different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = {name: one.getsockname()[1] for name, one in zip(names, sockets)}
    for one in sockets:
        one.close()
    return ports


def wait_for(port, patience=20):
    """Until somebody listens on the port."""
    end = time.monotonic() + patience
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def start_proxies(directory, http_port, socks_port, allowed_port):
    """tinyproxy, for tunnels to the server alone, and microsocks; both ask for alice's password."""
    for tool in ("tinyproxy", "microsocks"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is missing: apt-get install {tool}")
    configuration = directory / "tinyproxy.conf"
    configuration.write_text(
        f"Port {http_port}\nListen 127.0.0.1\nBasicAuth alice hunter2\nConnectPort {allowed_port}\n"
        f'LogFile "{directory}/tinyproxy.log"\n'
    )
    commands = (
        ["tinyproxy", "-d", "-c", str(configuration)],
        ["microsocks", "-i", "127.0.0.1", "-p", str(socks_port), "-u", "alice", "-P", "hunter2"],
    )
    started = [
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in commands
    ]
    wait_for(http_port)
    wait_for(socks_port)
    return started


def start_redirector(port, certificates, location):
    """Redirects everything to `location`, with the server's certificate and no TLS after 1.2."""

    class Redirect(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(307)
            self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_):
            pass  # A handshake that the client gives up, as --tls-min makes it.

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    server = Server(("127.0.0.1", port), Redirect)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def start_silent(port):
    """Takes connections and says nothing. The caller keeps the socket."""
    return socket.create_server(("127.0.0.1", port))


def start_relay(port, to_port):
    """Passes bytes on to `to_port`, and loses its first connection after LIFE_OF_FIRST."""
    listener = socket.create_server(("127.0.0.1", port))

    def copy(source, sink):
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def lose(*ends):
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve():
        for number in range(1000):
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", to_port))
            for ends in ((near, far), (far, near)):
                threading.Thread(target=copy, args=ends, daemon=True).start()
            if number == 0:
                threading.Timer(LIFE_OF_FIRST, lose, (near, far)).start()

    threading.Thread(target=serve, daemon=True).start()
