"""The public functions and classes, which `import distillora` offers."""
