import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def run(*arguments, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=folder)


def test_a_script_that_imports_imgaug_first_runs(tmp_path):
    (tmp_path / "beside.py").write_text("NAME = 'a module beside the script'\n")
    (tmp_path / "script.py").write_text(
        "from imgaug import augmenters as iaa\n"
        "import sys, numpy as np, beside\n"
        "if __name__ == '__main__':\n"
        "    picture = np.arange(4, dtype=np.uint8).reshape(2, 2, 1)\n"
        "    print(sys.argv[1:], beside.NAME, iaa.Fliplr(1.0).augment_image(picture)[..., 0].tolist())\n"
    )
    done = run("-m", "mrcnn.matterport", "script.py", "train", "--logs=x", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    # Columns of [[0, 1], [2, 3]] change places.
    assert done.stdout.strip().endswith("['train', '--logs=x'] a module beside the script [[1, 0], [3, 2]]")


def test_the_exit_code_of_the_script_is_kept(tmp_path):
    (tmp_path / "script.py").write_text("import sys\nsys.exit(7)\n")
    assert run("-m", "mrcnn.matterport", "script.py", folder=tmp_path).returncode == 7


def test_a_missing_script_is_one_line(tmp_path):
    done = run("-m", "mrcnn.matterport", "nowhere.py", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("nowhere.py: no such script")
    assert run("-m", "mrcnn.matterport", folder=tmp_path).returncode == 2
