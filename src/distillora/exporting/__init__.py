"""Export of a trained arm as a bundle: merged weights, ONNX, int8, thresholds, a model card."""

from distillora.exporting.bundling import ExportOptions as ExportOptions
from distillora.exporting.bundling import convert_arm as convert_arm
from distillora.exporting.bundling import export_arm as export_arm
