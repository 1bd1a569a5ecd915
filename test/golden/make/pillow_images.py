"""Small pictures of every kind, and what Pillow makes of them: test/golden/data/images.json."""

import base64
import io
import json
import pathlib

import numpy as np
from PIL import Image, ImageOps

rgb = (np.arange(36) * 7 % 256).astype("uint8").reshape(3, 4, 3)
alpha = (np.arange(12) * 20).astype("uint8").reshape(3, 4)
wave = (127 + 100 * np.sin(np.arange(24 * 32 * 3).reshape(24, 32, 3) / 200)).astype("uint8")
turned = Image.Exif()
turned[274] = 6

pictures = {
    "rgb.png": (Image.fromarray(rgb), {}),
    "rgba.png": (Image.fromarray(np.dstack([rgb, alpha])), {}),
    "grey.png": (Image.fromarray(rgb[:, :, 0]), {}),
    "grey-alpha.png": (Image.fromarray(np.dstack([rgb[:, :, 0], alpha]), "LA"), {}),
    "palette.png": (Image.fromarray(rgb).convert("P", palette=Image.Palette.ADAPTIVE), {}),
    "bits.png": (Image.fromarray(rgb[:, :, 0] > 30), {}),
    "picture.gif": (Image.fromarray(rgb), {}),
    "picture.tiff": (Image.fromarray(rgb), {}),
    "lossless.webp": (Image.fromarray(rgb), {"lossless": True}),
    "turned.png": (Image.fromarray(rgb), {"exif": turned}),
    "smooth.jpg": (Image.fromarray(wave), {"quality": 95}),
    "turned.jpg": (Image.fromarray(wave), {"quality": 95, "exif": turned}),
}
cases = {}
for name, (picture, options) in pictures.items():
    kind = {"jpg": "JPEG"}.get(name.split(".")[1], name.split(".")[1].upper())
    file = io.BytesIO()
    picture.save(file, kind, **options)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(file.getvalue())))
    case = {"file": base64.b64encode(file.getvalue()).decode(), "shape": [upright.height, upright.width]}
    for mode in ["L", "RGB", "RGBA"]:
        # Of grey with opacity, Pillow goes to RGB by way of RGBA.
        case[mode] = base64.b64encode(np.array(upright.convert(mode)).tobytes()).decode()
    cases[name] = case
path = pathlib.Path(__file__).parent.parent / "data" / "images.json"
path.write_text(json.dumps(cases, indent=1) + "\n")
