"""The page of `mrcnn demo`, made of Gradio: photos in, what was found in them out, no other machine asked."""

import os
import pathlib
import tempfile
import warnings
from collections.abc import Callable

from mrcnn.data.encoded import WHITE
from mrcnn.labeling.refine import STEPS, build_chain
from mrcnn.serving.gradio_start import private_gradio
from mrcnn.serving.limits import Limits
from mrcnn.serving.photos import decode_photo
from mrcnn.serving.picture import STYLE, picture_html
from mrcnn.serving.pre_labels import without_pixels
from mrcnn.serving.refusals import Refused
from mrcnn.serving.served import ServedModel
from mrcnn.serving.shown import LEAST, Seen, chosen, files_of, label_map_of, least_score, look

EXAMPLES, EXAMPLE_SIZE = 3, (512, 384)  # drawn pictures, and their (height, width)
KEPT_SECONDS = 3600  # that photos of a visitor who has left are kept
# What the page may load: itself. A browser refuses all else, whatever Gradio asks for.
POLICY = ("default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
          "style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; frame-ancestors 'self'")
WELCOME = ('<div class="photos"><p>Drop photos above, take one by camera, or try drawn pictures. '
           "They stay on the machine that runs this page.</p></div>")
HIDDEN = {"api_visibility": "private"}
CSS = STYLE + """
.gradio-container { max-width: 80rem !important; margin: 0 auto !important; }
footer { display: none !important; }
#picture, #picture > * { min-width: 0; max-width: 100%; }
/* What axe-core finds in Gradio's own parts: grey on grey, and a button within a button. */
#score span { color: var(--body-text-color); }
a.download-link { color: var(--body-text-color) !important; text-decoration: underline; }
#photos button[aria-label="common.upload"] { display: none; }
"""


class Page:
    """What happens on the page, apart from how it looks.

    Args:
        served: the model.
        limits: of photos.
        matte: RGB 0..255 under what is transparent.
        refine: steps of refinement that are chosen at first, as `build_chain` takes them; they come first, in order.
    """

    def __init__(self, served: ServedModel, limits: Limits | None = None, matte: tuple[int, int, int] = WHITE,
                 refine: str = "none"):
        self.served, self.limits, self.matte = served, limits or Limits(), matte
        asked = [] if refine in ("", "none") else [step.strip() for step in refine.split(",")]
        self.chosen_steps = list(dict.fromkeys(asked))  # a box is ticked or not
        if len(self.chosen_steps) < len(asked):
            warnings.warn(f"The page takes a step of refinement once: {','.join(self.chosen_steps)} in place of "
                          f"{','.join(asked)}; label takes it as it is.", stacklevel=2)
        self.steps = [*self.chosen_steps, *(step for step in STEPS if step not in self.chosen_steps)]

    @property
    def scores(self) -> tuple[float, float]:
        """(lowest that may be chosen, the one chosen at first) of the least scores of objects."""
        if not self.served.finds_objects:
            return LEAST, LEAST
        lowest = least_score(self.served)
        return lowest, max(lowest, self.served.min_score)

    @property
    def score_hint(self) -> str | None:
        """Why no lower score can be chosen; None where the page chose it."""
        floor = self.served.min_score_floor
        if floor is None or floor <= min(LEAST, self.served.min_score):
            return None
        return (f"{self.served.version} is an exported file that drops objects below {floor:g}: for lower scores "
                "export with a lower DETECTION_MIN_CONFIDENCE.")

    def chain(self, steps: list[str]) -> Callable | None:
        """The chain of chosen steps, in the order of the page."""
        return build_chain(",".join(step for step in self.steps if step in steps))

    def look_at(self, paths: list[str], steps: list[str], told: Callable) -> tuple[list[Seen], list[str]]:
        """Let the network look at files.

        Args:
            paths: of the files.
            steps: of refinement, for a network of label maps.
            told: called with (photos done, all of them).

        Returns:
            (what was seen, one sentence for each file that was refused).
        """
        seen, refused = [], []
        if len(paths) > self.limits.photos:
            refused.append(f"{len(paths) - self.limits.photos} photos were left out: {self.limits.photos} are taken at "
                           "once (--max-photos).")
        chosen_paths = paths[:self.limits.photos]
        for number, path in enumerate(chosen_paths):
            told(number, len(chosen_paths))
            try:
                seen.append(look(self.served, os.path.basename(path), pathlib.Path(path).read_bytes(), self.limits,
                                 self.matte, self.chain(steps)))
            except Refused as error:
                refused.append(error.reason)
        return seen, refused

    def html(self, photos: list[Seen], place: int | None, least: float, names: list[str], steps: list[str]) -> str:
        """What is shown of one of the photos.

        Args:
            photos: all of them.
            place: of the one.
            least, names, steps: least score, names of classes and of steps of refinement.

        Returns:
            HTML.
        """
        if not photos:
            return WELCOME
        seen, classes = photos[place or 0], self.class_ids(names)
        photo, objects = decode_photo(seen.data, seen.name, self.limits, self.matte), chosen(seen, least, classes)
        labels = label_map_of(self.served, seen, photo, objects, classes, self.chain(steps))
        return picture_html(seen.name, photo, objects, labels, self.served.class_names, self.served.attribute_names)

    def files(self, photos: list[Seen], least: float, names: list[str], steps: list[str]) -> list[str]:
        """Write the files of what is shown of all photos.

        Args:
            photos, least, names, steps: as for `html`.

        Returns:
            Their paths.
        """
        folder = pathlib.Path(tempfile.mkdtemp(dir=os.environ.get("GRADIO_TEMP_DIR")))
        files = files_of(self.served, photos, least, self.class_ids(names), self.limits, self.matte, self.chain(steps))
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return [str(folder / name) for name in files]

    def left_out(self, photos: list[Seen], least: float, names: list[str]) -> str:
        """Which objects the files have no place for.

        Args:
            photos, least, names: as for `html`.

        Returns:
            One sentence; "" where they hold all.
        """
        shown = [objects for seen in photos if (objects := chosen(seen, least, self.class_ids(names))) is not None]
        empty, count = sum(map(without_pixels, shown)), sum(len(objects["rles"]) for objects in shown)
        return f"The files leave out {empty} of {count} objects, whose masks have no pixel." if empty else ""

    def class_ids(self, names: list[str]) -> list[int]:
        """Class ids of some names."""
        return [class_id for class_id, name in enumerate(self.served.class_names) if class_id and name in names]

    def examples(self) -> list[str]:
        """Draw pictures into files, and give their paths."""
        from PIL import Image

        from mrcnn.data.drawn.people import draw_picture

        folder = pathlib.Path(tempfile.mkdtemp(dir=os.environ.get("GRADIO_TEMP_DIR")))
        paths = [str(folder / f"drawn_{index + 1}.png") for index in range(EXAMPLES)]
        for index, path in enumerate(paths):
            Image.fromarray(draw_picture(7, index, EXAMPLE_SIZE).image).save(path)
        return paths


def make_page(page: Page) -> object:
    """Lay the page out.

    Args:
        page: what happens on it.

    Returns:
        Gradio's Blocks.
    """
    import gradio as gr

    finds = page.served.finds_objects
    lowest, first = page.scores
    names = page.served.class_names[1:]
    with gr.Blocks(title=f"mrcnn: {page.served.version}", analytics_enabled=False,
                   delete_cache=(KEPT_SECONDS, KEPT_SECONDS)) as blocks:
        photos = gr.State([], time_to_live=KEPT_SECONDS)
        gr.Markdown(f"# What {page.served.version} finds")
        with gr.Row():
            with gr.Column(scale=2, min_width=280):
                files = gr.File(label="Photos", file_count="multiple", elem_id="photos", height=180)
                with gr.Row():
                    examples = gr.Button("Try drawn pictures", elem_id="examples")
                    clear = gr.Button("Clear", elem_id="clear")
                with gr.Accordion("Camera", open=False):
                    camera = gr.Image(label="Camera", sources=["webcam"], type="filepath", format="png", height=240)
            with gr.Column(scale=2, min_width=280):
                least = gr.Slider(lowest, 1, first, step=0.01, label="Least score", visible=finds,
                                  elem_id="score", info=page.score_hint)
                classes = gr.CheckboxGroup(names, value=names, label="Classes", elem_id="classes")
                with gr.Row():
                    every = gr.Button("All classes", size="sm", elem_id="every")
                    none = gr.Button("No class", size="sm", elem_id="none")
                steps = gr.CheckboxGroup(page.steps, value=page.chosen_steps, elem_id="refine",
                                         label="Refinement of the label map, in this order")
        message = gr.Markdown(visible=False, elem_id="message")
        place = gr.Dropdown([], label="Shown photo", visible=False, type="value", elem_id="shown")
        picture = gr.HTML(WELCOME, elem_id="picture")
        make_files = gr.Button("Make files to download", visible=False, elem_id="make")
        downloads = gr.File(label="Label maps, COCO JSON, cut-outs" if finds else "Label maps", visible=False,
                            file_count="multiple", interactive=False, elem_id="downloads")
        parts = {"photos": photos, "files": files, "camera": camera, "least": least, "classes": classes, "steps": steps,
                 "message": message, "place": place, "picture": picture, "make": make_files, "downloads": downloads}
        _connect(page, parts)
        examples.click(page.examples, outputs=files, **HIDDEN)
        clear.click(lambda: None, outputs=files, **HIDDEN)
        every.click(lambda: names, outputs=classes, **HIDDEN)
        none.click(lambda: [], outputs=classes, **HIDDEN)
    return blocks


def _connect(page, parts):
    """Say what follows from what."""
    import gradio as gr

    how, progress_shown = [parts["least"], parts["classes"], parts["steps"]], gr.Progress()

    def seen(paths, least, names, steps, progress=progress_shown):
        paths = [paths] if isinstance(paths, str) else list(paths or [])
        photos, refused = page.look_at(paths, steps, lambda done, all_of_them: progress((done, all_of_them), "Looking"))
        titles = [(f"{number}. {one.name}", number - 1) for number, one in enumerate(photos, start=1)]
        return (photos, gr.Dropdown(titles, value=0 if titles else None, visible=len(titles) > 1),
                gr.Markdown(plain_markdown("\n".join(refused)), visible=bool(refused)),
                page.html(photos, 0, least, names, steps), gr.Button(visible=bool(photos)),
                gr.File(None, visible=False))

    def shown(photos, place, *how):
        return page.html(photos, place, *how), gr.File(None, visible=False)

    def made(photos, least, names, steps):
        if told := page.left_out(photos, least, names):
            gr.Warning(told)
        return gr.File(page.files(photos, least, names, steps), visible=True)

    looked = [parts[name] for name in ("photos", "place", "message", "picture", "make", "downloads")]
    again = {"fn": shown, "inputs": [parts["photos"], parts["place"], *how],
             "outputs": [parts["picture"], parts["downloads"]], "show_progress": "minimal", **HIDDEN}
    look = {"fn": seen, "outputs": looked, "show_progress_on": parts["picture"], **HIDDEN}
    parts["files"].change(inputs=[parts["files"], *how], **look)
    parts["camera"].input(inputs=[parts["camera"], *how], **look)
    parts["least"].change(trigger_mode="always_last", **again)  # by mouse, keys or number
    parts["classes"].change(**again)
    parts["place"].input(**again)
    if page.served.finds_objects:
        parts["steps"].change(**again)
    else:  # refinement takes the probabilities of the network, which are too large to keep
        parts["steps"].change(inputs=[parts["files"], *how], **look)
    parts["make"].click(made, [parts["photos"], *how], parts["downloads"], **HIDDEN)


def plain_markdown(text: str) -> str:
    """A text that Markdown shows as it is, a line of the text a line."""
    marked = "".join(f"&#{ord(letter)};" if letter in "\\`*_{}[]<>()#+-!|~$&:" else letter for letter in text)
    return marked.replace("\n", "\n\n")


def make_page_app(page: Page) -> Callable:
    """The application of the page.

    Args:
        page: what happens on it.

    Returns:
        An ASGI application, for `mrcnn.serving.listening.run`.
    """
    import gradio as gr
    from fastapi import FastAPI

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app = gr.mount_gradio_app(app, make_page(page), "/", footer_links=[], max_file_size=page.limits.upload, css=CSS,
                              ssr_mode=False, enable_monitoring=False, mcp_server=False, pwa=False, run_history=False)
    return closed(app)


def closed(app: Callable) -> Callable:
    """An application whose pages may load nothing from elsewhere.

    Args:
        app: ASGI application.

    Returns:
        The same with POLICY in the head of each answer.
    """
    async def answer(scope, receive, send):
        async def with_policy(message):
            if message["type"] == "http.response.start":
                head = [(b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer")]
                message = {**message, "headers": [*message.get("headers", []), *head]}
            await send(message)

        await app(scope, receive, with_policy)

    return answer


def launch(served: ServedModel, host: str = "127.0.0.1", port: int = 7860) -> None:
    """Show a page over a model until the process is told to end.

    Args:
        served: the model.
        host, port: to listen at.

    Raises:
        UsageError: Gradio is not installed, or the address cannot be listened at.
    """
    from mrcnn.serving.listening import address_of, listen, run

    with listen(host, port) as listener, private_gradio():
        print(f"{address_of(listener)} shows what {served.version} finds; Ctrl-C ends it.", flush=True)
        run(make_page_app(Page(served)), listener)
