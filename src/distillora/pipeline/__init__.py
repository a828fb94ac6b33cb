"""The main job, stage by stage: prepare, plan, make, judge, report."""

from distillora.pipeline.run import audit_source, compare, show_plan

__all__ = ["audit_source", "compare", "show_plan"]
