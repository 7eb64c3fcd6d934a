#!/usr/bin/env python3
"""Cold start of the functions on this machine: from the start of the program to its first request to
the Runtime API of Lambda, which is when a function is ready for its first event.

  cold-start.py BINARIES [STARTS]    the programs BINARIES/admin and so on, started 20 times each

Prints size, median and best time, and the largest memory at that moment. Nothing is called but the
Runtime API, which is answered here.
"""

import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

FUNCTIONS = ["scheduler", "worker", "inbound-logs", "admin"]

# As the template sets them; nobody is called at these addresses.
SETTINGS = {
    "TABLE_NAME": "table",
    "QUEUE_URL": "http://127.0.0.1:9/000000000000/hints",
    "DEAD_LETTER_URL": "http://127.0.0.1:9/000000000000/dead-hints",
    "SECRET_PREFIX": "halo-entra",
    "HALO_API_URL": "https://halo.example/api",
    "HALO_AUTH_URL": "https://halo.example/auth",
    "HALO_CLIENT_ID": "client",
    "HALO_ENTRA_DEPLOYMENT": "halo-entra",
    "HALO_ENTRA_JWT_ISSUER": "https://issuer.example",
    "HALO_ENTRA_JWT_AUDIENCE": "api://halo-entra",
    "HALO_ENTRA_PUBLIC_URL": "https://api.example",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_LAMBDA_FUNCTION_NAME": "function",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "AWS_LAMBDA_LOG_GROUP_NAME": "group",
    "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
    "PATH": os.environ.get("PATH", ""),
}


def start(binary, server):
    """Milliseconds until the program asks for its first event, and its memory then in MiB."""
    settings = SETTINGS | {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % server.getsockname()[1]}
    begin = time.perf_counter()
    process = subprocess.Popen([binary], env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        connection, _ = server.accept()
        with connection:
            request = connection.recv(4096)
            took = (time.perf_counter() - begin) * 1000
            if b"/runtime/invocation/next" not in request.split(b"\r\n")[0]:
                sys.exit(f"{binary} does not start: {request.decode(errors='replace')}")
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    except TimeoutError:
        process.kill()
        sys.exit(f"{binary} asked for nothing: {process.stderr.read().decode(errors='replace')}")
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return took, int(peak.split()[1]) / 1024


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    binaries = pathlib.Path(sys.argv[1])
    starts = int(sys.argv[2]) if len(sys.argv) == 3 else 20
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        print(f"{'function':14}{'size':>10}{'median':>10}{'best':>10}{'memory':>10}")
        for function in FUNCTIONS:
            binary = binaries / function
            start(binary, server)  # its file is read from the disk once
            times, peaks = zip(*(start(binary, server) for _ in range(starts)))
            size = binary.stat().st_size / 2**20
            print(f"{function:14}{size:6.2f} MiB{statistics.median(times):7.1f} ms"
                  f"{min(times):7.1f} ms{max(peaks):6.1f} MiB")


main()
