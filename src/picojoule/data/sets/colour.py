"""Images in colour."""

from picojoule.data.sets.description import Dataset, File, Sizes
from picojoule.data.sets.names import CIFAR10 as CIFAR10_NAMES
from picojoule.data.sets.names import HELD_OUT

_CIFAR_CITATION = (
    "A. Krizhevsky, Learning multiple layers of features from tiny images, University of Toronto, "
    "2009"
)

# md5 sums of the archives: https://www.cs.toronto.edu/~kriz/cifar.html
CIFAR10 = Dataset(
    name="cifar10",
    description="60,000 pictures of animals and vehicles, 32 x 32 pixels in colour",
    modality="image",
    format="cifar",
    files=(
        File(
            path="cifar-10-binary.tar.gz",
            url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            md5="c32a1d4ab5d03f1284b67883e8d87530",
            gives="test_batch.bin",
        ),
    ),
    folder="cifar-10-batches-bin",
    marker="test_batch.bin",
    licence="none stated; its page asks for the citation",
    citation=_CIFAR_CITATION,
    labels=CIFAR10_NAMES,
    inputs=(3, 32, 32),
    sizes=Sizes(train=45_000, validation=5_000, test=10_000),
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    division=HELD_OUT,
)

CIFAR100 = Dataset(
    name="cifar100",
    description="60,000 pictures of a hundred sorts of things, 32 x 32 pixels in colour",
    modality="image",
    format="cifar",
    files=(
        File(
            path="cifar-100-binary.tar.gz",
            url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            md5="03b5dce01913d631647c71ecec9e9cb8",
            gives="test.bin",
        ),
    ),
    folder="cifar-100-binary",
    marker="test.bin",
    licence="none stated; its page asks for the citation",
    citation=_CIFAR_CITATION,
    labels=tuple(
        "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus "
        "butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach "
        "couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house "
        "kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle "
        "mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck "
        "pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal "
        "shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper "
        "table tank telephone television tiger tractor train trout tulip turtle wardrobe whale "
        "willow_tree wolf woman worm".split()
    ),
    inputs=(3, 32, 32),
    sizes=Sizes(train=45_000, validation=5_000, test=10_000),
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
    division=HELD_OUT,
)

IMAGENET = Dataset(
    name="imagenet",
    description="1.3 million photographs of a thousand sorts of things, as 224 x 224 pixels "
    "(ILSVRC 2012)",
    modality="image",
    format="imagenet",
    folder="imagenet",
    marker="train",
    page="https://image-net.org/download.php (an account is needed): unpack it to "
    "train/WNID/*.JPEG and val/WNID/*.JPEG",
    licence="for non-commercial research and education, by the terms of its page",
    citation="O. Russakovsky et al., ImageNet large scale visual recognition challenge, IJCV 115, "
    "2015, doi 10.1007/s11263-015-0816-y",
    # By number, in the order of the folders' names.
    labels=tuple(str(number) for number in range(1_000)),
    inputs=(3, 224, 224),
    sizes=Sizes(train=1_231_167, validation=50_000, test=50_000),
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    division="test is its publisher's validation set, whose labels are public; " + HELD_OUT,
)
