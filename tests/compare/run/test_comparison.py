"""A comparison's conduct: cells that go well or wrong, stopping, going on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.cli import main
from pellucid.compare.results import Results, read_results
from pellucid.compare.run import Request, compare, read_earlier
from pellucid.compare.run.progress import LineProgress
from pellucid.errors import RunError

OURS = ("numpy", "compiled")


def request_of(*rows: str, **changes: object) -> Request:
    asked = Request(network="lenet5", data="mnist", engines=OURS, rows=rows)
    return replace(asked, **changes)


def run(request: Request, folder: Path, said: list[str] | None = None) -> Results:
    said = [] if said is None else said
    return compare(request, folder, LineProgress(said.append), read_earlier(folder))


def measured(log: Path) -> list[str]:
    return sorted(log.read_text(encoding="ascii").split())


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def test_a_cell_that_goes_wrong_says_so_and_the_rest_goes_on(log, tmp_path):
    said: list[str] = []
    rows = ("crash", "memory", "wrong", "good", "together", "long")
    results = run(request_of(*rows), tmp_path / "out", said)

    def cell(row: str, engine: str = "compiled") -> str:
        found = results.get(row, engine)
        assert found is not None
        return f"{found.status}: {found.reason}"

    assert cell("crash") == "failed: it crashed: SIGABRT."
    assert cell("memory", "numpy") == "failed: it ran out of memory: no 9 GiB."
    assert cell("memory").startswith("failed: it was killed, most likely for want of")
    assert cell("wrong") == "failed: ValueError: a row's own mistake"
    assert cell("together", "numpy") == "failed: numpy had no turn."
    assert cell("together") == cell("good") == "measured: "
    assert cell("long") == "full only: "
    good = results.get("good", "compiled")
    assert good is not None
    measurement = good.figure("speed")
    assert measurement is not None
    assert (measurement.value, measurement.low, measurement.runs) == (100.0, 99.0, 5)
    assert any("crash: numpy failed: it crashed" in line for line in said)
    assert any("left" in line for line in said)
    assert read_results(tmp_path / "out" / "results.json") == results


def test_cells_of_an_engine_share_a_process_but_for_those_that_need_a_fresh_one(
    log, tmp_path
):
    request = request_of("process", "fresh", "fresh-too", engines=("numpy",))
    results = run(request, tmp_path / "out")
    found = {cell.row: cell.figures[0].value for cell in results.cells}
    assert found["fresh"] != found["fresh-too"]
    assert found["process"] == found["fresh-too"]


def test_a_cell_that_hangs_ends_with_all_that_it_started(log, tmp_path):
    results = run(request_of("hang", engines=("numpy",)), tmp_path / "out")
    (cell,) = results.cells
    assert cell.reason == "it hung: no answer within its limit of 8 s."
    (child,) = log.read_text(encoding="ascii").split()
    assert not is_running(int(child))


def test_no_cell_outlives_a_comparison_that_was_killed(log, tmp_path):
    words = [sys.executable, "-m", "pellucid", "compare", "lenet5", "--engines"]
    words += ["numpy", "--out", str(tmp_path / "out"), "--only", "hang"]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    while not log.read_text(encoding="ascii").endswith("\n"):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    child = int(log.read_text(encoding="ascii"))
    deadline = time.monotonic() + 30
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(child)


def test_quick_ends_in_time_and_the_same_request_goes_on(log, tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.compare.run.comparison.QUICK_S", 4.0)
    begin = time.monotonic()
    results = run(request_of("good", "slow"), tmp_path / "out")
    assert time.monotonic() - begin < 500  # a cell of "slow" takes 600
    states = {(c.row, c.engine): c.status for c in results.cells}
    assert states["slow", "numpy"] == states["slow", "compiled"] == "not yet"
    cell = results.get("slow", "numpy")
    assert cell is not None
    assert cell.reason == (
        "--quick stops after 4 s; run the same command again to continue."
    )
    monkeypatch.undo()
    monkeypatch.setenv("PELLUCID_ROWS", str(log.parent / "rows"))
    monkeypatch.setenv("PELLUCID_LOG", str(log))
    again = run(request_of("good"), tmp_path / "out")
    good = again.get("good", "numpy")
    assert good is not None
    assert good.is_done


def test_what_is_done_stays_done_until_a_setting_changes(log, tmp_path):
    folder = tmp_path / "out"
    first = run(request_of("good"), folder)
    second = run(request_of("good", "long"), folder)
    assert measured(log) == ["compiled", "numpy"]
    assert second.get("good", "numpy") == first.get("good", "numpy")
    third = run(request_of("long"), folder)  # what was measured before is kept
    assert third.get("good", "numpy") == first.get("good", "numpy")
    run(request_of("good", seed=1), folder)
    assert measured(log) == ["compiled", "compiled", "numpy", "numpy"]


def test_disturbed_cells_are_measured_again_and_stay_until_then(log, tmp_path):
    folder = tmp_path / "out"
    results = run(request_of("good"), folder)
    busy = [
        replace(cell, is_disturbed=cell.engine == "numpy") for cell in results.cells
    ]
    text = json.dumps(replace(results, cells=tuple(busy)).to_json())
    (folder / "results.json").write_text(text, encoding="utf-8")
    log.write_text("", encoding="ascii")
    found = run(request_of("process"), folder).get("good", "numpy")
    assert found is not None
    assert found.is_disturbed
    assert measured(log) == []
    again = run(request_of("good"), folder).get("good", "numpy")
    assert again is not None
    assert not again.is_disturbed
    assert measured(log) == ["numpy"]


def test_another_version_of_the_rows_code_is_measured_again(log, tmp_path):
    folder = tmp_path / "out"
    request = request_of("good", engines=("numpy",))
    run(request, folder)
    row = log.parent / "rows" / "good.py"
    row.write_text(f"{row.read_text(encoding='utf-8')}\n# changed\n", encoding="utf-8")
    run(request, folder)
    assert measured(log) == ["numpy", "numpy"]


def test_an_engine_that_is_not_installed_says_how_to_install_it(
    log, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        "pellucid.compare.run.plan.missing_package",
        lambda engine: "llvmlite" if engine == "compiled" else None,
    )
    results = run(request_of("good"), tmp_path / "out")
    cell = results.get("good", "compiled")
    assert cell is not None
    assert cell.status == "not installed"
    assert cell.reason == "Not installed: no llvmlite. Run: pip install llvmlite"


def test_ctrl_c_keeps_what_is_done_and_the_command_goes_on_from_there(log, tmp_path):
    out = tmp_path / "out"
    words = [sys.executable, "-m", "pellucid", "compare", "lenet5", "--engines"]
    words += ["numpy", "--out", str(out), "--only"]
    subprocess.run([*words, "good"], check=True, capture_output=True, timeout=120)
    process = subprocess.Popen([*words, "good,slow"], stderr=subprocess.PIPE)
    while "slow" not in log.read_text(encoding="ascii"):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Run the same command to continue" in said
    document = json.loads((out / "results.json").read_text(encoding="utf-8"))
    states = {cell["row"]: cell["status"] for cell in document["cells"]}
    assert states == {"good": "measured", "slow": "not yet"}
    assert "not measured yet" in (out / "index.html").read_text(encoding="utf-8")


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "theirs.txt").write_text("precious", encoding="utf-8")
    with pytest.raises(RunError, match="--out must be empty or hold an earlier report"):
        read_earlier(tmp_path)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="--out must be a folder that can be written"):
        read_earlier(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_sentence(log, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir(mode=0o500)
    with pytest.raises(RunError, match="must be writable"):
        run(request_of("good"), folder)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--only", "speed"], "--only must be among learning, "),
        (["--engines", "mxnet"], "--engines must be among numpy, "),
        (["--priority", "fame"], "--priority must be among accuracy, "),
        (["--priority", "latency=-1"], "weight of a priority must be a number"),
        (["--priority", "latency=0"], "--priority must have a weight above 0"),
        (["--against", "nowhere.json"], "results must be a file that can be read"),
        (["xor-one-hidden"], "network must take images"),
        (["no-such-net"], "network: must be one of"),
        (["--data", "nowhere/"], "load: source must be"),
        (["--data", "xor"], "must"),
    ],
)
def test_bad_input_is_one_sentence(words, sentence, tmp_path, capsys):
    assert main(["compare", "--out", str(tmp_path / "out"), *words]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said


def test_the_command_writes_a_report_and_one_json_object(log, tmp_path, capsys):
    words = ["compare", "lenet5", "--engines", "numpy,compiled", "--only", "good"]
    out = tmp_path / "out"
    assert main([*words, "--out", str(out), "--json", "--priority", "training=2"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    assert [p["engine"] for p in document["ranking"]] == ["compiled", "numpy"]
    assert {path.name for path in out.iterdir()} == {
        "index.html",
        "report.md",
        "results.json",
    }
    against = ["--against", str(out / "results.json")]
    assert main([*words, "--out", str(out), *against]) == 0
    assert "no figure has changed beyond the noise" in capsys.readouterr().out


def test_a_network_and_data_of_one_s_own_are_compared(log, tmp_path, capsys):
    net = tmp_path / "my_net.py"
    net.write_text(
        "import pellucid as pl\n"
        "network = pl.Sequential(pl.Input(8, 8, 3), pl.Flatten(), pl.Dense(2))\n",
        encoding="utf-8",
    )
    rng = np.random.default_rng(0)
    for kind in ("cat", "dog"):
        folder = tmp_path / "photos" / kind
        folder.mkdir(parents=True)
        for i in range(5):
            pixels = rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}.png")
    out, photos = tmp_path / "out", tmp_path / "photos"
    words = ["compare", str(net), "--data", str(photos), "--engines", "numpy"]
    own = "learning,good"
    assert main([*words, "--out", str(out), "--only", own, "--seed", "3"]) == 0
    results = read_results(out / "results.json")
    assert {cell.row: cell.status for cell in results.cells} == {
        "learning": "measured",
        "good": "measured",
    }
    assert results.settings["data"] == str(photos)
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "# Which engine? my_net.py on photos" in text
    (photos / "dog" / "0.png").unlink()  # other data: measured again
    capsys.readouterr()
    assert main([*words, "--out", str(out), "--only", "good", "--seed", "3"]) == 0
    assert measured(log) == ["numpy", "numpy"]


def test_a_terminal_shows_a_bar_with_the_time_that_is_left(log, tmp_path):
    import pty

    leader, follower = pty.openpty()
    words = [sys.executable, "-m", "pellucid", "compare", "lenet5", "--engines"]
    words += ["numpy", "--out", str(tmp_path / "out"), "--only", "good"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        words, stderr=follower, stdout=subprocess.DEVNULL, env=environment
    )
    os.close(follower)
    said = b""
    with contextlib.suppress(OSError):  # the other end has closed
        while piece := os.read(leader, 4096):
            said += piece
    os.close(leader)
    assert process.wait() == 0
    assert "━".encode() in said
    assert b"0/1" in said or b"1/1" in said
    assert b"left" in said
