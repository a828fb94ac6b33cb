"""Using a trained model without torch: bundle, classifier, toxicity, explanation, files."""
