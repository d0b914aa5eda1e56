import os
import subprocess

from supervisor.adapters import devices
from tests.support.needs import need_root


def test_the_number_is_the_systems(tmp_path):
    assert devices.number(os.fsencode(tmp_path)) == os.stat(tmp_path).st_dev


def test_a_spinning_disk_is_told_by_the_kernel(tmp_path):
    need_root()
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(1 << 20)
    device = subprocess.run(
        ["losetup", "-f", "--show", image], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        queue = f"/sys/block/{os.path.basename(device)}/queue/rotational"
        number = os.stat(device).st_rdev
        for spins in ("1", "0"):
            with open(queue, "w") as file:
                file.write(spins)
            assert devices.rotational(number) is (spins == "1")
    finally:
        subprocess.run(["losetup", "-d", device], check=True)
    assert devices.rotational(os.makedev(4095, 1)) is False
