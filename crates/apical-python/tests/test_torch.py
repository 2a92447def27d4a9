"""Weights to and from torch."""

import numpy as np
import pytest

import apical

torch = pytest.importorskip("torch", reason="torch is not installed: interchange with it cannot be tested here")


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_a_torch_rnn_does_the_same_here(nonlinearity, rng):
    torch.manual_seed(0)
    module = torch.nn.RNN(3, 7, nonlinearity=nonlinearity).double()
    readout = torch.nn.Linear(7, 2).double()
    X = rng.normal(size=(15, 3))
    hidden, _ = module(torch.from_numpy(X))
    network = apical.from_torch_rnn(module, readout)
    learner = apical.Learner(network, "rflo", loss="mean_squared_error")
    shown = learner.simulate(X)
    np.testing.assert_allclose(shown["rates"], hidden.detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(shown["outputs"], readout(hidden).detach().numpy(), rtol=1e-9, atol=1e-12)
    # And back.
    state = learner.to_torch_state_dict()
    again = torch.nn.RNN(3, 7, nonlinearity=nonlinearity).double()
    again.load_state_dict({k: v for k, v in state.items() if not k.startswith("readout")})
    np.testing.assert_allclose(again(torch.from_numpy(X))[0].detach().numpy(), shown["rates"], rtol=1e-9, atol=1e-12)


def test_autograd_agrees_with_rtrl(rng):
    module, readout = torch.nn.RNN(2, 5).double(), torch.nn.Linear(5, 1).double()
    X, Y = rng.normal(size=(12, 2)), rng.normal(size=(12, 1))
    hidden, _ = module(torch.from_numpy(X))
    (0.5 * (readout(hidden) - torch.from_numpy(Y)) ** 2).sum().backward()
    got = apical.gradients(apical.from_torch_rnn(module, readout), "rtrl", X, Y, loss="mean_squared_error")
    total = got["rec"].sum(0)
    np.testing.assert_allclose(total[:, :5], module.weight_hh_l0.grad, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(total[:, 5:7], module.weight_ih_l0.grad, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(got["out"].sum(0)[:, :5], readout.weight.grad, rtol=1e-8, atol=1e-10)


def test_what_cannot_be_taken_over_is_refused():
    with pytest.raises(TypeError, match="module: got a GRU"):
        apical.from_torch_rnn(torch.nn.GRU(2, 3))
    with pytest.raises(ValueError, match="layers"):
        apical.from_torch_rnn(torch.nn.RNN(2, 3, num_layers=2))


def test_what_torch_does_not_compute_is_not_exported():
    for settings, name in (
        ({"neuron": "voltage"}, "neuron"),
        ({"neuron": apical.neurons.rate(alpha=0.5)}, "alpha"),
        ({"output_feedback": "gaussian"}, "output_feedback"),
    ):
        with pytest.raises(ValueError, match=f"{name}: got"):
            apical.Network(2, 2, 3, **settings).to_torch_state_dict()
    with pytest.raises(TypeError, match="readout: got a int, expected a torch.nn.Linear"):
        apical.from_torch_rnn(torch.nn.RNN(2, 3), 3)

    class Mine(torch.nn.RNN):
        pass

    assert apical.from_torch_rnn(Mine(2, 3)).units == 3
