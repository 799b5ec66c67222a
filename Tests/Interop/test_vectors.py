"""The golden vectors that other tests decode are what impacket marshals today."""

import subprocess
import sys
from pathlib import Path


def test_vectors_are_up_to_date():
    program = Path(__file__).with_name("vectors.py")
    finished = subprocess.run([sys.executable, str(program), "--check"], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
