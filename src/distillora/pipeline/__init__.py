"""A run, stage by stage: plan, train, evaluate, measure, compare, report."""

from distillora.pipeline.measure import measure_again
from distillora.pipeline.plan import show_plan
from distillora.pipeline.run import audit_source, compare

__all__ = ["audit_source", "compare", "measure_again", "show_plan"]
