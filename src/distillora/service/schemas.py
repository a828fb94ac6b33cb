"""The bodies of requests and answers, as the programs that send and read them define them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from distillora.inference.classifier import TruncationDirection
from distillora.service.errors import ErrorType


class _Body(BaseModel):
    # clients send keys of newer versions of these interfaces, so unknown ones are let through
    model_config = ConfigDict(frozen=True, strict=True, protected_namespaces=())


class PredictRequest(_Body):
    """What text-embeddings-inference takes at ``/predict``.

    Attributes:
        inputs: a text, or a batch: a list of lists of one text each.
        truncate: whether a text that is too long is cut; otherwise it is refused.
        truncation_direction: which end is cut off.
        raw_scores: whether to return logits in place of probabilities.
    """

    inputs: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=1)]
        | Annotated[
            list[Annotated[list[str], Field(min_length=1, max_length=1)]], Field(min_length=1)
        ]
    ) = Field(
        description="a text, or a batch, which is a list of lists of one text each",
        examples=["thanks a lot!", [["thanks a lot!"], ["go away"]]],
    )
    truncate: bool | None = False
    truncation_direction: Literal["right", "left", "Right", "Left"] = "right"
    raw_scores: bool | None = False

    @model_validator(mode="before")
    @classmethod
    def _refuse_pairs(cls, values: Any) -> Any:
        inputs = values.get("inputs") if isinstance(values, dict) else None
        if isinstance(inputs, list) and (
            (len(inputs) > 1 and all(isinstance(item, str) for item in inputs))
            or any(isinstance(item, list) and len(item) > 1 for item in inputs)
        ):
            raise ValueError(
                "a list of strings is a pair of texts, and this model reads one text at a time; "
                'a batch is a list of lists: [["first"], ["second"]]'
            )
        return values

    @property
    def texts(self) -> list[str]:
        """The texts, in their order."""
        if isinstance(self.inputs, str):
            return [self.inputs]
        return [item if isinstance(item, str) else item[0] for item in self.inputs]

    @property
    def is_batch(self) -> bool:
        """Whether the answer is a list for each text."""
        return isinstance(self.inputs, list) and isinstance(self.inputs[0], list)

    @property
    def direction(self) -> TruncationDirection:
        """Which end is cut off."""
        return "left" if self.truncation_direction.lower() == "left" else "right"


class Label(_Body):
    """A label and its score: a probability, or a logit where those were asked for."""

    score: float
    label: str


class InferenceParameters(_Body):
    """The parameters of the Hugging Face task ``text-classification``.

    Attributes:
        top_k: how many labels to return; all by default.
        function_to_apply: what turns logits into scores; by default that of the model.
    """

    top_k: Annotated[int, Field(ge=1)] | None = None
    function_to_apply: Literal["sigmoid", "softmax", "none"] | None = None


class InferenceRequest(_Body):
    """What a Hugging Face inference endpoint takes; texts that are too long are cut."""

    inputs: str | Annotated[list[str], Field(min_length=1)] = Field(
        description="a text or a list of texts", examples=["thanks a lot!"]
    )
    parameters: InferenceParameters | None = None

    @property
    def texts(self) -> list[str]:
        """The texts, in their order."""
        return [self.inputs] if isinstance(self.inputs, str) else self.inputs


class ClassifyRequest(_Body):
    """What vLLM and SGLang take at ``/classify``; texts that are too long are cut."""

    model: str | None = None
    input: str | Annotated[list[str], Field(min_length=1)] = Field(
        description="a text or a list of texts", examples=["thanks a lot!"]
    )

    @property
    def texts(self) -> list[str]:
        """The texts, in their order."""
        return [self.input] if isinstance(self.input, str) else self.input


class ClassifyItem(_Body):
    """One text: its most probable label, and the probabilities in the order of the labels."""

    index: int
    label: str
    probs: list[float]
    num_classes: int


class Usage(_Body):
    """Tokens that the model read."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: Literal[0] = 0
    prompt_tokens_details: None = None


class ClassifyResponse(_Body):
    """What vLLM and SGLang answer."""

    id: str
    object: Literal["list"] = "list"
    created: int
    model: str
    data: list[ClassifyItem]
    usage: Usage


class TextPart(_Body):
    """A text of a moderation request in parts."""

    type: Literal["text"]
    text: str


class ModerationRequest(_Body):
    """What OpenAI takes at ``/v1/moderations``; of its parts, texts alone."""

    input: (
        str
        | Annotated[list[str], Field(min_length=1)]
        | Annotated[list[TextPart], Field(min_length=1)]
    ) = Field(
        description="a text, a list of texts, or a list of parts of type text",
        examples=["thanks a lot!"],
    )
    model: str | None = None

    @property
    def texts(self) -> list[str]:
        """The texts, in their order."""
        if isinstance(self.input, str):
            return [self.input]
        return [part if isinstance(part, str) else part.text for part in self.input]


class ModerationResult(_Body):
    """One text; categories that the model does not know are absent."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[Literal["text"]]]


class ModerationResponse(_Body):
    """What OpenAI answers."""

    id: str
    model: str
    results: list[ModerationResult]


class Info(_Body):
    """What is served and what is allowed, under the names of text-embeddings-inference."""

    model_id: str
    model_sha: str
    model_dtype: Literal["int8", "fp32"]
    model_type: dict[str, dict[str, dict[str, Any]]]
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_client_batch_size: int
    auto_truncate: Literal[False] = False
    tokenization_workers: Literal[1] = 1
    version: str
    models: list[str]


class ErrorBody(_Body):
    """Every answer that is not a success."""

    error: str
    error_type: ErrorType
