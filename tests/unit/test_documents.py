"""What the documents show is so: links lead somewhere, settings load, commands exist, shell is shell."""

import configparser
import json
import re
import subprocess
import tomllib

import pytest
import yaml

from supervisor import settings
from supervisor.commands import arguments
from tests.support import documents
from tests.support.documents import TOP

REQUIRED = {
    "download_path_ssd": "/srv/ssd/downloads",
    "final_dest_base_hdd": "/srv/hdd/media",
    "scgi_url": "/run/rtorrent/rpc.socket",
}


@pytest.mark.parametrize("path", documents.documents(), ids=lambda path: str(path.relative_to(TOP)))
def test_every_link_leads_somewhere(path):
    assert [link for link, good in documents.links(path) if not good] == []


@pytest.mark.parametrize("block", documents.blocks("toml"), ids=str)
def test_settings_that_are_shown_load(block, tmp_path):
    """With the required ones, where a document shows a part only."""
    file = tmp_path / "settings.toml"
    given = {name.lower() for name in tomllib.loads(block.text)}
    lacking = "".join(f"{name} = {json.dumps(value)}\n" for name, value in REQUIRED.items() if name not in given)
    key = tmp_path / "key"
    key.write_text("0123456789abcdef")
    file.write_text(lacking + re.sub(r'"file:[^"]+"', f'"file:{key}"', block.text))
    environ = {} if "sonarr_url" in block.text else {"NOTIFY_ARR_ENABLED": "false"}
    assert settings.load(str(file), environ)


@pytest.mark.parametrize("block", documents.blocks("sh"), ids=str)
def test_shell_that_is_shown_is_shell_and_names_what_there_is(block):
    assert subprocess.run(["bash", "-n"], input=block.text, text=True, check=False).returncode == 0
    for script in re.findall(r"(?<![\w/])script/[\w-]+", block.text):
        assert (TOP / script).exists(), script
    for playbook in re.findall(r"ansible-playbook.*?([\w-]+\.yml)", block.text):
        assert list((TOP / "ansible").rglob(playbook)), playbook


@pytest.mark.parametrize("block", documents.blocks("json", "yaml", "ini", "python"), ids=str)
def test_other_blocks_are_what_they_say(block):
    match block.language:
        case "json":
            json.loads(block.text)
        case "yaml":
            yaml.safe_load(block.text)
        case "ini":
            configparser.ConfigParser(strict=False).read_string(block.text)
        case _:
            compile(block.text, str(block), "exec")


def test_every_block_says_what_it_is():
    known = {"sh", "toml", "json", "yaml", "ini", "python", "text", "promql"}
    assert [str(block) for block in documents.blocks() if block.language not in known] == []


@pytest.mark.parametrize("words", documents.commands(), ids=" ".join)
def test_a_command_that_is_shown_is_understood(words):
    words = [word.replace("HASH", "A" * 40) for word in words]
    if words[0] == "seedcache" and len(words) > 1:
        arguments.parser().parse_args(words[1:])
