"""Grey images of one class each, small enough for a first try."""

from picojoule.data.sets.description import Dataset, File, Sizes
from picojoule.data.sets.names import DIGITS as DIGIT_NAMES
from picojoule.data.sets.names import HELD_OUT


def _idx_files(
    folder: str, base_url: str, digests: tuple[tuple[str, str, str, int], ...]
) -> tuple[File, ...]:
    return tuple(
        File(
            path=f"{folder}/raw/{name}.gz",
            url=f"{base_url}{name}.gz",
            sha256=sha256,
            content_sha256=content_sha256,
            content_bytes=content_bytes,
        )
        for name, sha256, content_sha256, content_bytes in digests
    )


DIGITS = Dataset(
    name="digits",
    description="1,797 handwritten digits of 8 x 8 pixels, bundled with scikit-learn",
    modality="image",
    format="bundled",
    files=(),
    licence="CC BY 4.0",
    citation="E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998, "
    "doi 10.24432/C50P49",
    labels=DIGIT_NAMES,
    inputs=(1, 8, 8),
    sizes=Sizes(train=1_237, validation=200, test=360),
    mean=0.3058,
    std=0.3765,
    division="our own, by class: its publisher has none",
)

MNIST = Dataset(
    name="mnist",
    description="70,000 handwritten digits of 28 x 28 pixels",
    modality="image",
    format="idx",
    files=_idx_files(
        "MNIST",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        (
            (
                "train-images-idx3-ubyte",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                47_040_016,
            ),
            (
                "train-labels-idx1-ubyte",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                60_008,
            ),
            (
                "t10k-images-idx3-ubyte",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                7_840_016,
            ),
            (
                "t10k-labels-idx1-ubyte",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                10_008,
            ),
        ),
    ),
    licence="CC BY-SA 3.0 as commonly stated; the original page names none",
    citation="Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to "
    "document recognition, Proc. IEEE 86(11), 1998, doi 10.1109/5.726791",
    labels=DIGIT_NAMES,
    inputs=(1, 28, 28),
    sizes=Sizes(train=55_000, validation=5_000, test=10_000),
    mean=0.1307,
    std=0.3081,
    division=HELD_OUT,
)

FASHION_MNIST = Dataset(
    name="fashion-mnist",
    description="70,000 articles of clothing of 28 x 28 pixels",
    modality="image",
    format="idx",
    files=_idx_files(
        "FashionMNIST",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        (
            (
                "train-images-idx3-ubyte",
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                47_040_016,
            ),
            (
                "train-labels-idx1-ubyte",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                60_008,
            ),
            (
                "t10k-images-idx3-ubyte",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                7_840_016,
            ),
            (
                "t10k-labels-idx1-ubyte",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                10_008,
            ),
        ),
    ),
    licence="MIT",
    citation="H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST, 2017, arXiv 1708.07747",
    labels=(
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
    inputs=(1, 28, 28),
    sizes=Sizes(train=55_000, validation=5_000, test=10_000),
    mean=0.2860,
    std=0.3530,
    division=HELD_OUT,
)
