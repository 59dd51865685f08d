"""Proving derivatives from the command line."""

from pellucid.engines.numpy.layers import FORWARD
from pellucid.engines.numpy.layers.forward import Forward
from pellucid.network.layers import Dense


def test_right_derivatives_give_0_and_a_table(pellucid):
    answer = pellucid("verify", "xor-one-hidden", "--gradients")
    assert answer.code == 0
    assert "dense_1.bias" in answer.out
    assert "gradients of xor-one-hidden: correct" in answer.out


def test_wrong_derivatives_give_1(pellucid, monkeypatch):
    right = FORWARD[Dense]

    def wrong(*arguments):
        forward = right(*arguments)
        return Forward(
            forward.output,
            lambda grad_y: tuple(1.01 * g for g in forward.grad_inputs(grad_y)),
            forward.grad_weights,
        )

    monkeypatch.setitem(FORWARD, Dense, wrong)
    answer = pellucid("verify", "xor-one-hidden", "--gradients", "--json")
    assert answer.code == 1
    assert answer.json["passes"] is False
    errors = {w["name"]: w["error"] for w in answer.json["weights"]}
    assert errors["dense.weight"] > 1e-3
    assert errors["dense_1.weight"] < 1e-7


def test_a_file_or_a_run_is_verified_too(pellucid, trained):
    for source in ("tiny.json", "tiny", "runs/tiny/best.pellucid"):
        answer = pellucid("verify", source, "--gradients", "--samples", "5", "--json")
        assert answer.code == 0, answer.err
        assert answer.json["network"] == "tiny"


def test_what_is_no_network_is_refused(pellucid):
    answer = pellucid("verify", "nothing", "--gradients")
    assert answer.code == 2
    assert "NETWORK must be one of lenet5" in answer.err


def test_both_proofs_are_one_object(pellucid):
    both = ("--engines", "numpy,compiled", "--steps", "1", "--gradients", "--json")
    answer = pellucid("verify", "xor-one-hidden", *both)
    assert answer.code == 0
    assert answer.json["passes"] is True
    assert answer.json["engines"]["engines"] == ["numpy", "compiled"]
    assert answer.json["gradients"]["passes"] is True


def test_a_negative_tolerance_is_refused(pellucid):
    answer = pellucid("verify", "xor-one-hidden", "--tolerance", "-1")
    assert answer.code == 2
    assert "--tolerance" in answer.err
