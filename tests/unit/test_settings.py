import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor import settings
from supervisor.errors import ConfigurationError, Exit
from supervisor.measures import GIB, Marks
from supervisor.policies.base import Rules
from supervisor.settings import Settings

PROJECT = Path(__file__).parents[2]
REQUIRED = {"DOWNLOAD_PATH_SSD": "/srv/ssd", "FINAL_DEST_BASE_HDD": "/srv/hdd", "SCGI_URL": "/run/rtorrent.sock"}
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def no_settings_file_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "DEFAULT_FILE", str(tmp_path / "default.toml"))


@pytest.fixture
def file(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "settings.toml"
        path.write_text(text)
        return str(path)

    return write


def problems(config: str | None = None, **environ: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        settings.load(config, REQUIRED | environ)
    assert caught.value.exit_code is Exit.CONFIGURATION
    return str(caught.value).splitlines()


def test_the_three_required_settings_are_enough_and_the_rest_has_defaults():
    loaded = settings.load(None, REQUIRED)
    assert (loaded.download_path_ssd, loaded.final_dest_base_hdd) == ("/srv/ssd", ("/srv/hdd",))
    assert (loaded.max_concurrent_processes, loaded.copy_retry_attempts) == (2, 3)
    assert loaded.verification_enabled is True
    assert loaded.marks(10**15) == Marks(100 * 1024**3, 100 * 1024**3, 0)
    assert (loaded.state_dir, loaded.lock_dir) == ("/var/lib/seedcache", "/var/lib/seedcache/locks")
    assert (loaded.metrics_address, loaded.metrics_port) == ("127.0.0.1", 9797)


def test_every_documented_name_of_the_ancestor_is_read_from_the_environment_without_a_prefix():
    ancestor = REQUIRED | {
        "MAX_CONCURRENT_PROCESSES": "5",
        "DISK_SPACE_THRESHOLD_GB": "250",
        "COPY_RETRY_ATTEMPTS": "7",
        "VERIFICATION_ENABLED": "False",
        "NOTIFY_ARR_ENABLED": "true",
        "SONARR_URL": "http://sonarr:8989",
        "SONARR_API_KEY": KEY,
        "SONARR_TAG": "tv",
        "RADARR_URL": "http://radarr:7878",
        "RADARR_API_KEY": KEY,
        "RADARR_TAG": "films",
        "LOG_LEVEL": "debug",
        "LOG_FILE": "/config/log/manager.log",
        "LOCK_DIR": "/config/locks",
    }
    loaded = settings.load(None, ancestor)
    assert {setting.name for setting in loaded.explain() if setting.source != "default"} == set(ancestor)
    assert loaded.max_concurrent_processes == 5
    assert loaded.verification_enabled is False
    assert (loaded.sonarr_tag, loaded.radarr_tag) == ("tv", "films")
    assert (loaded.log_level, loaded.log_file, loaded.lock_dir) == ("DEBUG", "/config/log/manager.log", "/config/locks")


def test_names_that_the_ancestor_did_not_have_are_not_read_without_the_prefix():
    assert settings.load(None, REQUIRED | {"STATE_DIR": "/elsewhere"}).state_dir == "/var/lib/seedcache"


def test_the_environment_goes_before_the_file_and_the_prefixed_name_before_the_bare_one(file):
    config = file('copy_retry_attempts = 4\nmax_concurrent_processes = 4\nlog_level = "WARNING"\n')
    loaded = settings.load(
        config,
        REQUIRED
        | {"COPY_RETRY_ATTEMPTS": "5", "MAX_CONCURRENT_PROCESSES": "5", "SEEDCACHE_MAX_CONCURRENT_PROCESSES": "6"},
    )
    assert (loaded.log_level, loaded.copy_retry_attempts, loaded.max_concurrent_processes) == ("WARNING", 5, 6)
    sources = {setting.name: setting.source for setting in loaded.explain()}
    assert sources["LOG_LEVEL"] == f"file:{config}"
    assert sources["COPY_RETRY_ATTEMPTS"] == "environment variable COPY_RETRY_ATTEMPTS"
    assert sources["MAX_CONCURRENT_PROCESSES"] == "environment variable SEEDCACHE_MAX_CONCURRENT_PROCESSES"
    assert sources["METRICS_PORT"] == "default"


def test_the_process_environment_is_not_looked_at_behind_the_callers_back(monkeypatch):
    monkeypatch.setenv("SEEDCACHE_METRICS_PORT", "1")
    monkeypatch.setenv("DYNACONF_METRICS_PORT", "2")
    monkeypatch.setenv("METRICS_PORT", "3")
    assert settings.load(None, REQUIRED).metrics_port == 9797


def test_an_empty_variable_counts_as_not_set():
    loaded = settings.load(None, REQUIRED | {"SONARR_URL": "", "LOG_LEVEL": "", "SEEDCACHE_STATE_DIR": ""})
    assert (loaded.sonarr_url, loaded.log_level, loaded.state_dir) == ("", "INFO", "/var/lib/seedcache")


def test_a_table_in_the_file_and_two_underscores_in_the_environment_mean_the_full_name(file):
    config = file(f'[sonarr]\nurl = "http://sonarr:8989/tv"\napi_key = "{KEY}"\n')
    loaded = settings.load(config, REQUIRED | {"SEEDCACHE_SONARR__TAG": "series"})
    assert (loaded.sonarr_url, loaded.sonarr_api_key, loaded.sonarr_tag) == ("http://sonarr:8989/tv", KEY, "series")


def test_a_setting_given_twice_in_the_file_is_a_problem(file):
    (line,) = problems(file('sonarr_tag = "a"\n[sonarr]\ntag = "b"\n'))
    assert line.startswith("SONARR_TAG (file:")
    assert "set twice" in line


def test_the_file_may_be_named_by_the_variable_and_the_command_line_goes_before_it(file, tmp_path):
    other = tmp_path / "other"  # any name will do: the content decides
    other.write_text("metrics_port = 1\n")
    named = REQUIRED | {"SEEDCACHE_CONFIG": str(other)}
    assert settings.load(None, named).metrics_port == 1
    assert settings.load(file("metrics_port = 2\n"), named).metrics_port == 2


def test_a_named_file_must_exist_and_the_default_one_need_not(tmp_path):
    missing = str(tmp_path / "missing.toml")
    assert problems(missing) == [f"CONFIG (file:{missing}): does not exist; name the settings file that does"]
    assert settings.load(None, REQUIRED)


def test_a_file_that_cannot_be_read_is_a_problem_and_not_passed_over(tmp_path):
    (line,) = problems(str(tmp_path))
    assert "cannot be read (Is a directory)" in line


def test_a_file_that_is_not_toml_is_reported_with_its_name_and_the_line(file):
    config = file('log_level = "INFO"\nmetrics_port = = 3\n')
    (line,) = problems(config)
    assert line.startswith(f"CONFIG (file:{config}): is not valid TOML")
    assert "line 2" in line


def test_a_file_that_is_not_utf_8_is_reported(tmp_path):
    config = tmp_path / "latin.toml"
    config.write_bytes(b'log_file = "/caf\xe9"\n')
    (line,) = problems(str(config))
    assert str(config) in line


def test_all_problems_are_told_at_once_each_with_name_source_and_remedy(file):
    config = file('copy_retry_attempts = "3"\nlog_levle = "INFO"\nstate_dir = "relative"\n')
    with pytest.raises(ConfigurationError) as caught:
        settings.load(config, {"DISK_SPACE_THRESHOLD_GB": "lots", "SEEDCACHE_METRIC_PORT": "1", "LOG_LEVEL": "LOUD"})
    lines = str(caught.value).splitlines()
    assert len(lines) == 9
    assert all(re.match(r"[A-Z_]+ \((file:/|environment variable|default)[^)]*\): .", line) for line in lines)
    text = "\n".join(lines)
    assert f"COPY_RETRY_ATTEMPTS (file:{config}): '3' is not a whole number, at least 1; remove the quotes" in text
    assert f"LOG_LEVLE (file:{config}): there is no such setting; did you mean LOG_LEVEL?" in text
    assert "SEEDCACHE_METRIC_PORT (environment variable): there is no such setting; did you mean SEEDCACHE_METR" in text
    assert "LOG_LEVEL (environment variable LOG_LEVEL): 'LOUD' is none of DEBUG" in text
    for name in REQUIRED:
        assert f"{name} (default): is not set; set it in {config} or as SEEDCACHE_{name}" in text


def test_variables_of_the_tests_and_the_one_that_names_the_file_are_no_settings(file):
    environ = {"SEEDCACHE_CONFIG": file(""), "SEEDCACHE_TESTS_MUST_NOT_SKIP": "1"}
    assert settings.load(None, REQUIRED | environ)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DOWNLOAD_PATH_SSD", "srv/ssd", "not an absolute path"),
        ("DOWNLOAD_PATH_SSD", "~/ssd", "not an absolute path"),
        ("MAX_CONCURRENT_PROCESSES", "0", "at least 1"),
        ("MAX_CONCURRENT_PROCESSES", "2.5", "whole number"),
        ("MAX_CONCURRENT_PROCESSES", "0x10", "whole number"),
        ("DISK_SPACE_THRESHOLD_GB", "-1", "at least 0"),
        ("DISK_SPACE_THRESHOLD_GB", "nan", "not a number"),
        ("DISK_SPACE_THRESHOLD_GB", "9" * 400, "not a number"),
        ("VERIFICATION_ENABLED", "maybe", "write true or false"),
        ("SONARR_URL", "sonarr:8989", "not an address; write http://host[:port]"),
        ("SONARR_URL", "http://", "not an address"),
        ("SONARR_URL", "http://host:port", "not an address"),
        ("SONARR_TAG", "tv,,films", "empty label"),
        ("SONARR_API_KEY", "abc\u00e9", "no HTTP header can carry"),
        ("SCGI_URL", "localhost:5000", "not an address"),
        ("SCGI_URL", "scgi://localhost", "names no port"),
        ("SEEDCACHE_METRICS_ADDRESS", "127.0.0.1:9797", "the port is METRICS_PORT"),
        ("SEEDCACHE_METRICS_PORT", "65536", "0 to 65535"),
        ("SEEDCACHE_SPACE_CHECK_INTERVAL", "0", "at least 1"),
        ("SEEDCACHE_SPACE_LOW", "lots", "no amount of space; write it like 150 GB"),
        ("SEEDCACHE_SPACE_LOW", "101%", "more than the disk"),
        ("SEEDCACHE_POLICY_MAX_STAY", "30", "with its unit, like 3 days"),
        ("SEEDCACHE_POLICY_ORDER", "age,oldest", "'oldest' is not among age, ratio, idle, size, seeders"),
        ("SEEDCACHE_POLICY_KEEP_LABELS", "tv,,films", "empty text"),
        ("SEEDCACHE_POLICY_KEEP_LABELS", "tv,TV", "one twice"),
        ("SEEDCACHE_SONARR_PATH_MAP", "/data", "not a pair of paths; write /ours:/theirs"),
    ],
)
def test_a_value_of_the_wrong_form_is_refused_with_what_to_write(name, value, said):
    (line,) = problems(**{name: value})
    assert line.startswith(f"{name.removeprefix('SEEDCACHE_')} (environment variable {name}): ")
    assert said in line


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("disk_space_threshold_gb = 50", Marks(50 * GIB, 50 * GIB, 0)),
        ("space_low = 50", Marks(50 * GIB, 50 * GIB, 0)),
        ('space_low = "10%"\nspace_high = "15%"', Marks(100 * GIB, 150 * GIB, 0)),
        ('space_low = "50 GiB"\nspace_high = "1 TB"\nspace_emergency = "5 GiB"', Marks(50 * GIB, 10**12, 5 * GIB)),
        ('space_high = "200 GiB"', Marks(100 * GIB, 200 * GIB, 0)),
        ('space_low = "0"', Marks(0, 0, 0)),
    ],
)
def test_the_marks_are_sizes_or_parts_of_the_disk(file, text, marks):
    assert settings.load(file(text), REQUIRED).marks(1000 * GIB) == marks


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'space_low = "50 GB"\ndisk_space_threshold_gb = 50',
            "SPACE_LOW .*DISK_SPACE_THRESHOLD_GB is set too .*remove",
        ),
        ('space_low = "50 GB"\nspace_high = "49 GB"', "SPACE_HIGH .*49 GB is less than SPACE_LOW 50 GB .*at least"),
        ('space_high = "99 GiB"', r"SPACE_HIGH .*is less than DISK_SPACE_THRESHOLD_GB 100.0 \(default\)"),
        ('space_high = "0"', "SPACE_HIGH .*is less than"),
        ('space_low = "10%"\nspace_high = "150 GB"', "SPACE_HIGH .*cannot be compared with SPACE_LOW 10%"),
        ('space_low = "10%"\nspace_emergency = "11%"', "SPACE_EMERGENCY .*is more than SPACE_LOW 10% .*at most"),
        ('[policy]\nkeep_labels = ["TV"]\nleave_labels = ["x", "tv"]', "POLICY_LEAVE_LABELS .*POLICY_KEEP_LABELS .*tv"),
        ('[policy]\nmax_stay = "1 day"\nmin_seed_time = "25 h"', "POLICY_MAX_STAY .*less than POLICY_MIN_SEED_TIME"),
        ('[policy]\nhalf_life = "0"', "POLICY_HALF_LIFE .*must not be 0"),
        ("[policy]\nmax_stay = 30", "POLICY_MAX_STAY .*with its unit"),
        ('[policy]\norder = "age"', "POLICY_ORDER .*not a list"),
        ("[policy]\norder = []", "POLICY_ORDER .*an empty list"),
        ('[policy]\nordre = ["age"]', "POLICY_ORDRE .*did you mean POLICY_ORDER"),
    ],
)
def test_a_contradiction_or_a_mistake_in_the_policy_is_named(file, text, said):
    (line,) = problems(file(text))
    assert re.match(said, line), line


def test_the_policy_can_be_read_back(file):
    text = """
        [policy]
        order = ["Ratio", "size"]
        keep_labels = ["4K"]
        keep_trackers = ["example.org"]
        leave_labels = ["later"]
        min_seed_time = "3 days"
        min_ratio = 1
        import_hold = "1 day"
        patience = "90 s"
        max_stay = "2 w"
        half_life = "36 h"
    """
    loaded = settings.load(file(text), REQUIRED)
    expected = Rules(
        order=("ratio", "size"), keep_labels=("4K",), keep_trackers=("example.org",), leave_labels=("later",),
        min_seed_time=3 * 86400, min_ratio=1, import_hold=86400, patience=90, max_stay=14 * 86400, half_life=36 * 3600,
    )  # fmt: skip
    assert loaded.rules == expected
    shown = {setting.name: setting.value for setting in loaded.explain()}
    assert (shown["POLICY_ORDER"], shown["POLICY_MAX_STAY"]) == ("ratio, size", "2 w")
    assert settings.load(None, REQUIRED).rules == Rules()
    environ = {"SEEDCACHE_POLICY__ORDER": "age, size", "SEEDCACHE_POLICY_KEEP_LABELS": "a,b"}
    assert settings.load(None, REQUIRED | environ).rules == Rules(order=("age", "size"), keep_labels=("a", "b"))


@pytest.mark.parametrize(
    "text", ["max_concurrent_processes = true", "metrics_port = 1.0", 'verification_enabled = "x"']
)
def test_types_in_the_file_are_strict(file, text):
    (line,) = problems(file(text))
    assert line.startswith(text.split(" ")[0].upper())


@pytest.mark.parametrize("number", ["inf", "nan", "1" + "0" * 400])
def test_a_number_without_an_end_is_refused(file, number):
    (line,) = problems(file(f"retry_delay = {number}"))
    assert "is not a number" in line


@pytest.mark.parametrize(
    "url",
    [
        "/run/rtorrent/rpc.socket",
        "scgi://127.0.0.1:5000",
        "scgi:///run/rtorrent.sock",
        "scgi+unix:///run/rtorrent.sock",
        "http://host/RPC2",
        "https://user:word@host/RPC2",
    ],
)
def test_every_way_to_reach_rtorrent_is_accepted(url):
    assert settings.load(None, REQUIRED | {"SCGI_URL": url}).scgi_url == url


@pytest.mark.parametrize(
    ("ssd", "hdd"),
    [("/data", "/data"), ("/data", "/data/hdd"), ("/data/ssd", "/data"), ("/a/b", "/a/c/../b/"), ("/", "/b")],
)
def test_roots_that_are_the_same_or_inside_each_other_are_refused(ssd, hdd):
    (line,) = problems(DOWNLOAD_PATH_SSD=ssd, FINAL_DEST_BASE_HDD=hdd)
    assert line.startswith("FINAL_DEST_BASE_HDD (environment variable FINAL_DEST_BASE_HDD)")
    assert "two separate directories" in line


def test_roots_are_compared_by_component_so_ssd_is_no_prefix_of_ssd2():
    loaded = settings.load(None, REQUIRED | {"DOWNLOAD_PATH_SSD": "/ssd", "FINAL_DEST_BASE_HDD": "/ssd2"})
    assert loaded.final_dest_base_hdd == ("/ssd2",)


def test_roots_are_compared_after_their_symlinks_are_resolved(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (line,) = problems(DOWNLOAD_PATH_SSD=str(tmp_path / "real"), FINAL_DEST_BASE_HDD=str(tmp_path / "link" / "hdd"))
    assert "one is inside the other" in line
    loaded = settings.load(None, REQUIRED | {"DOWNLOAD_PATH_SSD": str(tmp_path / "link")})
    assert loaded.download_path_ssd == str(tmp_path / "real")


def test_a_service_without_a_key_is_a_problem_unless_nobody_is_told():
    (line,) = problems(RADARR_URL="http://radarr:7878")
    assert line.startswith("RADARR_API_KEY (default): is not set but RADARR_URL is")
    assert settings.load(None, REQUIRED | {"RADARR_URL": "http://radarr:7878", "NOTIFY_ARR_ENABLED": "no"})


def test_a_key_is_read_from_the_file_it_names(tmp_path):
    secret = tmp_path / "sonarr.key"
    secret.write_text(f"{KEY}\n")
    loaded = settings.load(None, REQUIRED | {"SONARR_URL": "http://s", "SONARR_API_KEY": f"file:{secret}"})
    assert loaded.sonarr_api_key == KEY


def test_a_key_file_that_is_missing_or_empty_is_a_problem(tmp_path):
    (line,) = problems(SONARR_API_KEY=f"file:{tmp_path}/none")
    assert "cannot be read (No such file or directory)" in line
    (tmp_path / "empty").touch()
    (line,) = problems(SONARR_API_KEY=f"file:{tmp_path}/empty")
    assert "is empty; put the key into it" in line


def test_a_key_of_digits_stays_a_text():
    loaded = settings.load(None, REQUIRED | {"SONARR_URL": "http://s", "SONARR_API_KEY": "00123"})
    assert loaded.sonarr_api_key == "00123"


def test_values_are_taken_literally_and_nothing_in_them_is_evaluated(file):
    config = file('sonarr_tag = "@format {env[HOME]}"\nradarr_tag = "@jinja {{ 1 + 1 }}"\n')
    loaded = settings.load(config, REQUIRED)
    assert (loaded.sonarr_tag, loaded.radarr_tag) == ("@format {env[HOME]}", "@jinja {{ 1 + 1 }}")


def test_path_pairs_are_read_as_a_list_a_table_and_from_the_environment(file):
    config = file('sonarr_path_map = ["/hdd:/data", "/hdd/tv:/tv"]\n[radarr.path_map]\n"/a.b/C__d:e" = "D:\\\\films"\n')
    loaded = settings.load(config, REQUIRED)
    assert loaded.sonarr_path_map == (("/hdd", "/data"), ("/hdd/tv", "/tv"))
    assert loaded.radarr_path_map == (("/a.b/C__d:e", "D:\\films"),)
    loaded = settings.load(config, REQUIRED | {"SEEDCACHE_RADARR_PATH_MAP": "/x:/y, /z:/w"})
    assert loaded.radarr_path_map == (("/x", "/y"), ("/z", "/w"))


def test_secrets_are_shown_nowhere(file):
    environ = REQUIRED | {
        "SCGI_URL": "https://user:hunter2@host/RPC2",
        "SONARR_URL": "http://s",
        "SONARR_API_KEY": KEY,
    }
    loaded = settings.load(None, environ)
    shown = repr(loaded) + str(loaded) + str(loaded.explain())
    assert KEY not in shown
    assert "hunter2" not in shown
    assert next(setting.value for setting in loaded.explain() if setting.name == "SONARR_API_KEY") == "********"
    for wrong in ({"SONARR_API_KEY": f"{KEY} {KEY}"}, {"SONARR_URL": "ftp://user:hunter2@host"}):
        said = "\n".join(problems(**wrong))
        assert KEY not in said
        assert "hunter2" not in said
    assert KEY not in "\n".join(problems(file(f'sonarr_api_key = ["{KEY}"]')))


def test_settings_survive_the_way_to_another_process_and_are_compared_by_value_alone(file):
    environment = settings.load(None, REQUIRED | {"LOG_LEVEL": "DEBUG"})
    assert pickle.loads(pickle.dumps(environment)) == environment
    assert settings.load(file('log_level = "DEBUG"'), REQUIRED) == environment
    assert settings.load(None, REQUIRED) != environment


def test_the_lock_directory_is_below_the_state_directory_unless_it_is_named():
    made = Settings(download_path_ssd="/s", final_dest_base_hdd=("/h",), scgi_url="/x", state_dir="/state")
    assert made.lock_dir == "/state/locks"


def test_every_bare_name_is_a_setting():
    assert set(settings.specs()) >= settings.BARE


def test_the_documentation_has_the_table_that_the_code_has():
    text = (PROJECT / "docs" / "settings.md").read_text()
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert table == settings.reference()


def test_the_class_alone_costs_neither_dynaconf_nor_requests():
    script = "import sys; from supervisor.settings import Settings; print(*sorted(sys.modules))"
    environ = {"PATH": os.environ["PATH"]}
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environ)
    assert not {"dynaconf", "requests", "tomllib", "urllib.parse", "difflib"} & set(loaded.stdout.split())


# -- messengers --------------------------------------------------------------------------------------------------------


def test_the_address_of_a_webhook_is_a_secret_everywhere(file):
    config = file('[webhook]\nurl = "https://hooks.example/T0KEN"\nsecret = "s3cret"\nevents = ["gone", "failed"]\n')
    loaded = settings.load(config, REQUIRED)
    assert (loaded.webhook_url, loaded.webhook_events) == ("https://hooks.example/T0KEN", ("failed", "gone"))
    shown = f"{loaded!r} {loaded.explain()}"
    assert "T0KEN" not in shown
    assert "s3cret" not in shown


def test_one_that_is_wrong_is_not_quoted(file):
    (problem,) = problems(SEEDCACHE_WEBHOOK_URL="htps://hooks.example/T0KEN")
    assert problem.startswith("WEBHOOK_URL (environment variable SEEDCACHE_WEBHOOK_URL)")
    assert "http://" in problem
    assert "T0KEN" not in problem
    (problem,) = problems(file("apprise_url = 7\n"))
    assert "APPRISE_URL" in problem


def test_it_may_stand_in_a_file_of_its_own(tmp_path):
    (tmp_path / "url").write_text("https://hooks.example/T0KEN\n")
    loaded = settings.load(None, REQUIRED | {"SEEDCACHE_WEBHOOK_URL": f"file:{tmp_path}/url"})
    assert loaded.webhook_url == "https://hooks.example/T0KEN"


def test_events_are_words_that_there_are():
    loaded = settings.load(None, REQUIRED | {"SEEDCACHE_WEBHOOK_EVENTS": " Held,failed, held"})
    assert loaded.webhook_events == ("failed", "held")
    (problem,) = problems(SEEDCACHE_APPRISE_EVENTS="failed,burnt")
    assert "burnt" in problem
    assert "relocated" in problem
