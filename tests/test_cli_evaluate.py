"""`evaluate`: models and other codecs beside each other, and runs that go on."""

import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from gllmm_jax.cli import main
from gllmm_jax.evaluate.rows import COLUMNS
from gllmm_jax.lof import EFFORTS, Overfit

pytestmark = pytest.mark.usefixtures("only_mu", "no_cache")


def fails(capsys, *arguments) -> str:
    """The one line on stderr."""
    assert main(["evaluate", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    return err.removeprefix("gllmm-jax: ").rstrip("\n")


def report(capsys, *arguments):
    assert main(["evaluate", *map(str, arguments), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def test_evaluate(capsys, photo, tmp_path):
    found = report(capsys, photo, "--model", "mu-random", "-o", tmp_path / "out")
    assert [[row["image"] for row in found[kind]] for kind in ("rows", "means", "against")] == [["photo"], ["mean"], []]
    assert set(found["rows"][0]) == set(COLUMNS)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["photo.decoded.png", "photo.gllm"]


def test_evaluate_with_effort(capsys, monkeypatch, photo):
    found = []

    def nothing_but_zeros(search, codec, image, y_hat, z_hat, progress):
        found.append(search.steps)
        return 0 * y_hat, 0 * z_hat, {}

    monkeypatch.setattr(Overfit, "__call__", nothing_but_zeros)
    (plain,), (searched,) = (report(capsys, photo, "--effort", effort)["rows"] for effort in (0, 3))
    assert set(found) == {EFFORTS[3]}
    assert (plain["codec"], searched["codec"]) == ("mu-random", "mu-random-e3")
    assert searched["bytes"] < plain["bytes"]


def test_evaluate_sets_codecs_beside_each_other(capsys, tmp_path, photograph):
    pictures = tmp_path / "pictures" / "deeper"
    pictures.mkdir(parents=True)
    for seed, suffix in enumerate(("png", "webp")):
        Image.fromarray(photograph(64, 48, seed=seed)).save(pictures / f"{seed}.{suffix}")
    kept = tmp_path / "rows.csv"
    asked = ["evaluate", str(pictures.parent), "--against", "jpeg-4:2:0,webp", "--rows", str(kept), "--anchor", "webp"]
    assert main(asked) == 0
    out, err = capsys.readouterr()
    assert err == "" and "means of 2" in out and "against webp;" in out and "jpeg-4:2:0 PSNR" in out
    rows = kept.read_text().splitlines()
    assert len(rows) == 1 + 2 * (1 + 12 + 12) and "deeper/1" in rows[-1]
    kept.write_text("\n".join(rows[:20]) + "\n" + rows[20][:9])  # as a kill leaves it
    assert main(asked) == 0
    out, err = capsys.readouterr()
    assert err == f"gllmm-jax: {kept} has 19 of 50 rows already\n"
    assert len(kept.read_text().splitlines()) == len(rows)
    lines = [text.split(",") for text in rows]
    for words in lines:  # as an earlier version of the model would have it
        words[4] = "99" if words[0] == "mu-random" else words[4]
    kept.write_text("".join(",".join(words) + "\n" for words in lines))
    plot = "--plot", tmp_path / "curves.png"
    asked = ["evaluate", str(pictures.parent / "**/*.png"), "--peers", str(kept), "--json", *map(str, plot)]
    assert main(asked) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert err == f"gllmm-jax: {kept}: left out what is measured here, mu-random\n"
    assert {row["bpp"] for row in found["means"] if row["codec"] == "mu-random"} == {found["rows"][0]["bpp"]}
    with Image.open(plot[1]) as shown:
        assert shown.format == "PNG"
    assert fails(capsys, pictures, *plot) == f"{plot[1]} is there already: --force replaces it"
    assert [row["codec"] for row in found["rows"]] == ["mu-random"]
    assert {row["codec"] for row in found["means"]} == {"mu-random", "jpeg-4:2:0", "webp"}
    assert {one["anchor"] for one in found["against"]} == {"jpeg-4:2:0"}


def test_two_models_of_one_name_are_no_curve(capsys, photo, mu_file, tmp_path):
    other = shutil.copy(mu_file, tmp_path / "other.npz")
    told = fails(capsys, photo, "--model", "mu-random", "--model", other)
    assert told == f"mu-random and {other} call themselves 'mu-random': export one of them with another --name"
    assert len(report(capsys, photo, "--model", "mu-random", "--model", "mu-random")["rows"]) == 1


def test_published_points_are_not_set_beside_fewer_pictures(capsys, tmp_path):
    for number in range(1, 25):
        depth = np.uint16 if number == 7 else np.uint8
        Image.fromarray(np.full((12, 12), 200, depth)).save(tmp_path / f"kodim{number:02}.png")
    assert main(["evaluate", str(tmp_path), "--published", "vtm", "--json"]) == 2
    out, err = capsys.readouterr()
    assert {row["codec"] for row in json.loads(out)["means"]} == {"mu-random"}
    assert err.endswith("published points are left out: not all pictures could be measured\n")


def test_a_stopped_run_goes_on_where_it_left_a_file(capsys, photo, tmp_path):
    """Files are written before their row."""
    asked = [photo, "--against", "webp@20@80", "--rows", tmp_path / "rows.csv", "-o", tmp_path / "out"]
    report(capsys, *asked)
    rows = (tmp_path / "rows.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows[2:]] == [["webp", "20"], ["webp", "80"]]
    (tmp_path / "rows.csv").write_text("\n".join(rows[:-1]) + "\n")
    assert main(["evaluate", *map(str, asked)]) == 0
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == len(rows)


def test_evaluate_goes_on_past_a_bad_picture(capsys, photo, tmp_path):
    deep = tmp_path / "deep.png"
    Image.fromarray(np.full((20, 20), 257, np.uint16)).save(deep)
    assert main(["evaluate", str(deep), str(photo), "--json"]) == 2
    out, err = capsys.readouterr()
    assert [row["image"] for row in json.loads(out)["rows"]] == ["photo"]
    assert err == f"gllmm-jax: {deep} has more than 8 bits a sample; to keep the upper 8: --convert\n"
    assert main(["evaluate", str(photo.rename(tmp_path / "\x07.png")), str(deep)]) == 2
    lines = [text.split() for text in capsys.readouterr().out.splitlines()]
    assert [words[0] for words in lines if words] == ["codec", "mu-random", "means", "mu-random"]
    assert lines[1][1] == r"\x07"  # which a terminal would take for a bell
    assert len(report(capsys, deep, "--convert")["rows"]) == 1


def test_what_evaluate_leaves_out_is_told(capsys, photo, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    assert main(["evaluate", str(photo), "--against", "jxl", "--json"]) == 0
    assert capsys.readouterr().err == (
        "gllmm-jax: jxl-e7 is left out: it needs pillow-jxl-plugin: pip install 'gllmm-jax[peers]'\n"
    )
    assert fails(capsys, photo, "--against", "jpg").startswith("there is no other codec 'jpg'; there are: ")
    assert fails(capsys, photo, "--against", "webp@101") == "webp has no setting '101': they go from 0 to 100"
    assert fails(capsys, photo, "--anchor", "x") == "there is no 'x' to compare with; there are: mu-random"
    assert "has one quality alone" in fails(capsys, photo, "--quality", "3")
    assert "kodim01 to kodim24" in fails(capsys, photo, "--published", "vtm")
    assert fails(capsys, tmp_path / "*.jpg") == f"no file matches {tmp_path / '*.jpg'}"


def test_report(capsys, tmp_path, photograph, mu_file):
    pictures, kept, page = tmp_path / "pictures", tmp_path / "rows.csv", tmp_path / "page.html"
    pictures.mkdir()
    for seed, name in enumerate(("<b>a&amp;", "plain")):
        Image.fromarray(photograph(20, 20, seed=seed)).save(pictures / f"{name}.png")
    report(capsys, pictures, "--rows", kept, "--against", "webp")
    assert main(["report", str(kept), str(pictures), "-o", str(page)]) == 0
    out, err = capsys.readouterr()
    assert err == "" and out.startswith(f"{page} is written, ")
    text = page.read_text()
    assert text.count("data:") and text.count("&lt;b&gt;a&amp;amp;</button>") == 1 and "<b>" not in text
    shown = json.loads(text.split('id="data">')[1].split("</script>")[0])["pictures"]
    captions = [view["caption"].split(":")[0] for view in shown[1]["views"]]
    assert [one["name"] for one in shown] == ["<b>a&amp;", "plain"]
    assert captions[:2] == ["original", "mu-random"] and captions[2].startswith("webp at ")

    def refused(*arguments) -> str:
        assert main(["report", *map(str, arguments)]) == 2
        return capsys.readouterr().err.removeprefix("gllmm-jax: ").rstrip("\n")

    assert refused(kept, "-o", page) == f"{page} is there already: --force replaces it"
    asked = kept, pictures / "plain.png", "-o", page, "--force"
    assert "has one quality alone" in refused(*asked, "--quality", 3)
    assert refused(*asked, "--beside", "jpg").startswith("there is no other codec 'jpg'")
    assert refused(*asked, "--anchor", "x").startswith("there is no 'x' to compare with")
    (pictures / "other.png").write_bytes((pictures / "plain.png").read_bytes())
    other = pictures / "other.png"
    assert refused(kept, other, *asked[2:]) == f"{kept} has no row of these pictures: name them as for `evaluate`"
    kept.write_text(kept.read_text().replace("mu-random", "gone"))
    assert refused(*asked) == "no model of these rows is installed: name its weights file, --model FILE"
    assert main(["report", *map(str, asked), "--model", str(mu_file)]) == 0
    kept.write_text(kept.read_text().splitlines()[0] + "\n")
    assert refused(kept, *asked[2:]) == f"{kept} has no rows"
