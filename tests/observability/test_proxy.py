"""/metrics beyond the machine, as docs/metrics.md says: Debian's nginx with the example, in front of the real page."""

import re
import signal
import subprocess
from contextlib import suppress

import pytest
import requests

from grafana.rules import ROOT
from supervisor.observation import web
from supervisor.observation.metrics import Metrics
from supervisor.observation.snapshot import RTorrent, Snapshot
from tests.observability.tools import NGINX, need
from tests.support.needs import need_program
from tests.support.ports import free_port
from tests.support.rtorrents import until

START = Snapshot(0, 1, 0, "1.2.3", False, False, "", (), (), RTorrent(reachable=False, since=0))
AROUND = """\
daemon off;
pid {home}/pid;
error_log {home}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/seedcache.conf;
}}
"""


@pytest.fixture
def page():
    """The page itself, on the loopback interface."""
    server = web.serve("127.0.0.1", 0, Metrics(lambda: START), lambda: START)
    yield server.port
    server.close()


@pytest.fixture
def proxy(tmp_path, page):
    """nginx with the example: its URL and the certificate to trust."""
    port = free_port()
    openssl = need_program("openssl")
    certificate = tmp_path / "seedcache.crt"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{tmp_path}/seedcache.key"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        [openssl, "req", "-x509", *key, "-days", "2", *subject, "-out", certificate], check=True, capture_output=True
    )
    password = subprocess.run([openssl, "passwd", "-6", "secret"], check=True, capture_output=True, text=True).stdout
    (tmp_path / "seedcache.htpasswd").write_text(f"prometheus:{password}")
    (tmp_path / "seedcache.htpasswd").chmod(0o644)  # nginx's workers are another user
    tmp_path.chmod(0o755)
    with open(f"{ROOT}/prometheus/examples/nginx.conf") as file:
        example = file.read().replace("/etc/nginx/", f"{tmp_path}/")
    example = re.sub(r"listen 9798", f"listen 127.0.0.1:{port}", example).replace("127.0.0.1:9797", f"127.0.0.1:{page}")
    (tmp_path / "seedcache.conf").write_text(example)
    (tmp_path / "nginx.conf").write_text("user root;\n" + AROUND.format(home=tmp_path))
    nginx = subprocess.Popen(
        [need(NGINX), "-p", tmp_path, "-c", f"{tmp_path}/nginx.conf", "-e", f"{tmp_path}/error.log"]
    )
    url = f"https://localhost:{port}"

    def answers():
        assert nginx.poll() is None, (tmp_path / "error.log").read_text()
        with suppress(requests.ConnectionError):
            return requests.get(url, verify=certificate, timeout=60) is not None

    try:
        until(answers, "nginx answers")
        yield url, str(certificate)
    finally:
        nginx.send_signal(signal.SIGTERM)
        nginx.wait(60)


def test_the_proxy_of_the_example_wants_tls_and_the_password_and_shows_only_the_three_pages(proxy):
    url, certificate = proxy
    right = ("prometheus", "secret")

    def get(page, auth=None, method="GET"):
        return requests.request(method, f"{url}{page}", verify=certificate, auth=auth, timeout=60)

    assert get("/metrics").status_code == 401
    assert get("/metrics", ("prometheus", "wrong")).status_code == 401
    found = get("/metrics", right)
    assert found.status_code == 200
    assert "seedcache_build_info" in found.text
    assert get("/-/ready", right).status_code == 503
    assert get("/", right).status_code == 404
    assert get("/metrics", right, "POST").status_code == 403
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{url}/metrics", timeout=60)
    assert requests.get(f"{url.replace('https', 'http')}/metrics", timeout=60).status_code == 400
