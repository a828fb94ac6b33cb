"""The training loop on tiny models and texts whose first token tells the class."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distillora.errors import RunError
from distillora.evaluation.metrics import epoch_metrics
from distillora.models.adapters import add_adapter
from distillora.models.forward import predict_logits
from distillora.models.layers import keep_layers
from distillora.progress import Reporter
from distillora.recipe import LoraTuning, Training
from distillora.training.batches import Collator, Examples
from distillora.training.objectives import TrainingLoss, hidden_cosine, softened_kl
from distillora.training.teacher_cache import TeacherKey, compute_outputs, load_outputs
from distillora.training.trainer import Trained, train
from tiny import LABELS, learnable_classes, tiny_model, tiny_tokens

TRAIN, VALIDATION = tiny_tokens(rows=200), tiny_tokens(rows=50, seed=1)
LORA = LoraTuning(method="lora", rank=4, alpha=8, dropout=0.1)

pytestmark = pytest.mark.slow  # each trains a model for a second


def examples(multi_label: bool = False, teacher: Any = None) -> tuple[Examples, Examples]:
    targets = [learnable_classes(tokens) for tokens in (TRAIN, VALIDATION)]
    if multi_label:
        # two labels a row: the class and the one after it
        eye = np.eye(len(LABELS), dtype=np.float32)
        targets = [eye[rows] + eye[(rows + 1) % len(LABELS)] for rows in targets]
    return Examples(TRAIN, targets[0], teacher), Examples(VALIDATION, targets[1])


def fit(
    model: Any,
    folder: Path,
    data: tuple[Examples, Examples] | None = None,
    *,
    objective: TrainingLoss | None = None,
    metric: str = "f1_weighted",
    measure: Callable[[Any, Any], dict[str, float]] | None = None,
    seed: int = 0,
    precision: Any = "fp32",
    **settings: Any,
) -> Trained:
    train_rows, validation = data or examples()
    return train(
        model,
        train_rows,
        validation,
        objective=objective or TrainingLoss(),
        settings=Training(**{"epochs": 3, "batch_size": 8, "learning_rate": 5e-3, **settings}),
        metric=metric,
        epoch_metrics=measure or partial(epoch_metrics, task="single_label"),
        pad_token_id=0,
        seed=seed,
        precision=precision,
        checkpoints=folder / "checkpoints",
        tensorboard=folder / "tensorboard",
        reporter=Reporter(quiet=True),
        title="tiny",
    )


def small_model(seed: int = 0) -> Any:
    return tiny_model(seed=seed, num_hidden_layers=2)


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def evaluations(trained: Trained) -> list[dict[str, float]]:
    return [entry for entry in trained.history if "eval_loss" in entry]


def losses(trained: Trained) -> list[float]:
    return [entry["loss"] for entry in trained.history if "loss" in entry]


def test_the_loss_goes_down_and_the_classes_are_learnt(tmp_path: Path) -> None:
    model = small_model()
    trained = fit(model, tmp_path, epochs=8, learning_rate=2e-2)
    assert losses(trained)[0] > 1.3
    assert losses(trained)[-1] < 0.7
    found = predict_logits(model, TRAIN, 0).argmax(axis=1)
    assert (found == learnable_classes(TRAIN)).mean() > 0.8


def test_every_epoch_has_one_loss_and_one_validation(tmp_path: Path) -> None:
    trained = fit(small_model(), tmp_path, epochs=4)
    steps = [25, 50, 75, 100]
    assert [entry["step"] for entry in trained.history if "loss" in entry] == steps
    assert [entry["step"] for entry in evaluations(trained)] == steps
    assert len(trained.clock.epochs) == 4
    assert trained.clock.epochs == sorted(trained.clock.epochs)
    assert trained.clock.examples == 4 * 200
    assert 0 < trained.clock.stepping < trained.clock.total
    assert trained.clock.peak_memory > 0


def test_validation_figures_are_those_of_the_model_without_dropout(tmp_path: Path) -> None:
    model = small_model()
    trained = fit(model, tmp_path, epochs=1)
    logits = torch.from_numpy(predict_logits(model, VALIDATION, 0))
    classes = torch.from_numpy(learnable_classes(VALIDATION))
    (entry,) = evaluations(trained)
    expected = torch.nn.functional.cross_entropy(logits, classes).item()
    assert entry["eval_loss"] == pytest.approx(expected, rel=1e-4)
    assert entry["eval_accuracy"] == pytest.approx((logits.argmax(1) == classes).float().mean())


@pytest.mark.parametrize("adapted", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("best", [1, 2, 3])
def test_the_model_ends_as_it_was_after_the_epoch_that_validated_best(
    best: int, adapted: bool, tmp_path: Path
) -> None:
    model = small_model()
    if adapted:
        model = add_adapter(model, LORA)
    said: list[np.ndarray] = []
    counter = itertools.count(1)

    def measure(logits: Any, targets: Any) -> dict[str, float]:
        said.append(np.array(logits))
        score = 0.9 if next(counter) == best else 0.1
        return {"f1_weighted": score, "f1_macro": 0.5, "accuracy": 0.5}

    trained = fit(model, tmp_path, measure=measure)
    assert trained.best_epoch == best
    ends = predict_logits(model, VALIDATION, 0)
    distances = [np.abs(ends - logits).max() for logits in said]
    assert distances[best - 1] < 1e-5
    assert min(d for i, d in enumerate(distances) if i != best - 1) > 1e-3


def test_the_lowest_validation_loss_is_the_best(tmp_path: Path) -> None:
    trained = fit(small_model(), tmp_path, metric="loss", epochs=5, learning_rate=0.05)
    found = [entry["eval_loss"] for entry in evaluations(trained)]
    assert trained.best_epoch == 1 + found.index(min(found))


def test_of_equal_epochs_the_first_is_the_best(tmp_path: Path) -> None:
    measure = {"f1_weighted": 0.5, "f1_macro": 0.5, "accuracy": 0.5}
    assert fit(small_model(), tmp_path, measure=lambda *_: dict(measure)).best_epoch == 1


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    outcomes = []
    for number, seed in enumerate((0, 0, 1)):
        model = small_model()
        fit(model, tmp_path / str(number), seed=seed, epochs=1)
        outcomes.append(weights(model))
    assert same(outcomes[0], outcomes[1])
    assert not same(outcomes[0], outcomes[2])


def test_several_labels_of_a_text_are_learnt(tmp_path: Path) -> None:
    data = examples(multi_label=True)
    model = small_model()
    trained = fit(
        model,
        tmp_path,
        data,
        metric="average_precision",
        measure=partial(epoch_metrics, task="multi_label"),
        epochs=7,
        learning_rate=2e-2,
    )
    assert losses(trained)[-1] < losses(trained)[0] < 0.8
    found = predict_logits(model, TRAIN, 0) > 0
    assert (found == data[0].targets.astype(bool)).mean() > 0.85


def test_lora_trains_adapters_and_head_and_leaves_the_encoder(tmp_path: Path) -> None:
    base = small_model()
    encoder = weights(base.bert.encoder)
    model = add_adapter(base, LORA)
    before = weights(model)
    trained = fit(model, tmp_path, epochs=4, learning_rate=2e-2)
    assert losses(trained)[-1] < losses(trained)[0]
    changed = {name for name, w in model.state_dict().items() if not torch.equal(w, before[name])}
    assert changed
    assert all("lora_" in name or "modules_to_save" in name for name in changed)
    kept = {n.replace(".base_layer", ""): w for n, w in base.bert.encoder.state_dict().items()}
    assert all(torch.equal(kept[name], weight) for name, weight in encoder.items())


def teach(folder: Path, *, hidden: bool) -> tuple[Any, Any]:
    """Make a teacher and its cached outputs over the training texts."""
    teacher = tiny_model(seed=3, num_hidden_layers=2)
    with torch.no_grad():
        for weight in (teacher.classifier.weight, teacher.bert.pooler.dense.weight):
            weight.mul_(20)  # a teacher with opinions
    key = TeacherKey("t", "d", "k", max_length=32, precision="fp32", hidden=hidden)
    compute_outputs(folder / "outputs", key, teacher, TRAIN, 0)
    return teacher, load_outputs(folder / "outputs", key, TRAIN)


def test_a_student_comes_to_say_what_its_teacher_says(tmp_path: Path) -> None:
    teacher, outputs = teach(tmp_path, hidden=False)
    before = weights(teacher)
    student = small_model(seed=1)
    theirs = torch.from_numpy(np.array(outputs.logits))

    def divergence() -> float:
        logits = torch.from_numpy(predict_logits(student, TRAIN, 0))
        return float(softened_kl(logits, theirs, 2.0))

    start = divergence()
    objective = TrainingLoss(labels=0.0, distillation=1.0, temperature=2.0)
    later_is_better = itertools.count()  # the teacher knows nothing of the labels of validation
    fit(
        student,
        tmp_path,
        examples(teacher=outputs),
        objective=objective,
        measure=lambda *_: {"f1_weighted": next(later_is_better), "f1_macro": 0.0, "accuracy": 0.0},
        epochs=4,
        learning_rate=1e-2,
    )
    assert divergence() < start / 2
    assert same(weights(teacher), before)


def test_a_students_hidden_states_turn_towards_its_teachers(tmp_path: Path) -> None:
    _, outputs = teach(tmp_path, hidden=True)
    data = examples(teacher=outputs)
    student = small_model(seed=1)
    batch = Collator(0)([data[0][i] for i in range(50)])

    def distance() -> float:
        student.eval()
        mask = batch["attention_mask"]
        with torch.inference_mode():
            ours = student(
                input_ids=batch["input_ids"], attention_mask=mask, output_hidden_states=True
            ).hidden_states[-1]
        return float(hidden_cosine(ours, batch["teacher_hidden"].float(), mask))

    start = distance()
    objective = TrainingLoss(labels=0.1, hidden_cosine=1.0)
    fit(student, tmp_path, data, objective=objective, metric="loss", learning_rate=1e-2)
    assert distance() < start / 2


def test_the_loss_of_the_first_step_is_the_objective_of_the_first_batch(tmp_path: Path) -> None:
    """One batch an epoch and no dropout: the logged loss is known without the Trainer."""
    teacher, outputs = teach(tmp_path, hidden=True)
    data = examples(teacher=outputs)
    student = keep_layers(teacher, (1,))
    for module in student.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    objective = TrainingLoss(labels=0.5, distillation=0.3, logits_mse=0.2, hidden_cosine=0.7)
    batch = Collator(0)([data[0][i] for i in range(200)])
    plain = copy.deepcopy(student)
    with torch.inference_mode():
        out = plain(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            output_hidden_states=True,
        )
        expected = objective(
            out.logits,
            batch["labels"],
            batch["teacher_logits"],
            out.hidden_states[-1],
            batch["teacher_hidden"],
            batch["attention_mask"],
        )
    trained = fit(student, tmp_path, data, objective=objective, epochs=1, batch_size=200)
    assert losses(trained)[0] == pytest.approx(expected.item(), rel=1e-3)


def test_bfloat16_trains_weights_that_stay_in_float32(tmp_path: Path) -> None:
    model = small_model()
    trained = fit(model, tmp_path, epochs=3, precision="bf16", learning_rate=1e-2)
    assert losses(trained)[-1] < losses(trained)[0]
    assert all(weight.dtype == torch.float32 for weight in model.parameters())


@pytest.mark.parametrize("adapted", [False, True], ids=["plain", "lora"])
def test_after_bfloat16_a_model_says_what_its_weights_say_when_loaded(
    tmp_path: Path, adapted: bool
) -> None:
    model, other = small_model(), small_model()
    if adapted:
        model, other = add_adapter(model, LORA), add_adapter(other, LORA)
    fit(model, tmp_path, epochs=1, precision="bf16")
    other.load_state_dict(model.state_dict())
    said, expected = (predict_logits(one, VALIDATION, 0) for one in (model, other))
    np.testing.assert_array_equal(said, expected)


def test_the_losses_are_written_for_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained = fit(small_model(), tmp_path, epochs=2)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    logged = [event.value for event in events.Scalars("train/loss")]
    assert logged == pytest.approx(losses(trained))


def test_a_folder_with_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    model = small_model()
    first = fit(model, tmp_path)
    again = small_model()
    second = fit(again, tmp_path)
    assert same(weights(model), weights(again))
    assert evaluations(first) == evaluations(second)
    assert second.best_epoch == first.best_epoch


def test_weights_that_are_no_numbers_end_training_with_advice(tmp_path: Path) -> None:
    model = small_model()
    with torch.no_grad():
        model.classifier.bias[0] = torch.nan
    with pytest.raises(RunError, match=r"learning_rate"):
        fit(model, tmp_path, epochs=1)
