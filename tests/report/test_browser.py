"""The page in Chromium: it is drawn, sorts, slides and zooms in step, by mouse and keyboard, and says no error."""

import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from gllmm_jax.report import page
from tests.report import made

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no Chromium with its driver: apt-get install chromium chromium-driver"
)


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER)) as found:
        yield found


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page.build(made.a_report()))
    browser.set_window_size(1200, 900)
    browser.get(path.as_uri())
    return browser


def column(browser, table, number):
    cells = browser.find_elements(By.CSS_SELECTOR, f"{table} td:nth-child({number})")
    return [cell.text for cell in cells]


def transforms(browser):
    script = "return [...document.querySelectorAll('.pane img')].filter((one) => one.offsetWidth)"
    return browser.execute_script(script + ".map((one) => getComputedStyle(one).transform)")


def test_it_is_drawn_without_an_error(opened):
    wait = "return document.querySelectorAll('.chart .scatterlayer .trace').length"
    assert opened.execute_script(wait) == 2 * 4
    legend = opened.find_element(By.CSS_SELECTOR, "#psnr .legendtext").text
    assert legend == made.OURS
    assert opened.execute_script("return window.hurt") is None
    buttons = opened.find_elements(By.CSS_SELECTOR, "[data-title]")
    assert buttons and not [one for one in buttons if "Share" in one.get_attribute("data-title")]
    image = opened.find_element(By.CSS_SELECTOR, "figure.left img")
    assert opened.execute_script("return arguments[0].decode().then(() => arguments[0].naturalWidth)", image) == 480
    assert opened.get_log("browser") == []


def test_a_heading_sorts_there_and_back(opened):
    before = column(opened, "#all", 4)
    head = opened.find_elements(By.CSS_SELECTOR, "#all th button")[3]
    numbers = [int(text.replace(",", "")) for text in before]
    for order in (sorted(numbers), sorted(numbers, reverse=True)):
        head.send_keys("\n")  # by keyboard, and not in the order of letters
        assert [int(text.replace(",", "")) for text in column(opened, "#all", 4)] == order
    memory = opened.find_elements(By.CSS_SELECTOR, "#all th button")[-1]
    for _ in range(2):
        opened.execute_script("arguments[0].click()", memory)
        assert column(opened, "#all", 10)[-1] == "-"


def test_words_choose_rows_and_the_anchor_its_table(opened):
    words = opened.find_element(By.ID, "words")
    words.send_keys("c9 BOLD")
    assert opened.find_element(By.ID, "count").text == "4 of 24 rows"
    words.clear()
    words.send_keys(" ")
    assert opened.find_element(By.ID, "count").text == "24 of 24 rows"
    shown = [table.text for table in opened.find_elements(By.CLASS_NAME, "against") if table.is_displayed()]
    assert len(shown) == 1 and made.OURS in shown[0]
    opened.find_element(By.CSS_SELECTOR, "#anchor option").click()
    shown = [table.text for table in opened.find_elements(By.CLASS_NAME, "against") if table.is_displayed()]
    assert len(shown) == 1 and made.OTHER in shown[0]


def test_the_viewer_slides_and_zooms_in_step(opened):
    stage = opened.find_element(By.ID, "stage")
    split = "return getComputedStyle(document.querySelector('figure.left')).clipPath"
    before, fitting = opened.execute_script(split), transforms(opened)
    assert len(fitting) == 2
    stage.send_keys("]")
    after = opened.execute_script(split)
    opened.find_element(By.ID, "split").send_keys("\ue014")  # arrow right
    assert len({before, after, opened.execute_script(split)}) == 3
    stage.send_keys("++")
    near = transforms(opened)
    stage.send_keys("\ue014")
    moved = transforms(opened)
    assert all(len(set(one)) == 1 for one in (near, moved)) and len({fitting[0], near[0], moved[0]}) == 3
    stage.send_keys("0")
    assert transforms(opened) == fitting
    stage.send_keys("b")
    beside = transforms(opened)
    assert len(beside) == 3 and len(set(beside)) == 1
    captions = [one.text for one in opened.find_elements(By.TAG_NAME, "figcaption")]
    assert captions[0] == "original" and captions[1].startswith(made.OURS)
    stage.send_keys("bn")
    assert opened.find_element(By.ID, "picture").get_attribute("value") == made.IMAGES[1]
    opened.find_element(By.CSS_SELECTOR, "[data-picture='0']").send_keys("\n")
    assert opened.find_element(By.ID, "picture").get_attribute("value") == made.IMAGES[0]
    assert opened.get_log("browser") == []


def test_a_phone_shows_it_without_scrolling_sideways(opened):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert opened.execute_script("return [innerWidth, document.documentElement.scrollWidth]") == [390, 390]
    pane = opened.find_element(By.CSS_SELECTOR, "figure.left .pane").rect
    assert 300 < pane["width"] < 390
