"""How a model shows itself."""

import re

import pytest

from fastmlp import Config, init_model
from fastmlp.model.display import MAX_LAYERS, model_html


@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
def test_layers_have_as_many_parameters_as_the_model(hidden):
    model = init_model(Config(hidden=hidden), n_features=5, n_classes=3)
    layers = re.findall(r"<td>([\d,]+)&#160;\+&#160;([\d,]+)</td>", model._repr_html_())
    assert layers == [(str(W.size), str(b.size)) for W, b in zip(model.weights, model.biases, strict=True)]
    assert f">{sum(int(W) + int(b) for W, b in layers)} of float32<" in model._repr_html_()


def test_of_many_layers_the_first_and_the_last_are_listed():
    text = model_html(init_model(Config(hidden=(3,) * 30), n_features=5, n_classes=2))
    assert text.count(">layer ") == MAX_LAYERS - 1
    assert ">20 more layers<" in text
    assert ">layer 31<" in text


@pytest.mark.parametrize(("loss", "word"), [("cross_entropy", "classes"), ("binary_cross_entropy", "labels")])
def test_classes_are_listed(loss, word):
    model = init_model(Config(hidden=(3,), loss=loss), n_features=5, n_classes=3)
    model.class_names = ("red", "<b>", "blue")
    assert f'{word}</th><td style="text-align:left">red, &lt;b&gt;, blue</td>' in model_html(model)
