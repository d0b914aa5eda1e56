"""Prometheus' own tools, of the two versions that are supported."""

import os
import subprocess

from tests.support.needs import ROOT, lacking

CACHE = os.path.join(ROOT, ".cache")
PROMTOOLS = {"2.42": f"{CACHE}/prometheus/usr/bin/promtool", "3.5": f"{CACHE}/promtool-sid/usr/bin/promtool"}
PROMETHEUS = f"{CACHE}/prometheus/usr/bin/prometheus"
AMTOOL = f"{CACHE}/prometheus-alertmanager/usr/bin/amtool"
NGINX = f"{CACHE}/nginx/usr/sbin/nginx"


def need(program: str) -> str:
    """Given a program below .cache, return it; skip if it is not there."""
    return program if os.access(program, os.X_OK) else lacking(f"needs {os.path.relpath(program, ROOT)}")


def run(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a tool; its streams are in what is returned."""
    return subprocess.run([need(words[0]), *words[1:]], input=text, capture_output=True, text=True, check=False)
