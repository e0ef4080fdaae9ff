import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.event_files import (
    AEDAT_2_TEXT,
    AEDAT_3_TEXT,
    aedat_2_bytes,
    aedat_3_bytes,
    aedat_3_packet,
    events,
    gesture_rows,
    named,
    write_cifar10_dvs,
    write_gesture,
)
from picojoule.data import dataset
from picojoule.data.readers import aedat, cifar10_dvs, dvs_gesture
from picojoule.data.readers.bad import Bad

PATH = Path("some.aedat")
EVENTS = events(30, 128, seed=3)


def rows(found: aedat.Events) -> list[tuple[int, ...]]:
    return [tuple(row) for row in zip(*(part.tolist() for part in found), strict=True)]


def pairs(lists, i: int) -> list[tuple[int, int]]:
    one = lists[torch.tensor([i])]
    return list(zip(one.times_us.tolist(), one.address.tolist(), strict=True))


class TestVersion2:
    def test_what_was_written_is_read(self):
        assert rows(aedat.parse_2(aedat_2_bytes(EVENTS), PATH)) == EVENTS
        assert rows(aedat.parse_2(AEDAT_2_TEXT, PATH)) == []

    def test_addresses_are_flat_indices(self):
        found = aedat.parse_2(aedat_2_bytes([(0, 5, 3, 1), (0, 127, 127, 0)]), PATH)
        assert found.address.tolist() == [128 * 128 + 3 * 128 + 5, 128 * 128 - 1]

    def test_times_may_go_back_and_the_input_pin_is_left_out(self):
        raw = aedat_2_bytes([(9, 1, 1, 1), (4, 1, 1, 1)]) + struct.pack(">ii", 0x8000, 5)
        assert rows(aedat.parse_2(raw, PATH)) == [(9, 1, 1, 1), (4, 1, 1, 1)]

    @pytest.mark.parametrize(
        ("raw", "message"),
        [
            (aedat_2_bytes(EVENTS)[:-3], "is truncated: its 237 bytes of data"),
            (aedat_2_bytes(EVENTS, b""), "expected #!AER-DAT2.0 in the first line"),
            (aedat_2_bytes(EVENTS, AEDAT_3_TEXT), "found b'#!AER-DAT3.1'"),
            (b"#!AER-DAT2.0\r\n# and then", "ends within its header"),
            (aedat_2_bytes([(-7, 1, 1, 1)]), r"a time is negative \(-7 us\)"),
            (AEDAT_2_TEXT + struct.pack(">ii", 0x10000, 1), "address 0x10000 is outside of 128"),
        ],
    )
    def test_malformed(self, raw, message):
        with pytest.raises(ValueError, match=message) as caught:
            aedat.parse_2(raw, PATH)
        assert str(caught.value).startswith(str(PATH))


class TestVersion3:
    def test_what_was_written_is_read(self):
        packets = [aedat_3_packet(EVENTS[:11]), aedat_3_packet([]), aedat_3_packet(EVENTS[11:])]
        assert rows(aedat.parse_3(aedat_3_bytes(*packets), PATH)) == EVENTS
        assert rows(aedat.parse_3(AEDAT_3_TEXT, PATH)) == []

    def test_other_packets_and_invalid_events_are_passed_over(self):
        packets = [aedat_3_packet(EVENTS[:5], kind=0), aedat_3_packet(EVENTS, invalid=4)]
        assert rows(aedat.parse_3(aedat_3_bytes(*packets), PATH)) == EVENTS[:-4]

    def test_time_goes_on_where_31_bits_end(self):
        late = [(t + 2 * 2**31, *place) for t, *place in EVENTS]
        raw = aedat_3_bytes(aedat_3_packet(EVENTS, overflow=2))
        assert rows(aedat.parse_3(raw, PATH)) == late

    @pytest.mark.parametrize(
        ("raw", "message"),
        [
            (aedat_3_bytes(aedat_3_packet(EVENTS))[:-1], "announces 240 bytes, and 239 are left"),
            (aedat_3_bytes(b"\1" * 27), "it ends within the header of a packet"),
            (aedat_3_bytes(text=b"#!AER-DAT3.0\r\n"), "expected #!AER-DAT3.1 in the first line"),
            (aedat_3_bytes(text=b"#!AER-DAT3.1\r\n#Format: RAW\r\n"), "has no last line #!END"),
            (b"#!AER-DAT3.1\r\n#Format", "ends within its header"),
            (aedat_3_bytes(aedat_3_packet([(0, 128, 2, 1)])), "an event is at x 128, y 2, outside"),
            (aedat_3_bytes(aedat_3_packet([(-1, 1, 2, 1)])), r"a time is negative \(-1 us\)"),
            (
                aedat_3_bytes(struct.pack("<hhiiiiii", 1, 1, 16, 4, 0, 1, 1, 1) + bytes(16)),
                "expected events of 8 bytes, found 16",
            ),
        ],
    )
    def test_malformed(self, raw, message):
        with pytest.raises(ValueError, match=message) as caught:
            aedat.parse_3(raw, PATH)
        assert str(caught.value).startswith(str(PATH))


@given(
    version=st.sampled_from([2, 3]),
    head=st.booleans(),
    tail=st.binary(max_size=80),
    change=st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=4)),
)
def test_no_bytes_crash_it(version, head, tail, change):
    whole = aedat_2_bytes(EVENTS) if version == 2 else aedat_3_bytes(aedat_3_packet(EVENTS))
    text = AEDAT_2_TEXT if version == 2 else AEDAT_3_TEXT
    place = change[0] % len(whole)
    changed = whole[:place] + change[1] + whole[place + len(change[1]) :]
    parse = aedat.parse_2 if version == 2 else aedat.parse_3
    for raw in (tail, text + tail if head else whole + tail, changed, whole[:place]):
        with named(PATH):
            found = parse(raw, PATH)
            assert all(len(part) == len(found.times_us) for part in found)
            assert not len(found.x) or 0 <= found.address.min() <= found.address.max() < 2**15


class TestCifar10Dvs:
    def test_the_last_tenth_of_each_class_by_number_is_the_test_set(self, tmp_path):
        write_cifar10_dvs(tmp_path)
        parts = cifar10_dvs.read(tmp_path, dataset("cifar10-dvs"), bad=Bad(False))
        assert parts.validation is None
        assert parts.train.y.tolist() == [k for k in range(10) for _ in range(9)]
        assert parts.test.y.tolist() == [k for k in range(10) for _ in range(2)]
        # The first event tells number n and class k: its x and y, turned to y and x and mirrored.
        first = [pairs(parts.test.x, i)[0] for i in range(20)]
        expected = [128 * 128 + (127 - n) * 128 + (127 - k) for k in range(10) for n in (9, 10)]
        assert first == [(0, address) for address in expected]

    def test_times_count_from_the_first_event(self, tmp_path):
        write_cifar10_dvs(tmp_path, count=2)
        assert [
            t
            for t, _ in pairs(
                cifar10_dvs.read(tmp_path, dataset("cifar10-dvs"), bad=Bad(False)).train.x, 0
            )
        ] == [
            0,
            500,
            8_000,
        ]

    def test_bad_files_are_left_out_and_nothing_moves(self, tmp_path):
        write_cifar10_dvs(tmp_path)
        paths = [tmp_path / "cat" / f"cifar10_cat_{n}.aedat" for n in (1, 2)]
        paths[0].write_bytes(AEDAT_2_TEXT)
        paths[1].write_bytes(b"")
        with pytest.raises(ValueError, match=r"cifar10_cat_1.aedat holds no event"):
            cifar10_dvs.read(tmp_path, dataset("cifar10-dvs"), bad=Bad(False))
        bad = Bad(True)
        parts = cifar10_dvs.read(tmp_path, dataset("cifar10-dvs"), bad=bad)
        assert bad.items == [f"{paths[0]} holds no event", f"{paths[1]} is empty"]
        assert (len(parts.train), len(parts.test)) == (88, 20)

    def test_folders_and_names(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"there is no folder .*airplane"):
            cifar10_dvs.read(tmp_path, dataset("cifar10-dvs"), bad=Bad(False))
        write_cifar10_dvs(tmp_path, count=1)
        with pytest.raises(ValueError, match="airplane holds 1 recordings"):
            cifar10_dvs.read(tmp_path, dataset("cifar10-dvs"), bad=Bad(False))
        (tmp_path / "airplane" / "new.aedat").touch()
        with pytest.raises(ValueError, match=r"new\.aedat: expected a name as cifar10_airplane_42"):
            cifar10_dvs.read(tmp_path, dataset("cifar10-dvs"), bad=Bad(False))


class TestGesture:
    def test_each_row_is_a_recording(self, tmp_path):
        trials = write_gesture(tmp_path / "DvsGesture")
        parts = dvs_gesture.read(tmp_path / "DvsGesture", dataset("dvs-gesture"), bad=Bad(False))
        assert parts.train.y.tolist() == [0, 10, 2, 0, 10, 2]
        assert parts.test.y.tolist() == [0, 10, 2]
        assert parts.validation is None
        windows = ((0, 10_000), (10_000, 20_000), (18_000, 1_000_000))
        for i, (start, end) in enumerate(windows):
            expected = [
                (t - start, (on * 128 + y) * 128 + x)
                for t, x, y, on in trials["user24_led"]
                if start <= t < end
            ]
            assert expected
            assert pairs(parts.test.x, i) == expected

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "is empty"),
            ("\n", "expected the columns class,startTime_usec,endTime_usec, found ''"),
            ("1,0,10\n", "found '1,0,10'"),
            (gesture_rows(), "holds no gesture"),
            (gesture_rows((12, 0, 9)), "expected a class of 1 to 11, found 12"),
            (gesture_rows((0, 0, 9)), "expected a class of 1 to 11, found 0"),
            (gesture_rows((1, 9, 9)), "a gesture starts at 9 us and ends at 9 us"),
            (gesture_rows((1, -2, 9)), "expected three whole numbers in a row, found '1,-2,9'"),
            (gesture_rows() + "1,2\n", "found '1,2'"),
            (gesture_rows() + "1,²,3\n", "expected three whole numbers"),
            (gesture_rows((1, 10**9, 10**10)), "there is no event from 1000000000 us"),
        ],
    )
    def test_bad_labels_are_named_or_their_trial_is_left_out(self, tmp_path, text, message):
        write_gesture(tmp_path / "DvsGesture")
        path = tmp_path / "DvsGesture" / "user02_lab_labels.csv"
        path.write_text(text)
        with pytest.raises(ValueError, match=message) as caught:
            dvs_gesture.read(path.parent, dataset("dvs-gesture"), bad=Bad(False))
        assert "user02_lab" in str(caught.value)
        bad = Bad(True)
        parts = dvs_gesture.read(path.parent, dataset("dvs-gesture"), bad=bad)
        assert bad.items == [str(caught.value)]
        assert len(parts.train) == 3

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                b"../user01_led.aedat\n",
                "expected names of .aedat files, found '../user01_led.aedat'",
            ),
            (b"user01_led\n", "found 'user01_led'"),
            (b"\xff\xfe.aedat", "trials_to_test.txt is not a text"),
            (b"user24_led.aedat\nuser24_led.aedat", "names a file twice"),
            (b"user01_led.aedat", "in the list to train and in that to test"),
            (b"", "trials_to_test.txt is empty"),
            (b"\n", "holds no recording"),
        ],
    )
    def test_bad_lists(self, tmp_path, text, message):
        write_gesture(tmp_path / "DvsGesture")
        (tmp_path / "DvsGesture" / "trials_to_test.txt").write_bytes(text)
        with pytest.raises(ValueError, match=message):
            dvs_gesture.read(tmp_path / "DvsGesture", dataset("dvs-gesture"), bad=Bad(False))

    @pytest.mark.parametrize(
        "name", ["trials_to_train.txt", "user01_led.aedat", "user01_led_labels.csv"]
    )
    def test_missing_files(self, tmp_path, name):
        write_gesture(tmp_path / "DvsGesture")
        (tmp_path / "DvsGesture" / name).unlink()
        with pytest.raises(FileNotFoundError, match=name):
            dvs_gesture.read(tmp_path / "DvsGesture", dataset("dvs-gesture"), bad=Bad(True))

    @given(labels=st.binary(max_size=60), trials=st.binary(max_size=40))
    def test_no_text_crashes_it(self, tmp_path_factory, labels, trials):
        folder = tmp_path_factory.mktemp("gesture") / "DvsGesture"
        write_gesture(folder)
        columns = gesture_rows().encode()
        for name, text in (
            ("user01_led_labels.csv", labels),
            ("user01_led_labels.csv", columns + labels),
            ("trials_to_test.txt", trials + b".aedat"),
        ):
            before = (folder / name).read_bytes()
            (folder / name).write_bytes(text)
            with pytest.raises((ValueError, FileNotFoundError)) as caught:
                dvs_gesture.read(folder, dataset("dvs-gesture"), bad=Bad(False))
            assert str(folder) in str(caught.value)
            (folder / name).write_bytes(before)
