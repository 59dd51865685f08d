"""What scripts read folders of pictures with.

The rules of `pellucid.data` in few lines: a script and the library number the same
classes, hold out the same pictures and see the same pixels.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pellucid.data.dataset import _stratified as held_out

# each script has its own network's
HEIGHT, WIDTH, MODE, SPLIT_SEED = 28, 28, "L", 0


def prepare(images: np.ndarray) -> np.ndarray:
    """Return the pixels; each script prepares them as its own network takes them."""
    return images


# scripts have it word for word from here on
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+")
FILLER = (
    "set|sets|data|dataset|images|image|imgs|img|pictures|pics|photos|samples"
    "|examples|split|part|folder|dir"
)
PART = re.compile(
    "(?:(?P<train>train|training|trn|trainval)"
    "|(?P<validation>val|valid|validate|validating|validation|dev|development)"
    f"|(?P<test>test|tests|testing|tst))(?:{FILLER})?"
)
STRAY = re.compile(r"\..*|__macosx|(eh)?thumbs\.db|desktop\.ini|icon\r|@eadir")
TEXT = re.compile(
    r".+\.(txt|md|rst|html?|pdf|csv|tsv|jsonl?|xml|ya?ml|toml|ini|db|log|py|sh|url|lnk"
    r"|md5|sha1|sha256|sha512|sfv|crc|asc|sig)|readme|licen[sc]e|copying|authors"
    r"|makefile|checksums?|md5sums?|sha1sums|sha256sums?|sha512sums"
)
PICTURE = re.compile(
    r".*\.(jpe?g|jfif|a?png|gif|bmp|webp|tiff?|avif|jp2|j2k|jpx|p[pgbnf]m|ico|mpo|qoi)"
)

UNKNOWN = ("LAB", "HSV")  # colours without a rule that all agree on


def roles(names: list[str]) -> dict[str, str]:
    """Return those folders that are parts of the data: train, validation or test."""
    words = {name: {word.lower() for word in WORD.findall(name)} for name in names}
    shared = set.intersection(*words.values()) if len(words) > 1 else set()
    found = {}
    for name, own in words.items():
        own -= {word for word in shared if not PART.fullmatch(word)}
        parts = [PART.fullmatch(word) for word in own if not re.fullmatch(FILLER, word)]
        if len(parts) == 1 and parts[0]:
            found[name] = str(parts[0].lastgroup)
    return found


def folders(place: Path) -> list[str]:
    """Return the folders in a place, without those that systems leave behind."""
    names = [path.name for path in place.iterdir() if path.is_dir()]
    return sorted(name for name in names if not STRAY.fullmatch(name.casefold()))


def has_pictures(place: Path) -> bool:
    """Return whether pictures lie in a place itself, in none of its folders."""
    files = (path.name.casefold() for path in place.iterdir() if path.is_file())
    return any(PICTURE.fullmatch(n) and not STRAY.fullmatch(n) for n in files)


def only_folder(place: Path) -> Path | None:
    """Return the one folder in a place, if it and the place only hold folders."""
    inside = folders(place)
    if len(inside) != 1 or has_pictures(place):
        return None
    below = place / inside[0]
    return below if folders(below) and not has_pictures(below) else None


def is_unclear(place: Path) -> bool:
    """Return whether folders could be classes, and parts of the data as well."""
    names = folders(place)
    if len(names) < 2 or has_pictures(place):
        return False
    words = [[word.lower() for word in WORD.findall(name)] for name in names]
    if all(any(PART.fullmatch(word) for word in own) for own in words):
        return True
    inner = [folders(place / name) for name in names]
    if any(found and len(roles(found)) == len(found) for found in inner):
        return True
    is_alike = len(inner[0]) > 1 and all(found == inner[0] for found in inner)
    return is_alike and not any(has_pictures(place / name) for name in names)


def parts_of(folder: Path) -> dict[str, Path]:
    """Return the folder of each part of the data; of "train" alone if undivided."""
    while below := only_folder(folder):
        if roles([below.name]).get(below.name, "train") != "train":
            break
        folder = below
    names, found = folders(folder), roles(folders(folder))
    if found.keys() == {"valid"} and "invalid" in names:
        found = {}  # a class and its counterpart
    parts = set(found.values())
    is_whole = len(parts) == len(names) and "train" in parts
    if not is_whole if found else is_unclear(folder):
        raise ValueError(
            f"the folders in {folder} must be classes, or parts called train, val and "
            f"test with a folder for each class; got {', '.join(names)}"
        )
    places = {part: folder / name for name, part in found.items()}
    for part, place in places.items():
        inner = place
        while below := only_folder(inner):
            words = [word.lower() for word in WORD.findall(below.name)]
            known = [PART.fullmatch(w) or re.fullmatch(FILLER, w) for w in words]
            if not words or not all(known):
                break
            inner = below
        places[part] = inner
    return places or {"train": folder}


def classes_of(place: Path) -> list[str]:
    """Return the classes: the folders' names as text, or as numbers if all are."""
    names = folders(place)
    if len(names) < 2 or has_pictures(place):
        raise ValueError(f"{place} must have a folder of pictures for each class")
    if all(name.isascii() and name.isdecimal() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return names


def pictures_of(place: Path) -> list[str]:
    """Return the paths of the pictures in a place's folders, sorted as text."""
    found: list[str] = []
    visited = set()
    for at, below, names in os.walk(place, followlinks=True):
        if os.path.realpath(at) in visited:
            below.clear()
            continue
        visited.add(os.path.realpath(at))
        where = Path(at).relative_to(place)
        for path in (where / name for name in names):
            words = path.as_posix().casefold().split("/")
            is_stray = TEXT.fullmatch(words[-1]) or any(map(STRAY.fullmatch, words))
            if len(words) > 1 and not is_stray:
                found.append(path.as_posix())
    return sorted(found)


def eight_bits(picture: Image.Image, opened: Image.Image) -> Image.Image:
    """Scale grey of 16 bits, or of floats in [0, 1], to 8 bits by the file's white."""
    values, tags = np.asarray(picture), dict(getattr(opened, "tag_v2", None) or {})
    is_inverted = tags.get(262) == 0
    if picture.mode == "F":
        if not (values.min() >= -1e-6 and values.max() <= 1 + 1e-6):
            raise ValueError("a picture's floats must lie in [0, 1]")
        grey = np.rint(np.clip(values, 0, 1) * np.float32(255))
        return Image.fromarray((255 - grey if is_inverted else grey).astype(np.uint8))
    if picture.mode == "I" and opened.format not in ("PPM", "PNG"):
        raise ValueError("a picture must have 8 or 16 bits; the white of 32 is unknown")
    bits = int(np.ravel(tags.get(258, 16))[0]) if picture.mode != "I" else 16
    white = 2**bits - 1
    stored = np.clip(values, 0, white)
    grey = np.rint((white - stored if is_inverted else stored) * (255 / white))
    key = opened.info.get("transparency")
    if isinstance(key, int):
        grey[stored == key] = 0  # it is laid over black
    return Image.fromarray(grey.astype(np.uint8))


def read_picture(path: Path) -> np.ndarray:
    """Return the pixels: upright, transparency over black, in the network's size."""
    with Image.open(path) as opened:
        tile = getattr(opened, "tile", None) or [("", "", "", "")]
        stored = tile[0][3][0] if isinstance(tile[0][3], tuple) else tile[0][3]
        key = opened.info.get("transparency")
        tags = dict(getattr(opened, "tag_v2", None) or {})
        is_key_deep = key is not None and str(stored).startswith("RGB;16")
        if is_key_deep or 2 in np.ravel(tags.get(339, 1)) or opened.mode in UNKNOWN:
            raise ValueError(f"{path} must be grey or rgb of 8 bits, without a sign")
        if isinstance(key, int) and opened.format == "PNG":  # kept in the file's depth
            scale = {"1": 255, "L;2": 85, "L;4": 17}.get(stored, 1)
            opened.info["transparency"] = min(key * scale, 255) if scale > 1 else key
        side = 4 * max(HEIGHT, WIDTH)
        if min(opened.size) > 2 * side:
            opened.draft(None, (side, side))
        picture = ImageOps.exif_transpose(opened)
        if picture.mode == "F" or picture.mode.startswith("I"):
            picture = eight_bits(picture, opened)
    if picture.mode in ("La", "RGBa"):
        picture = picture.convert(picture.mode.upper())
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(black, picture)
    picture = picture.convert(MODE).resize((WIDTH, HEIGHT))
    return np.array(picture).reshape(HEIGHT, WIDTH, -1)


def load(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, height, width, channels) and labels of "train" or "test".

    Each class has a folder of pictures. They may lie in a folder for each part; else a
    fifth of each class is for the test.
    """
    places = parts_of(folder)
    classes = classes_of(places["train"])
    if any(classes_of(place) != classes for place in places.values()):
        raise ValueError(f"all parts of {folder} must have the same classes")
    held = places.get("test", places.get("validation", places["train"]))
    place = held if part == "test" else places["train"]
    names = pictures_of(place)
    labels = np.array([classes.index(n.split("/")[0]) for n in names], np.int64)
    if len(set(labels.tolist())) < len(classes):
        raise ValueError(f"every class in {place} must have a picture")
    if len(places) == 1:
        is_chosen = held_out(labels, 0.2, SPLIT_SEED) == (part == "test")
        names, labels = [names[i] for i in np.flatnonzero(is_chosen)], labels[is_chosen]
    return prepare(np.stack([read_picture(place / n) for n in names])), labels
