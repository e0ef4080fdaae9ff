"""Sounds."""

from picojoule.data.sets.description import Dataset, File, Sizes
from picojoule.data.sets.names import DIGITS, WORDS

FSDD = Dataset(
    name="fsdd",
    description="3,000 spoken digits of six speakers, 8 kHz",
    modality="audio",
    format="wav",
    files=(
        # Archives made on demand are not stable byte for byte: the recordings in it are checked
        # instead.
        File(
            path="free-spoken-digit-dataset-26eb9aaf.zip",
            url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/"
            "26eb9aaf76e81b692f806f9140c2d2777410d7a1.zip",
            sha256=None,
            content_sha256="ef178a1d2632432db60bdadbdac6bd8224a0c4299b8c363c55a9d2e2a71ef1d9",
            content_bytes=20_996_848,
            gives="0_george_0.wav",
        ),
    ),
    folder="free-spoken-digit-dataset/recordings",
    marker="0_george_0.wav",
    licence="CC BY-SA 4.0",
    citation="Z. Jackson et al., Free Spoken Digit Dataset, Zenodo, 2018, "
    "doi 10.5281/zenodo.1342401",
    labels=DIGITS,
    inputs=(),
    sizes=Sizes(train=2_400, validation=300, test=300),
    rate_hz=8_000,
    division="test is takes 0 to 4, its publisher's; validation is takes 5 to 9",
    speakers=("george", "jackson", "lucas", "nicolas", "theo", "yweweler"),
)

# The checksum that torchaudio 2.11 and tensorflow-datasets 4.9 have for it.
_ARCHIVE = File(
    path="speech_commands_v0.02.tar.gz",
    url="http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
    sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
    gives="testing_list.txt",
)
_CITATION = (
    "P. Warden, Speech Commands: a dataset for limited-vocabulary speech recognition, 2018, "
    "arXiv 1804.03209"
)

SPEECH_COMMANDS = Dataset(
    name="speech-commands",
    description="105,829 recordings of 35 words, 16 kHz (Speech Commands v0.02)",
    modality="audio",
    format="speech-commands",
    files=(_ARCHIVE,),
    folder="speech_commands_v0.02",
    marker="testing_list.txt",
    licence="CC BY 4.0",
    citation=_CITATION,
    labels=WORDS,
    inputs=(),
    sizes=Sizes(train=84_843, validation=9_981, test=11_005),
    rate_hz=16_000,
)

SPEECH_COMMANDS_12 = Dataset(
    name="speech-commands-12",
    description="ten words, others and silence, 16 kHz (Speech Commands v0.02)",
    modality="audio",
    format="speech-commands",
    files=(_ARCHIVE,),
    folder="speech_commands_v0.02",
    marker="testing_list.txt",
    licence="CC BY 4.0",
    citation=_CITATION,
    labels=(
        *("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"),
        *("unknown", "silence"),
    ),
    inputs=(),
    sizes=Sizes(train=36_923, validation=4_445, test=4_890),
    rate_hz=16_000,
    division="words by its publisher's lists; unknown and silence are drawn by us, in each split "
    "a tenth of the words",
)
