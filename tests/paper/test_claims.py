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
