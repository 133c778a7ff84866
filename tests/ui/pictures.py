"""The README's pictures, from the running page: `python -m tests.ui.pictures`."""

import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from charrnn.corpus import bundled_folder

from .conftest import ROOT, Server, browser_path

PICTURES = ROOT / ".github" / "pictures"


def main() -> None:
    """Train on a bundled text, and look at each tab on the way."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder) / "runs")
        try:
            browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(server.url)
            page.locator("#files input[type=file]").set_input_files(bundled_folder() / "lyrics.txt")
            expect(page.locator("#report")).to_contain_text("characters", timeout=60_000)
            page.get_by_role("button", name="Train", exact=True).click()
            page.wait_for_timeout(40_000)
            page.screenshot(path=PICTURES / "train.png")
            page.get_by_role("tab", name="Generate").click()
            page.get_by_label("Prime", exact=True).fill("THE LIGHTHOUSE KEEPER'S DOG")
            page.wait_for_timeout(4_000)
            page.screenshot(path=PICTURES / "generate.png")
            page.get_by_role("tab", name="Look inside").click()
            page.wait_for_timeout(6_000)
            page.screenshot(path=PICTURES / "inside.png")
            page.set_viewport_size({"width": 375, "height": 812})
            page.get_by_role("tab", name="Generate").click()
            page.wait_for_timeout(1_000)
            page.screenshot(path=PICTURES / "phone.png")
            page.emulate_media(color_scheme="dark")
            page.set_viewport_size({"width": 1280, "height": 800})
            page.reload()
            page.get_by_role("tab", name="Generate").click()
            page.wait_for_timeout(4_000)
            page.screenshot(path=PICTURES / "dark.png")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
