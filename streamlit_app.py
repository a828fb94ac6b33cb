"""The app for Streamlit Community Cloud, with the starter model; elsewhere use `distillora app`."""

from distillora.app.main import show
from distillora.app.settings import Options

show(Options())
