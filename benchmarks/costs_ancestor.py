"""The hook as the ancestor has it: its main module imports all it could ever need, then a child is started.

python costs_ancestor.py HASH
"""

import subprocess
import sys

import psutil
import requests
from pyrosimple.torrent import engine

if __name__ == "__main__":
    LATER = psutil, requests, engine  # imported for what comes later
    subprocess.Popen(["/bin/true", sys.argv[1]])
