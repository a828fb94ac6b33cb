"""The command line: parse options, call the Python API, print."""

from distillora.cli import exporting as exporting
from distillora.cli import predicting as predicting
from distillora.cli import serving as serving
from distillora.cli import training as training
from distillora.cli import web as web
from distillora.cli.base import app as app
from distillora.cli.base import main as main
