"""One module for each tab of the app; each has a ``show`` that takes the view."""
