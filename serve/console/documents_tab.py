"""The Documents tab: what a bot's answers stand on, what a question finds there, which find nothing, and Markdown that
operators write.

What was shown is what is replaced: a document that changed meanwhile is not written over. Does not know how documents
are kept (`serve.documents`).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import gradio as gr
from pydantic import BaseModel, ConfigDict, ValidationError

from nightschool.errors import InvalidInput
from nightschool.knowledge import Found, Passage
from serve.console.draw import text
from serve.console.told import QUIET, Given, Updates, told
from serve.documents import WRITTEN, Checked, DocumentsStatus, OperatorsDocuments

MOST_QUESTIONS: Final = 100


class DocumentsTab(NamedTuple):
    tab: gr.Tab
    bot: gr.Dropdown
    status: gr.HTML
    question: gr.Textbox
    check: gr.Button
    found: gr.HTML
    documents: gr.Radio
    add: gr.Button
    file: gr.Textbox
    text: gr.Textbox
    passages: gr.HTML
    reason: gr.Textbox
    save: gr.Button
    remove: gr.Button
    opened: gr.Textbox


class Opened(BaseModel):
    """The document that was opened, as it was then; kept by the page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bot: str
    file: str | None = None
    """None while a new one is written."""
    text: str = ""


def build_documents(opened: gr.Textbox) -> DocumentsTab:
    with gr.Tab("Documents") as tab:
        with gr.Row(elem_classes="ns-filters"):
            bot = gr.Dropdown([], label="Bot", filterable=False, min_width=160)
            question = gr.Textbox(
                label="What would a question find?",
                placeholder="Write a question and press Enter",
                max_length=2_000,
                elem_id="ns-document-question",
            )
        status = gr.HTML(padding=False, elem_id="ns-documents-status")
        check = gr.Button("Questions that find nothing", size="sm", min_width=0, elem_classes="ns-small")
        found = gr.HTML(padding=False, elem_id="ns-documents-found")
        with gr.Row(elem_classes="ns-split"):
            with gr.Column(scale=2, min_width=280):
                add = gr.Button("New document", size="sm", min_width=0, elem_classes="ns-small")
                documents = gr.Radio([], label="Documents", elem_classes="ns-list", elem_id="ns-documents")
            with gr.Column(scale=3, min_width=280, elem_classes="ns-panel"):
                file = gr.Textbox(label="File", info=f"Ends in {WRITTEN}.", max_length=120, elem_id="ns-document-file")
                words = gr.Textbox(
                    label="Markdown", lines=10, max_lines=30, max_length=200_000, elem_id="ns-document-text"
                )
                reason = gr.Textbox(label="Reason (kept in the audit)", max_length=1_000, elem_id="ns-document-reason")
                with gr.Row(elem_classes="ns-actions"):
                    save = gr.Button("Save", variant="primary", min_width=0, elem_id="ns-document-save")
                    remove = gr.Button("Remove", min_width=0, elem_id="ns-document-remove")
                passages = gr.HTML(padding=False, elem_id="ns-document-passages")
    return DocumentsTab(
        tab, bot, status, question, check, found, documents, add, file, words, passages, reason, save, remove, opened
    )


class DocumentsWires:
    """Adapters between the tab's events and what operators do with documents."""

    def __init__(self, documents: OperatorsDocuments, tab: DocumentsTab) -> None:
        self._documents = documents
        self._at = tab

    def connect(self) -> None:
        at = self._at
        form = [at.file, at.text, at.reason, at.passages, at.opened]
        listed = [at.status, at.documents, at.found, *form]
        triggers = [at.tab.select, at.bot.input]
        gr.on(triggers, self._look, {at.bot, at.opened}, listed, trigger_mode="always_last", **QUIET)
        at.question.submit(self._find, {at.bot, at.question}, at.found, **QUIET)
        at.check.click(self._check, {at.bot}, at.found, **QUIET)
        at.documents.input(self._open, {at.bot, at.documents}, form, trigger_mode="always_last", **QUIET)
        at.add.click(self._begin, {at.bot}, [at.documents, *form], **QUIET)
        at.save.click(self._save, {at.bot, at.opened, at.file, at.text, at.reason}, listed, **QUIET)
        at.remove.click(self._remove, {at.bot, at.opened, at.reason}, listed, **QUIET)

    async def _look(self, given: Given, request: gr.Request) -> Updates:
        """What is there now. The form is emptied for another bot alone: whoever comes back, and a choice that the
        browser tells twice, takes no draft away."""
        at = self._at
        listed = await self._list(given, request)
        if not given[at.opened] or _read_opened(given[at.opened]).bot != given[at.bot]:
            return listed
        return {at.status: listed[at.status], at.documents: gr.update(choices=listed[at.documents]["choices"])}

    async def _list(self, given: Given, request: gr.Request) -> Updates:
        at, bot = self._at, given[self._at.bot]
        with told(request):
            try:
                status = await self._documents.status(bot)
            except InvalidInput as error:
                # Most bots have none; that is no fault of whoever looks.
                empty = {at.status: f"<p>{text(str(error))}</p>", at.documents: gr.update(choices=[], value=None)}
                return empty | {at.found: ""} | self._form(Opened(bot=bot))
        choices = [(f"{row.title} ({row.file})", row.file) for row in status.documents]
        listed = {at.status: draw_documents(status), at.documents: gr.update(choices=choices, value=None)}
        return listed | {at.found: ""} | self._form(Opened(bot=bot))

    async def _find(self, given: Given, request: gr.Request) -> Updates:
        bot = given[self._at.bot]
        with told(request):
            found = await self._documents.show(bot, [given[self._at.question]])
            served = [self._documents.is_served(bot, score) for score in found.scores]
        return {self._at.found: draw_found(found, served=served)}

    async def _check(self, given: Given, request: gr.Request) -> Updates:
        with told(request):
            return {self._at.found: draw_checked(await self._documents.check(given[self._at.bot]))}

    async def _open(self, given: Given, request: gr.Request) -> Updates:
        bot, file = given[self._at.bot], given[self._at.documents]
        with told(request):
            words = await self._documents.text(bot, file) if file.endswith(WRITTEN) else ""
            passages = await self._documents.passages(bot, file)
        return self._form(Opened(bot=bot, file=file, text=words)) | {self._at.passages: draw_passages(passages)}

    async def _begin(self, given: Given, request: gr.Request) -> Updates:
        with told(request):
            return {self._at.documents: gr.update(value=None)} | self._form(Opened(bot=given[self._at.bot]))

    async def _save(self, given: Given, request: gr.Request) -> Updates:
        at = self._at
        with told(request) as actor:
            opened = _read_opened(given[at.opened])
            file = given[at.file].strip()
            replaces = opened.text if file == opened.file else None
            reason = _checked_reason(given[at.reason])
            await self._documents.save(opened.bot, file, given[at.text], replaces=replaces, actor=actor, reason=reason)
        gr.Info(f"{file} is served from now on.", title="Saved")
        return await self._list({at.bot: opened.bot}, request)

    async def _remove(self, given: Given, request: gr.Request) -> Updates:
        at = self._at
        with told(request) as actor:
            opened = _read_opened(given[at.opened])
            if opened.file is None:
                raise InvalidInput("is chosen", subject="no document", remedy="Choose the one to remove.")
            reason = _checked_reason(given[at.reason])
            await self._documents.remove(opened.bot, opened.file, actor=actor, reason=reason)
        gr.Info(f"Nothing stands on {opened.file} any more.", title="Removed")
        return await self._list({at.bot: opened.bot}, request)

    def _form(self, opened: Opened) -> Updates:
        at = self._at
        is_ours = opened.file is None or opened.file.endswith(WRITTEN)
        return {
            at.file: opened.file or "",
            at.text: gr.update(value=opened.text, interactive=is_ours),
            at.reason: "",
            at.passages: "",
            at.opened: opened.model_dump_json(),
        }


def draw_documents(status: DocumentsStatus) -> str:
    """How much is indexed, and what is not read."""
    index = status.index_hash[:16] or "none yet"
    counts = f"{len(status.documents)} documents, {status.passages} passages, {status.answers} answers, index {index}"
    faults = "".join(f"<li><code>{text(fault.file)}</code> {text(fault.reason)}</li>" for fault in status.faults)
    return f"<p>{text(counts)}</p>" + (f"<p>Not read:</p><ul>{faults}</ul>" if faults else "")


def draw_found(found: Found, *, served: Sequence[bool]) -> str:
    """The nearest passages, and which of them are near enough to be shown to the model."""
    if not found.passages:
        return '<p class="ns-empty">Nothing is found.</p>'
    lines = [
        f"<li>{score:.2f} <strong>{text(passage.place)}</strong>{'' if is_served else ' (not served)'}: "
        f"{text(passage.text)}</li>"
        for passage, score, is_served in zip(found.passages, found.scores, served, strict=True)
    ]
    return f"<ol>{''.join(lines)}</ol>"


def draw_checked(checked: Checked) -> str:
    """On which questions somebody should write something down, the most frequent first."""
    count = len(checked.unanswered)
    lines = "".join(
        f"<li>{text(one.question)} ({one.times}x{', in exams' if one.is_held_out else ''})</li>"
        for one in checked.unanswered[:MOST_QUESTIONS]
    )
    told = f"{count} different questions of the newest {checked.questions} find nothing"
    return f"<p>{told}{': these first' if count > MOST_QUESTIONS else ''}.</p><ol>{lines}</ol>"


def draw_passages(passages: tuple[Passage, ...]) -> str:
    lines = "".join(f"<li><strong>{text(passage.place)}</strong>: {text(passage.text)}</li>" for passage in passages)
    return f"<h3>Passages</h3><ol>{lines}</ol>"


def _checked_reason(reason: str) -> str:
    """Raises InvalidInput where there is none."""
    if not reason.strip():
        raise InvalidInput("is empty", subject="reason", remedy="Say why: it is kept in the audit.", param="reason")
    return reason.strip()


def _read_opened(opened: str) -> Opened:
    """Raises InvalidInput where it is none of ours."""
    try:
        return Opened.model_validate_json(opened)
    except ValidationError:
        raise InvalidInput("is open", subject="no document", remedy="Choose one, or begin a new one.") from None
