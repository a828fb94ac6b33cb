"""Using a trained model without torch: bundle, classifier, explanation, files."""
