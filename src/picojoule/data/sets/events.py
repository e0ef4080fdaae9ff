"""What event cameras and artificial ears have recorded."""

from picojoule.data.sets.description import Dataset, File, Sizes
from picojoule.data.sets.names import CIFAR10, DIGITS, HELD_OUT, WORDS
from picojoule.data.sets.names import SHD as SHD_LABELS

_HEIDELBERG = (
    "B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, The Heidelberg spiking data sets for the "
    "systematic evaluation of spiking neural networks, IEEE TNNLS 33(7), 2022, "
    "doi 10.1109/TNNLS.2020.3044364"
)


def _zipped(name: str, md5: str) -> File:
    # The md5 sums of https://zenkelab.org/datasets/, as tonic 1.7 has them.
    return File(
        path=f"{name}.h5.zip",
        url=f"https://zenkelab.org/datasets/{name}.h5.zip",
        md5=md5,
        gives=f"{name}.h5",
    )


SHD = Dataset(
    name="shd",
    description="10,420 spoken digits, English and German, as spikes of 700 cochlear channels",
    modality="events",
    format="shd",
    files=(
        _zipped("shd_train", "f3252aeb598ac776c1b526422d90eecb"),
        _zipped("shd_test", "1503a5064faa34311c398fb0a1ed0a6f"),
    ),
    folder="SHD",
    marker="shd_test.h5",
    licence="CC BY 4.0",
    citation=_HEIDELBERG,
    labels=SHD_LABELS,
    inputs=(700,),
    sizes=Sizes(train=7_340, validation=816, test=2_264),
    division=HELD_OUT,
)

SSC = Dataset(
    name="ssc",
    description="105,829 recordings of 35 words as spikes of 700 cochlear channels",
    modality="events",
    format="ssc",
    files=(
        _zipped("ssc_train", "d102be95e7144fcc0553d1f45ba94170"),
        _zipped("ssc_valid", "b4eee3516a4a90dd0c71a6ac23a8ae43"),
        _zipped("ssc_test", "a35ff1e9cffdd02a20eb850c17c37748"),
    ),
    folder="SSC",
    marker="ssc_test.h5",
    licence="CC BY 4.0",
    citation=_HEIDELBERG,
    labels=WORDS,
    inputs=(700,),
    sizes=Sizes(train=75_466, validation=9_981, test=20_382),
)

_MENDELEY = "https://data.mendeley.com/public-files/datasets/468j46mzdv/files"

NMNIST = Dataset(
    name="nmnist",
    description="70,000 handwritten digits seen by a moving event camera, 34 x 34 pixels",
    modality="events",
    format="nmnist",
    files=(
        # Addresses and md5 sums as tonic 1.7 has them.
        File(
            path="nmnist-train.zip",
            url=f"{_MENDELEY}/39c25547-014b-4137-a934-9d29fa53c7a0/file_downloaded",
            md5="20959b8e626244a1b502305a9e6e2031",
            gives="Train",
        ),
        File(
            path="nmnist-test.zip",
            url=f"{_MENDELEY}/05a4d654-7e03-4c15-bdfa-9bb2bcbea494/file_downloaded",
            md5="69ca8762b2fe404d9b9bad1103e97832",
            gives="Test",
        ),
    ),
    folder="N-MNIST",
    marker="Test",
    licence="CC BY-SA 4.0",
    citation="G. Orchard, A. Jayawant, G. Cohen and N. Thakor, Converting static image datasets to "
    "spiking neuromorphic datasets using saccades, Frontiers in Neuroscience 9, 2015, "
    "doi 10.3389/fnins.2015.00437",
    labels=DIGITS,
    inputs=(2, 34, 34),
    sizes=Sizes(train=55_000, validation=5_000, test=10_000),
    division=HELD_OUT,
)

DVS_GESTURE = Dataset(
    name="dvs-gesture",
    description="1,464 gestures of hands and arms seen by an event camera, 128 x 128 pixels",
    modality="events",
    format="dvs-gesture",
    files=(
        # The md5 sum as SpikingJelly has it.
        File(
            path="DvsGesture.tar.gz",
            md5="8a5c71fb11e24e5ca5b11866ca6c00a1",
            gives="trials_to_train.txt",
        ),
    ),
    folder="DvsGesture",
    marker="trials_to_train.txt",
    page="https://research.ibm.com/interactive/dvsgesture/ (terms have to be accepted)",
    licence="CC BY 4.0",
    citation="A. Amir et al., A low power, fully event-based gesture recognition system, CVPR, "
    "2017, doi 10.1109/CVPR.2017.781",
    labels=(
        "hand clapping",
        "right hand wave",
        "left hand wave",
        "right arm clockwise",
        "right arm counter clockwise",
        "left arm clockwise",
        "left arm counter clockwise",
        "arm roll",
        "air drums",
        "air guitar",
        "other gestures",
    ),
    inputs=(2, 128, 128),
    sizes=Sizes(train=1_058, validation=118, test=288),
    division=HELD_OUT,
)

# Of https://figshare.com/articles/dataset/CIFAR10-DVS_New/4724671, with the md5 sums that
# SpikingJelly has.
_BY_CLASS = (
    ("airplane", 7712788, "0afd5c4bf9ae06af762a77b180354fdd"),
    ("automobile", 7712791, "8438dfeba3bc970c94962d995b1b9bdd"),
    ("bird", 7712794, "a9c207c91c55b9dc2002dc21c684d785"),
    ("cat", 7712812, "52c63c677c2b15fa5146a8daf4d56687"),
    ("deer", 7712815, "b6bf21f6c04d21ba4e23fc3e36c8a4a3"),
    ("dog", 7712818, "f379ebdf6703d16e0a690782e62639c3"),
    ("frog", 7712842, "cad6ed91214b1c7388a5f6ee56d08803"),
    ("horse", 7712851, "e7cbbf77bec584ffbf913f00e682782a"),
    ("ship", 7712836, "41c7bd7d6b251be82557c6cce9a7d5c9"),
    ("truck", 7712839, "89f3922fd147d9aeff89e76a2b0b70a7"),
)

CIFAR10_DVS = Dataset(
    name="cifar10-dvs",
    description="10,000 pictures of CIFAR-10 on a screen seen by an event camera, 128 x 128 pixels",
    modality="events",
    format="cifar10-dvs",
    files=tuple(
        File(
            path=f"cifar10-dvs-{name}.zip",
            url=f"https://ndownloader.figshare.com/files/{number}",
            md5=md5,
            gives=name,
        )
        for name, number, md5 in _BY_CLASS
    ),
    folder="CIFAR10DVS",
    marker="truck",
    licence="CC BY 4.0",
    citation="H. Li, H. Liu, X. Ji, G. Li and L. Shi, CIFAR10-DVS: an event-stream dataset for "
    "object classification, Frontiers in Neuroscience 11, 2017, doi 10.3389/fnins.2017.00309",
    labels=CIFAR10,
    inputs=(2, 128, 128),
    sizes=Sizes(train=8_100, validation=900, test=1_000),
    division="our own, for its publisher has none: test is numbers 900 to 999 of each class, "
    "validation a tenth of the others",
)
