"""The verdicts on the paper's claims, for studies with made-up results."""

import pytest

from fastmlp.paper.claims import check_claims
from fastmlp.paper.figures import FIGURES


def verdicts(studies):
    return {claim.text.partition(" (")[0]: claim.holds for claim in check_claims(studies)}


def test_the_results_of_the_paper_confirm_all_claims(make_study):
    got = verdicts({number: make_study(number) for number in FIGURES})
    assert len(got) == 6
    assert all(got.values())


@pytest.mark.parametrize(
    ("number", "setting", "claim"),
    [
        (1, {"l2": 0.01}, "A too large lambda keeps the network from training properly and ends at a bigger loss"),
        (2, {"optimizer": "adam", "learning_rate": 0.5}, "Adam fails with a too big learning rate"),
        (2, {"optimizer": "sgd", "learning_rate": 0.5}, "SGD performs best when the learning rate is around 0.1"),
        (3, {"decay_rate": 0.0001}, "A bigger decay rate gives a lower loss"),
    ],
)
def test_a_claim_is_refuted_if_another_setting_is_best(make_study, number, setting, claim):
    study = make_study(number, setting, 0.52)
    assert [text for text, holds in verdicts({number: study}).items() if not holds] == [claim]


def test_claims_about_a_missing_figure_are_left_out(make_study):
    assert [claim.text for claim in check_claims({3: make_study(3)})][2:] == [
        "A bigger decay rate gives a lower loss (section 2.4)."
    ]
    assert check_claims({}) == []


@pytest.mark.parametrize("changes", [{"n_repeats": 9}, {"n_repeats": 1}, {"n_epochs": 19}, {"n_epochs": 21}])
def test_runs_of_other_numbers_are_measured_without_a_verdict(make_study, changes):
    claims = check_claims({number: make_study(number, **changes) for number in FIGURES})
    assert [claim.holds for claim in claims] == [None] * 6
    assert all(claim.measured for claim in claims)


def test_only_the_claims_about_a_shortened_figure_are_not_judged(make_study):
    got = verdicts({1: make_study(1), 2: make_study(2), 3: make_study(3, n_repeats=2)})
    assert [text for text, holds in got.items() if holds is None] == [
        "Around 50 % classification accuracy is reached",
        "The majority baseline is around 10 %",
        "A bigger decay rate gives a lower loss",
    ]


def test_runs_on_other_data_are_not_compared_with_the_claims(make_study, digits):
    assert check_claims({number: make_study(number, data=digits) for number in FIGURES}) == []
    renamed = {"checksum": "abc"}  # a copy of CIFAR-10 with other values: its name does not count
    assert check_claims({3: make_study(3, data=renamed)}) == []
    mixed = verdicts({1: make_study(1, data=digits), 3: make_study(3)})
    assert "A bigger decay rate gives a lower loss" in mixed
    assert "A too large lambda keeps the network from training properly and ends at a bigger loss" not in mixed


def test_an_incomplete_study_is_not_compared_with_the_claims(make_study):
    study = make_study(3)
    study._records.pop()
    assert check_claims({3: study}) == []
