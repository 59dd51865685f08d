"""Exit codes and errors of the command line as a whole."""

import subprocess
import sys
from pathlib import Path

import pytest

import pellucid as pl
from pellucid.cli import app, main


def test_the_version_is_printed(pellucid):
    answer = pellucid("--version")
    assert (answer.code, answer.out) == (0, f"pellucid {pl.__version__}\n")


def test_help_lists_the_commands_that_are_there_and_no_others(pellucid, monkeypatch):
    missing = app.CommandEntry("not_there", "f", "Do what is not there.", "Panel")
    monkeypatch.setitem(app.COMMANDS, "not-there", missing)
    answer = pellucid("--help")
    assert answer.code == 0
    for name in (
        "train",
        "evaluate",
        "predict",
        "explain",
        "verify",
        "data",
        "engines",
    ):
        assert app.COMMANDS[name].help in answer.out
    assert "not-there" not in answer.out


def test_a_command_without_a_file_is_refused(pellucid, monkeypatch):
    missing = app.CommandEntry("not_there", "f", "Do what is not there.", "Panel")
    monkeypatch.setitem(app.COMMANDS, "not-there", missing)
    answer = pellucid("not-there")
    assert answer.code == 2
    assert "No such command 'not-there'" in answer.err


@pytest.mark.parametrize(
    "name", [n for n, e in app.COMMANDS.items() if app.is_available(e)]
)
def test_each_command_has_help_with_examples(pellucid, name):
    answer = pellucid(name, "--help")
    assert answer.code == 0
    assert f"pellucid {name}" in answer.out
    assert "Examples" in answer.out


def test_a_mistyped_command_is_answered_with_the_right_one(pellucid):
    answer = pellucid("trian")
    assert answer.code == 2
    assert "Did you mean 'train'" in answer.err


def test_a_mistyped_option_is_answered_with_the_right_one(pellucid):
    answer = pellucid("train", "tiny.json", "--epohcs", "3")
    assert answer.code == 2
    assert "--epochs" in answer.err


def test_a_bug_of_ours_ends_with_its_traceback_and_70(pellucid, monkeypatch):
    def broken():
        raise RuntimeError("a broken part")

    monkeypatch.setattr("pellucid.data.sources", broken)
    answer = pellucid("data")
    assert answer.code == 70
    assert "Traceback" in answer.err
    assert "a broken part" in answer.err


def test_interrupting_any_command_gives_130(pellucid, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("pellucid.data.sources", interrupted)
    assert pellucid("data").code == 130


def test_the_module_runs_as_the_command_does():
    command = [sys.executable, "-m", "pellucid", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"pellucid {pl.__version__}\n"


def test_a_pipe_that_closes_early_leaves_no_traceback(here):
    arguments = ("train", "tiny.json", "--data", "tiny.npz", "--engine", "numpy")
    many = ("--epochs", "500", "--json", "--quiet")
    command = [sys.executable, "-m", "pellucid", *arguments, *many]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert '"epoch": 1' in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_help_reads_no_command_and_no_framework():
    probe = (
        "import sys, io, contextlib\n"
        "from pellucid.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    main(['--help'])\n"
        "heavy = {'torch', 'tensorflow', 'jax', 'numba', 'matplotlib', 'pydantic',\n"
        "         'pellucid.cli.train'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", probe]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_error_is_one_sentence_without_a_traceback(pellucid):
    answer = pellucid("evaluate", "nowhere")
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.count("\n") == 1
    assert answer.err.startswith("error: run: must be a run folder")


def test_main_takes_the_process_arguments(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["pellucid", "--version"])
    assert main() == 0
    assert "pellucid" in capsys.readouterr().out
    assert not Path("runs").exists()
