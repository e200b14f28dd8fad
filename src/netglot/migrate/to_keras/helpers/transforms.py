"""torchvision's usual transforms and data sets, by Pillow and NumPy: the same pixels, without PyTorch.

Images are Pillow's until `ToTensor` makes them arrays with the channels first.
"""

from __future__ import annotations

HELPERS: dict[str, str] = {
    "Compose": '''
class Compose:
    """Transforms one after the other."""

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, image):
        for one in self.transforms:
            image = one(image)
        return image
''',
    "ToTensor": '''
class ToTensor:
    """Pixels as numbers from 0 to 1, with the channels first."""

    def __call__(self, image):
        pixels = np.asarray(image)
        pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
        made = np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(keras.config.floatx())
        return made / 255 if pixels.dtype == np.uint8 else made
''',
    "Normalize": '''
class Normalize:
    """Each channel less its mean, by its spread."""

    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def __call__(self, image):
        mean, std = (np.asarray(one, image.dtype).reshape(-1, 1, 1) for one in (self.mean, self.std))
        return (image - mean) / std
''',
    "resized": '''
def resized(image, size, how=Image.BILINEAR):
    """An image of a size (rows, columns); of its shorter side where one number is given."""
    width, height = image.size
    if not isinstance(size, int) and len(size) == 1:
        size = size[0]
    if isinstance(size, int):
        longer = int(size * max(width, height) / min(width, height))
        size = (longer, size) if width <= height else (size, longer)
    return image.resize((size[1], size[0]), how)
''',
    "Resize": '''
class Resize:
    """Images in another size; one number is that of the shorter side."""

    def __init__(self, size, interpolation=Image.BILINEAR):
        self.size, self.interpolation = size, interpolation

    def __call__(self, image):
        return resized(image, self.size, self.interpolation)
''',
    "padded_image": '''
def padded_image(image, padding, fill=0):
    """An image with a border: one width, two (sides, top and bottom), or four (left, top, right, bottom)."""
    padding = (padding,) if isinstance(padding, int) else tuple(padding)
    left, top, right, bottom = padding * (4 // len(padding))
    return ImageOps.expand(image, (left, top, right, bottom), fill)
''',
    "Pad": '''
class Pad:
    """Images with a border."""

    def __init__(self, padding, fill=0):
        self.padding, self.fill = padding, fill

    def __call__(self, image):
        return padded_image(image, self.padding, self.fill)
''',
    "CenterCrop": '''
class CenterCrop:
    """The middle of images."""

    def __init__(self, size):
        self.size = (size, size) if isinstance(size, int) else tuple(size) * (2 // len(size))

    def __call__(self, image):
        height, width = self.size
        short = [max(0, wanted - found) for wanted, found in zip((width, height), image.size)]
        if any(short):
            image = padded_image(image, (*(one // 2 for one in short), *((one + 1) // 2 for one in short)))
        left, top = round((image.width - width) / 2), round((image.height - height) / 2)
        return image.crop((left, top, left + width, top + height))
''',
    "RandomCrop": '''
class RandomCrop:
    """A part of images, anywhere in them."""

    def __init__(self, size, padding=None, pad_if_needed=False, fill=0):
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.padding, self.pad_if_needed, self.fill = padding, pad_if_needed, fill

    def __call__(self, image):
        height, width = self.size
        if self.padding is not None:
            image = padded_image(image, self.padding, self.fill)
        if self.pad_if_needed:
            image = padded_image(image, (max(0, width - image.width), max(0, height - image.height)), self.fill)
        top, left = random.randint(0, image.height - height), random.randint(0, image.width - width)
        return image.crop((left, top, left + width, top + height))
''',
    "RandomResizedCrop": '''
class RandomResizedCrop:
    """A part of images of any size and shape, in one size."""

    def __init__(self, size, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3)):
        self.size, self.scale, self.ratio = (size, size) if isinstance(size, int) else tuple(size), scale, ratio

    def __call__(self, image):
        return resized(image.crop(self.box(image.width, image.height)), self.size)

    def box(self, width, height):
        """Left, top, right and bottom of the part; the middle where ten tries find none."""
        for _ in range(10):
            area = width * height * random.uniform(*self.scale)
            shape = math.exp(random.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            w, h = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
            if 0 < w <= width and 0 < h <= height:
                top, left = random.randint(0, height - h), random.randint(0, width - w)
                return left, top, left + w, top + h
        w, h = min(width, round(height * self.ratio[1])), min(height, round(width / self.ratio[0]))
        left, top = (width - w) // 2, (height - h) // 2
        return left, top, left + w, top + h
''',
    "RandomHorizontalFlip": '''
class RandomHorizontalFlip:
    """Images with left and right changed, some of them."""

    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, image):
        if random.random() >= self.p:
            return image
        return image[..., ::-1] if isinstance(image, np.ndarray) else ImageOps.mirror(image)
''',
    "RandomVerticalFlip": '''
class RandomVerticalFlip:
    """Images upside down, some of them."""

    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, image):
        if random.random() >= self.p:
            return image
        return image[..., ::-1, :] if isinstance(image, np.ndarray) else ImageOps.flip(image)
''',
    "RandomRotation": '''
class RandomRotation:
    """Images turned by an angle, from minus to plus one number of degrees or between two."""

    def __init__(self, degrees):
        self.degrees = (-degrees, degrees) if isinstance(degrees, (int, float)) else tuple(degrees)

    def __call__(self, image):
        return image.rotate(random.uniform(*self.degrees))
''',
    "Grayscale": '''
class Grayscale:
    """Images without their colours, in one channel or in three that are alike."""

    def __init__(self, num_output_channels=1):
        self.num_output_channels = num_output_channels

    def __call__(self, image):
        gray = image.convert("L")
        return gray if self.num_output_channels == 1 else Image.merge("RGB", [gray] * 3)
''',
    "ToPILImage": '''
class ToPILImage:
    """Arrays of pixels, or what `ToTensor` made, as images."""

    def __call__(self, image):
        pixels = np.asarray(image)
        if pixels.dtype != np.uint8:
            pixels = (pixels.transpose(1, 2, 0) * 255).astype("uint8")
        return Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
''',
    "ImageFolder": '''
class ImageFolder:
    """Images in folders that are named as their classes."""

    endings = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

    def __init__(self, root, transform=None, target_transform=None):
        self.root, self.transform, self.target_transform = root, transform, target_transform
        self.classes = sorted(one.name for one in os.scandir(root) if one.is_dir())
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        self.samples = [
            (os.path.join(place, name), number)
            for kind, number in self.class_to_idx.items()
            for place, _, names in sorted(os.walk(os.path.join(root, kind)))
            for name in sorted(names) if name.lower().endswith(self.endings)
        ]  # fmt: skip
        self.imgs, self.targets = self.samples, [number for _, number in self.samples]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        path, label = self.samples[index]
        with Image.open(path) as file:
            image = file.convert("RGB")
        image = image if self.transform is None else self.transform(image)
        return image, label if self.target_transform is None else self.target_transform(label)
''',
    "KnownImages": '''
class KnownImages:
    """A data set of images that Keras knows by its name: "mnist", "cifar10"."""

    def __init__(self, name, train=True, transform=None, target_transform=None):
        images, labels = getattr(keras.datasets, name).load_data()[0 if train else 1]
        self.data, self.targets = images, labels.reshape(-1).astype("int64")
        self.transform, self.target_transform = transform, target_transform

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        image, label = Image.fromarray(self.data[index]), int(self.targets[index])
        image = image if self.transform is None else self.transform(image)
        return image, label if self.target_transform is None else self.target_transform(label)
''',
}
