from dataclasses import asdict, replace

import pytest

from picojoule.training import Chosen, EpochRecord, Validation, choose


def history(*validations):
    return [
        EpochRecord(i, i, 1.0, 0.5, 10.0, None, None, v and Validation(*v))
        for i, v in enumerate(validations, start=1)
    ]


def test_the_most_accurate_within_the_limit_is_chosen():
    records = history((0.95, 130.0, 0.0), (0.90, 99.0, 0.0), (0.92, 100.0, 0.0), (0.91, 90.0, 0.0))
    assert choose(records, 100.0) == Chosen(3, 0.92, 100.0, feasible=True)


def test_some_standard_errors_are_kept_from_the_limit():
    records = history((0.95, 99.0, 0.01), (0.90, 98.3, 0.01))
    assert choose(records, 100.0) == Chosen(2, 0.90, 98.3, feasible=True)


def test_one_that_just_meets_the_limit_comes_before_one_that_misses_it():
    records = history((0.95, 99.0, 0.01), (0.97, 101.0, 0.01), (0.10, 99.9, 0.01))
    assert choose(records, 100.0) == Chosen(1, 0.95, 99.0, feasible=True)


def test_of_equals_the_one_that_spends_less_then_the_first():
    records = history((0.9, 80.0, 0.0), (0.9, 70.0, 0.0), (0.9, 70.0, 0.0))
    assert choose(records, 100.0) == Chosen(2, 0.9, 70.0, feasible=True)


def test_where_none_meets_the_limit_the_one_that_spends_least():
    records = history((0.95, 130.0, 0.0), (0.5, 110.0, 0.0), (0.9, 120.0, 0.0))
    assert choose(records, 100.0) == Chosen(2, 0.5, 110.0, feasible=False)


@pytest.mark.parametrize("later", [(0.6, 99.0, 0.0), (0.9, 120.0, 0.0)])
def test_an_epoch_in_which_the_aim_came_down_is_chosen_only_if_there_is_no_later_one(later):
    """Batch norms have not settled by then: it is cheap, and at chance."""
    first, last = history((0.95, 90.0, 0.0), later)
    first = replace(first, settled=False)
    chosen = choose([first, last], 100.0)
    assert chosen == Chosen(2, *later[:2], feasible=later[1] <= 100)
    assert choose([first], 100.0).epoch == 1
    assert choose([first, last], None).epoch == 1
    assert choose([EpochRecord.of(asdict(first)), last], 100.0) == chosen


def test_without_a_limit_the_most_accurate():
    records = history((0.95, 130.0, 0.1), (0.5, 110.0, 0.0))
    assert choose(records, None) == Chosen(1, 0.95, 130.0, feasible=True)


def test_without_validation_none():
    assert choose(history(None, None), 100.0) is None
    assert choose([], None) is None


def test_records_from_before_there_were_tasks_are_of_classes():
    (record,) = history((0.9, 80.0, 0.01))
    fields = asdict(record)
    del fields["mse"], fields["validation"]["mse"], fields["validation"]["macro_f1"]
    old = EpochRecord.of(fields)
    assert old == record
    assert choose([old], None) == Chosen(1, 0.9, 80.0, feasible=True)
    with pytest.raises(ValueError, match="has no macro_f1 to choose by"):
        choose([old], None, "macro_f1")


def test_records_go_to_plain_dicts_and_back():
    for record in history((0.9, 80.0, 0.01), None):
        assert EpochRecord.of(asdict(record)) == record
