"""The paper's table beside ours: paired intervals, order, Markdown, picture."""

import pytest

from replai.report import table1

SEEDS = 3


def rows_with(**verbs: list[float]) -> dict[str, dict[str, list[float]]]:
    """Rows of given verb top-1; all other figures 50."""
    other = {metric: [50.0] * SEEDS for metric in (*table1.METRICS, table1.ACTION)}
    return {name: {**other, "verb_top1": figures} for name, figures in verbs.items()}


def test_gaps_are_paired_by_seed() -> None:
    """Worlds differ by more than rows do, and yet every seed says the same."""
    gap = table1.gap([30.0, 60.0, 90.0], [29.0, 58.0, 88.0])
    assert gap is not None
    assert gap.is_apart
    # mean 5/3, standard deviation 1/sqrt(3), Student's t of 2 degrees of freedom 4.303
    assert (gap.low, gap.mean, gap.high) == pytest.approx((0.2324, 1.6667, 3.1009), abs=1e-3)


def test_a_gap_that_seeds_do_not_agree_on_is_not_apart() -> None:
    gap = table1.gap([30.0, 60.0, 90.0], [29.0, 58.0, 95.0])
    assert gap is not None
    assert not gap.is_apart
    assert table1.gap([1.0], [0.0]) is None


def test_rows_in_the_order_of_their_means() -> None:
    rows = rows_with(replai=[5.0, 5, 5], random=[9.0, 0, 0], avid=[4.0, 4, 4])
    assert table1.in_order(rows, "verb_top1") == ["random", "avid", "replai"]


def test_the_table_has_our_figures_and_the_papers() -> None:
    lines = table1.markdown(rows_with(random=[20.0, 22, 24], replai=[30.0, 33, 33])).splitlines()
    assert [line.count("|") for line in lines[:4]] == [16] * 4
    assert lines[2].startswith(f"| Random | 22.0 ± 2.0 |{' 50.0 ± 0.0 |' * 4} **+10")
    assert lines[2].endswith("| 20.4 | 5.0 | 64.8 | 19.8 | 17.4 | 7.7 |")
    assert lines[3].startswith("| RepLAI | 32.0 ± 1.7 | ")
    orders = lines[lines.index("verb top1, from the lowest:") + 2 :]
    assert orders[:4] == [
        "- here: Random ≪ RepLAI",
        "- EPIC-Kitchens-100: Random < RepLAI",
        "- Ego4D: Random < RepLAI",
        "- pairs of rows that the paper's datasets order alike: 1; so here: 1, 1 of them apart",
    ]
    assert "deviation of 3 seeds" in lines[5]
    actions = lines[lines.index("action top1, from the lowest:") + 2 :]
    assert actions == ["- here: Random < RepLAI"], "the paper does not give it"


def test_pairs_that_the_papers_datasets_agree_on() -> None:
    """EPIC-Kitchens-100 has scratch below AVID for verbs, Ego4D above; the bare row is not its."""
    rows = rows_with(
        avid=[25.0, 26, 27], scratch=[29.0, 29, 29], bare=[9.0] * 3, replai=[26.0, 27, 28]
    )
    agreed = table1.agreed(rows, "verb_top1")
    assert sorted(agreed) == [("avid", "replai"), ("scratch", "replai")]
    assert table1.agreed(rows, table1.ACTION) == []
    assert agreement(rows).endswith(
        "2; so here: 1, 1 of them apart; the other way: from scratch > RepLAI"
    )
    rows["scratch"]["verb_top1"] = [36.0, 37, 38]
    assert agreement(rows).endswith("the other way: from scratch ≫ RepLAI")
    of_one_seed = {name: {key: one[:1] for key, one in row.items()} for name, row in rows.items()}
    assert "apart" not in agreement(of_one_seed)


def agreement(rows: table1.Rows) -> str:
    """The line on verbs."""
    return next(line for line in table1.markdown(rows).splitlines() if "order alike" in line)


def test_a_row_that_the_paper_lacks_stands_without_its_figures() -> None:
    rows = rows_with(random=[20.0] * 3, bare=[25.0] * 3, replai=[30.0] * 3)
    lines = table1.markdown(rows).splitlines()
    assert lines[3].startswith("| bare difference | 25.0 ± 0.0 |")
    assert lines[3].endswith("| – | – | – | – | – | – |")
    assert "- here: Random ≪ bare difference ≪ RepLAI" in lines
    assert "- Ego4D: Random < RepLAI" in lines


def test_the_picture_is_a_png() -> None:
    rows = rows_with(random=[20.0, 22, 24], bare=[25.0, 25, 25], replai=[30.0, 33, 33])
    image = table1.picture(rows)
    assert image.startswith(b"\x89PNG")
